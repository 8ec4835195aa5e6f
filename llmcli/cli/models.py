"""`llmcli models`: what is known of models: windows, limits, prices, what they support."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from llmcli import jsonl
from llmcli.cli.groups import flags
from llmcli.cli.options import GeneralOptions, flag
from llmcli.cli.session import Session
from llmcli.errors import LlmcliError
from llmcli.registry.models import Model, search_models
from llmcli.wire import Json

_SHORT = {
    "function_calling": "tools",
    "response_schema": "schema",
    "vision": "vision",
    "audio_input": "audio",
    "pdf_input": "pdf",
    "reasoning": "reasoning",
    "prompt_caching": "caching",
}


@dataclass(frozen=True)
class ModelsOptions:
    """How to show the models."""

    format: Annotated[
        Literal["text", "json", "jsonl"], flag("--format", panel="Output", help="What stdout gets.")
    ] = "text"
    json: Annotated[bool, flag("--json", panel="Output", help="The same as --format json.")] = False


@flags
def models(
    ctx: typer.Context,
    pattern: Annotated[
        str | None, typer.Argument(metavar="PATTERN", help="Part of provider/name, or a glob (* and ?).")
    ] = None,
    *,
    output: ModelsOptions,
    general: GeneralOptions,
) -> int:
    """List known models: context window, output limit, prices in $ per million tokens, what they support."""
    session: Session = ctx.obj
    general.apply(session)
    found = search_models(pattern)
    if not found:
        raise LlmcliError(f"no model matches {pattern!r}", todo="see llmcli models for all of them")
    records = [record_of(session, model) for model in found]
    shape = "json" if output.json else output.format
    if shape == "json":
        session.stdout.write_bytes(jsonl.pretty(records))
    elif shape == "jsonl":
        session.stdout.write_bytes(b"".join(jsonl.line(record) for record in records))
    else:
        session.stdout.write(table([_row(record) for record in records]))
    return 0


def record_of(session: Session, model: Model) -> Json:
    """A model as JSON. Prices are $ per million tokens, null where they are not known."""
    price = session.price_of(model.provider, model.name) or {}
    return {
        "id": f"{model.provider}/{model.name}",
        "provider": model.provider,
        "model": model.name,
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "price": {kind: _number(price.get(key)) for kind, key in _PRICES.items()},
        "supports": sorted(model.caps),
        "lacks": sorted(model.lacks),
        "shutdown_date": model.shutdown.isoformat() if model.shutdown else None,
    }


_PRICES = {"input": "in", "output": "out", "cached": "cached"}


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _row(record: Json) -> list[str]:
    price = record["price"]
    return [
        record["id"],
        _tokens(record["context_window"]),
        _tokens(record["max_output_tokens"]),
        *("-" if price[kind] is None else f"{price[kind]:g}" for kind in ("input", "cached", "output")),
        record["shutdown_date"] or "-",
        " ".join(short for cap, short in _SHORT.items() if cap in record["supports"]) or "-",
    ]


def _tokens(count: int | None) -> str:
    return "-" if count is None else str(count)


_HEAD = ["MODEL", "CONTEXT", "OUTPUT", "$IN/M", "$CACHED/M", "$OUT/M", "SHUTDOWN", "SUPPORTS"]


def table(rows: list[list[str]]) -> str:
    """Aligned columns; the last one is ragged."""
    rows = [_HEAD, *rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths[-1] = 0
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(line.rstrip() + "\n" for line in lines)
