"""`llmcli count`: the tokens and the price of the request that `ask` would send, with no network."""
# No `from __future__ import annotations`: the annotations are read as objects.

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from llmcli import jsonl
from llmcli.app import App
from llmcli.errors import UsageError
from llmcli.exchange.asked import built
from llmcli.exchange.client import followers_of
from llmcli.exchange.unsent import check_budget, check_unsent, show_request
from llmcli.output.report import dollars
from llmcli.registry.estimate import estimate
from llmcli.registry.models import find_model
from llmcli.request.prompt import Prompt
from llmcli.request.reading import said
from llmcli.settings.answer import GateSettings, LoopSettings, RepairSettings
from llmcli.settings.conversation import ContextSettings, SessionSettings
from llmcli.settings.counting import CountingSettings
from llmcli.settings.flag import PROMPT
from llmcli.settings.general import GeneralSettings
from llmcli.settings.input import InputSettings
from llmcli.settings.money import MoneySettings
from llmcli.settings.network import NetworkSettings
from llmcli.settings.output import OutputSettings
from llmcli.settings.request import RequestSettings
from llmcli.settings.table import TableSettings
from llmcli.tokens.count import Count, counted_request, counted_text
from llmcli.tokens.cut import split, truncate
from llmcli.tokens.encodings import encoding_for, load
from llmcli.wire import Request


@dataclass(frozen=True)
class CountSettings:
    """What count can be told: all that ask can, and what is counted."""

    counting: CountingSettings
    table: TableSettings
    input: InputSettings
    request: RequestSettings
    output: OutputSettings
    repair: RepairSettings
    gate: GateSettings
    loop: LoopSettings
    network: NetworkSettings
    money: MoneySettings
    session: SessionSettings
    context: ContextSettings
    general: GeneralSettings
    prompt: Annotated[list[str] | None, PROMPT] = None

    def check(self) -> None:
        """Raise UsageError where flags exclude each other."""
        self.gate.passing(self.request.labels)
        counting, shown = self.counting, self.output.dry_run or self.output.curl
        if counting.rows is None and (given := self.table.given) is not None:
            raise UsageError("without rows", todo="name their file with --rows", flag=given)
        if shown and (counting.rows is not None or counting.cuts):
            raise UsageError(
                "--dry-run and --curl show the request of a prompt",
                todo="leave --rows, --raw, --truncate and --split out",
            )
        if counting.rows is not None and (self.prompt or counting.cuts):
            raise UsageError(
                "--rows counts whole requests from a file",
                todo="leave the PROMPT, --raw, --truncate and --split out",
            )


def count(app: App, settings: CountSettings) -> int:
    """Count the tokens of the request that ask would send, and price it. No network.

    With --truncate or --split: cut the text on token borders instead.
    """
    counting, output = settings.counting, settings.output
    if counting.rows is not None:
        from llmcli.batch.input.frame import count_file

        count_file(app, counting.rows, settings)
    elif counting.cuts:
        _of_text(app, settings)
    else:
        asked = _request(app, settings)
        followers_of(app, asked, settings.loop)  # which refuses what ask refuses
        if output.unsent:
            check_unsent(app, asked, settings)
            show_request(app, asked, app.stdout, as_curl=not output.dry_run)
        else:
            check_budget(app, asked, settings.money)
            _of_request(app, asked, output)
    return 0


def _request(app: App, settings: CountSettings) -> Request:
    """The request that ask would send."""
    stream = settings.output.unsent and settings.output.streams
    if settings.session.wanted or settings.context.wanted:
        from llmcli.chat.assembly import kept_session

        with kept_session(app, settings, only_read=True) as session:
            return session.preview(*built(app, session.settings, stream=stream))
    builder, messages = built(app, settings, stream=stream)
    app.warn(builder.warnings(None))
    return builder.request(messages)


def _of_text(app: App, settings: CountSettings) -> None:
    counting, request = settings.counting, settings.request
    endpoint = app.addresses(request.base_url).chosen(request)
    encoder = load(encoding_for(endpoint.provider.name, endpoint.model)[0])
    prompt = Prompt.of(settings.input, app.stdin.read, app.notes.say)
    text = prompt.text(said(settings.prompt or [], app.stdin))
    if not text:
        raise UsageError("there is no text", todo="give a PROMPT, pipe text in, or name a file with -f")
    if counting.truncate is not None:
        app.stdout.write(truncate(text, counting.truncate, counting.side, encoder) + "\n")
    elif counting.split is not None:
        for piece in split(text, counting.split, counting.overlap, encoder):
            record = {"index": piece.index, "tokens": piece.tokens, "text": piece.text}
            app.stdout.write_bytes(jsonl.line(record))
    else:
        body = {"model": endpoint.model, "max_tokens": request.max_tokens}
        asked = Request(endpoint.provider.name, endpoint.model, endpoint.base_url, body)
        _show(app, asked, counted_text(asked.provider, asked.model, text), settings.output)


def _of_request(app: App, request: Request, output: OutputSettings) -> None:
    _show(app, request, counted_request(request.provider, request.model, request.body()), output)


def _show(app: App, request: Request, count: Count, output: OutputSettings) -> None:
    lowest, highest, total = _prices(app, request, count)
    model = find_model(request.provider, request.model)
    if output.shape in {"text", "events"}:  # nothing is streamed here
        app.stdout.write(f"{count.tokens}\n")
    else:
        record = {
            "tokens": count.tokens,
            "method": "exact" if count.exact else "estimate",
            **({} if count.exact else {"margin": count.margin}),
            "encoding": encoding_for(request.provider, request.model)[0],
            "model": request.model,
            "context_window": model.context_window if model else None,
            "max_output_tokens": model.max_output_tokens if model else None,
            "cost_usd": {
                "input": _number(lowest),
                "output_max": _number(highest),
                "total_max": _number(total),
            },
        }
        app.stdout.write_bytes(jsonl.pretty(record) if output.shape == "json" else jsonl.line(record))
    if output.usage:
        about = "" if count.exact else "about "
        app.notes.write(
            f"usage: {about}{count.tokens} in, {dollars(lowest)}; answer at most {dollars(highest)};"
            f" total at most {dollars(total)}, {request.name}\n"
        )


def _prices(
    app: App, request: Request, count: Count
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """$ of the prompt, of the longest answer, and of both with the margin; None where one is not known."""
    price = app.prices.of(request.provider, request.model)
    if price is None:
        return None, None, None
    return estimate(request, price, count.tokens, count.most)


def _number(amount: Decimal | None) -> Any:
    return None if amount is None else float(amount)
