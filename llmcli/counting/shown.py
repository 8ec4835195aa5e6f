"""How a count is shown: a number, a record, and its price for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmcli.app import App
from llmcli.local import LOCAL
from llmcli.registry.models import find_model
from llmcli.settings.output import OutputSettings
from llmcli.tokens.count import Count
from llmcli.tokens.encodings import encoding_for
from llmcli.wire import Json, Request

if TYPE_CHECKING:
    from decimal import Decimal


def show_count(app: App, request: Request, count: Count, output: OutputSettings) -> None:
    """Write a count of `request`, in the form that the settings ask for."""
    if output.shape in {"text", "events"}:  # nothing is streamed here
        app.stdout.write(f"{count.tokens}\n")
    else:
        from llmcli import jsonl

        record = _record(app, request, count)
        app.stdout.write_bytes(jsonl.pretty(record) if output.shape == "json" else jsonl.line(record))
    if output.usage:
        from llmcli.output.report import dollars

        lowest, highest, total = _prices(app, request, count)
        about = "" if count.exact else "about "
        app.notes.write(
            f"usage: {about}{count.tokens} in, {dollars(lowest)}; answer at most {dollars(highest)};"
            f" total at most {dollars(total)}, {request.name}\n"
        )


def _record(app: App, request: Request, count: Count) -> Json:
    lowest, highest, total = _prices(app, request, count)
    window, longest = _limits(app, request)
    return {
        "tokens": count.tokens,
        "method": "exact" if count.exact else "estimate",
        **({} if count.exact else {"margin": count.margin}),
        "encoding": None if request.provider == LOCAL else encoding_for(request.provider, request.model)[0],
        "model": request.model,
        "context_window": window,
        "max_output_tokens": longest,
        "cost_usd": {"input": _number(lowest), "output_max": _number(highest), "total_max": _number(total)},
    }


def _limits(app: App, request: Request) -> tuple[int | None, int | None]:
    """Tokens of the model's window, and of its longest answer."""
    if request.provider == LOCAL:
        from llmcli.local.found import context_of

        context = context_of(request.model, app.world.env)
        return context, context
    model = find_model(request.provider, request.model)
    return (model.context_window, model.max_output_tokens) if model else (None, None)


def _prices(
    app: App, request: Request, count: Count
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """$ of the prompt, of the longest answer, and of both with the margin; None where one is not known."""
    price = app.prices.of(request.provider, request.model)
    if price is None:
        return None, None, None
    from llmcli.registry.estimate import estimate

    return estimate(request, price, count.tokens, count.most)


def _number(amount: Decimal | None) -> Any:
    return None if amount is None else float(amount)
