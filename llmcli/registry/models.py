"""The known models: context windows, output limits, prices, what they support, when they are shut down."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from llmcli.lean.dataclass import dataclass
from llmcli.registry.providers import default_provider, provider_name
from llmcli.responses.names import RESPONSES

_SNAPSHOT = re.compile(r"-(\d{4}-\d\d-\d\d|\d{8})$")
_OFFLINE_MODELS = ("echo", "flaky")
_LOCAL_ROW: Mapping[str, Any] = {
    "price": {"in": 0, "out": 0},
    "caps": ["function_calling", "response_schema", "system_messages"],
}
_OFFLINE_ROW: Mapping[str, Any] = {
    "ctx": 100_000_000,
    "max_out": 100_000_000,
    "price": {"in": 0, "out": 0},
    "caps": [
        "function_calling",
        "parallel_function_calling",
        "response_schema",
        "system_messages",
        "tool_choice",
    ],
    "endpoints": ["chat/completions"],
}


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the table (`models.json` names source and date).

    `id` is `provider/name`. `context_window` and `max_output_tokens` are in tokens; for gpt-5 and later
    OpenAI models the window is the limit of the input alone. `price` is in $ per 1M tokens, for
    `prices.cost`; None where it is not known. `caps` are supported features, `lacks` those known to be
    missing: a feature in neither is not known. `shutdown` is the announced last day.
    """

    id: str
    name: str
    provider: str
    context_window: int | None
    max_output_tokens: int | None
    price: Mapping[str, Any] | None
    caps: frozenset[str]
    lacks: frozenset[str]
    default_effort: str | None
    efforts: tuple[str, ...]
    shutdown: date | None
    endpoints: tuple[str, ...]

    @property
    def is_on_responses_alone(self) -> bool:
        """Whether the Responses API serves it, and Chat Completions does not."""
        return RESPONSES in self.endpoints and "chat/completions" not in self.endpoints


@cache
def find_model(provider: str, name: str) -> Model | None:
    """What is known of a model under the provider's own name; None where it is not in the table.

    The name may have the provider's before it (`openai/gpt-4o`), as at a gateway. A dated snapshot that is not
    listed is taken for its alias (`gpt-6-luna-2026-09-22`), a fine-tuned model
    (`ft:gpt-4o:org::id`) for its base, at the base's limits and no price unless fine-tuned ones are listed.
    """
    provider = provider_name(provider)
    if provider == "offline":
        return _offline_model(name)
    if provider == "local":  # what its file says, llmcli/local/ knows
        return _model("local", name, _LOCAL_ROW)
    whole, name = name, name.removeprefix(f"{provider}/")
    if whole != name and (row := _row(provider, whole)):
        return _model(provider, whole, row)
    if name.startswith("ft:"):
        return _fine_tuned_model(provider, name)
    alias = _SNAPSHOT.sub("", name)
    row = _row(provider, name) or _row(provider, alias)
    return _model(provider, name, row) if row else None


def search_models(pattern: str | None) -> list[Model]:
    """All models whose `provider/name` holds `pattern`, by provider, then name; None: all.

    Case does not matter. With `*` or `?` the pattern is a glob over the whole of `provider/name`, or of the
    name alone.
    """
    matches = matcher(pattern or "")
    models = [_model(*row) for row in _all_rows() if matches(f"{row[0]}/{row[1]}")]
    return sorted(models, key=lambda model: (model.provider, model.name))


def table_date() -> str:
    """The day of the table, as YYYY-MM-DD."""
    return str(json.loads(_table())["_meta"]["date"])


def nearest_model(name: str, provider: str | None = None) -> str | None:
    """The known model that an unknown `[PROVIDER/]NAME` is a slip of, or another provider's, as it is typed after -m.

    None where it is known, or like none. `provider`: whose it was taken for.
    """
    home = provider or default_provider().name
    bare = name.removeprefix(f"{home}/").lower()
    if find_model(home, bare) or not bare or "*" in bare:
        return None
    keys = {f"{row[0]}/{row[1]}".lower(): f"{row[0]}/{row[1]}" for row in _all_rows()}
    namesakes = sorted(key for key in keys if key.endswith(f"/{bare}"))
    theirs = [key for key in keys if key.startswith(f"{home}/")]
    from difflib import get_close_matches  # here, since few names are slips

    near = (
        namesakes
        or get_close_matches(f"{home}/{bare}", theirs, n=1, cutoff=0.85)
        or get_close_matches(bare, keys, n=1, cutoff=0.8)
    )
    return keys[near[0]].removeprefix(f"{default_provider().name}/") if near else None


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a `provider/name` is one that the pattern of `search_models` means."""
    pattern = pattern.lower()
    if not any(sign in pattern for sign in "*?"):
        return lambda key: pattern in key.lower()
    glob = re.compile("".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in pattern))
    return lambda key: any(map(glob.fullmatch, (key.lower(), key.lower().partition("/")[2])))


def _all_rows() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for key, row in json.loads(_table()).items():
        if key != "_meta":
            yield *key.split("/", 1), row
    for name in _OFFLINE_MODELS:
        yield "offline", name, _OFFLINE_ROW


def _offline_model(name: str) -> Model | None:
    name = name.partition("?")[0]
    return _model("offline", name, _OFFLINE_ROW) if name in _OFFLINE_MODELS else None


def _fine_tuned_model(provider: str, name: str) -> Model | None:
    base = name.split(":")[1]
    row = _row(provider, f"ft:{base}")
    if row:
        return _model(provider, name, row)
    model = find_model(provider, base)
    return replace(model, id=f"{provider}/{name}", name=name, price=None) if model else None


def _row(provider: str, name: str) -> Mapping[str, Any] | None:
    """One row, without parsing the others: the table has a line for each, and a command asks for one."""
    table = _table()
    key = b"\n" + json.dumps(f"{provider}/{name}").encode() + b":"
    start = table.find(key)
    if start < 0:
        return None
    line = table[start + len(key) : table.index(b"\n", start + len(key))]
    row: Mapping[str, Any] = json.loads(line.rstrip(b","))
    return row


@cache
def _table() -> bytes:
    return Path(__file__).with_name("models.json").read_bytes()


def _model(provider: str, name: str, row: Mapping[str, Any]) -> Model:
    return Model(
        id=f"{provider}/{name}",
        name=name,
        provider=provider,
        context_window=row.get("ctx"),
        max_output_tokens=row.get("max_out"),
        price=row.get("price"),
        caps=frozenset(row.get("caps", ())),
        lacks=frozenset(row.get("no", ())),
        default_effort=row.get("effort_default"),
        efforts=tuple(row.get("efforts", ())),
        shutdown=date.fromisoformat(row["deprecated"]) if "deprecated" in row else None,
        endpoints=tuple(row.get("endpoints", ())),
    )
