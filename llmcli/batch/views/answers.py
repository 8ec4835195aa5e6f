"""Answers: what a record's answer is in a cell, a line or a file: as it was judged, out of its wrapping."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from llmcli import jsonl
from llmcli.batch.views.cells import Bare, Cell
from llmcli.output.calls import tool_calls
from llmcli.output.sink import answer_text, calls_of
from llmcli.request.written import Written, as_written, plain_value
from llmcli.wire import Json

_ANY = frozenset[str]()
_DEEPEST = 16  # references that lead on


def answer_of(record: Json, read: Callable[[str], str] = str) -> str:
    """The answer as text; of several, a JSON list of them; empty where there is none. `read` is done to each."""
    texts = [read(text) for text in answers_of(record)]
    return texts[0] if len(texts) == 1 else jsonl.dumps(texts).decode() if texts else ""


def answers_of(record: Json) -> list[str]:
    """The answers as texts: more than one with `n`, none where the row failed."""
    if record["error"] is not None or not (response := record["response"]):
        return []
    choices = sorted(response["body"].get("choices") or [], key=lambda choice: choice.get("index") or 0)
    return [_text(choice, record["llmcli"], len(choices) > 1) for choice in choices]


def list_of_items(answer: str) -> str:
    """An answer of `--schema-multi` as the JSON list that it was asked for, out of the object around it."""
    items = _items(answer)
    return answer if items is None else f"[{','.join(items)}]"


def lines_of_items(answer: str) -> str:
    """An answer of `--schema-multi` as `ask` prints it: one JSON line an item."""
    items = _items(answer)
    return answer if items is None else "\n".join(items)


def _items(answer: str) -> list[str] | None:
    found = _object(answer).get("items")
    return [_compact(item) for item in found] if isinstance(found, list) else None


def _object(answer: str) -> Json:
    """The object that an answer is, its numbers as they were written; empty where it is none."""
    try:
        found = jsonl.loads(answer)
    except ValueError:
        return {}
    return as_written(answer.encode("utf-8", "replace"), found) if isinstance(found, dict) else {}


def _compact(value: Any) -> str:
    return jsonl.with_raw(value, Written, plain_value).decode()


def _text(choice: Json, about: Json, of_several: bool) -> str:
    message = choice.get("message") or {}
    if tool_calls(message):
        return jsonl.dumps(calls_of(message)).decode()
    index = (choice.get("index") or 0) if of_several else None
    if (chosen := _own(about.get("choice"), index)) is not None:
        return str(chosen["label"])
    recovered = _own(about.get("recovered"), index)
    return answer_text(message) if recovered is None else str(recovered["text"])


def _own(told: Any, index: int | None) -> Json | None:
    """What the record tells of one of its answers; index None: of the only one."""
    if index is None:
        return told if isinstance(told, dict) else None
    return next((each for each in told or () if each.get("index") == index), None)


def cell_of(value: Any, kinds: frozenset[str] = _ANY) -> Cell:
    """A value of JSON in a cell: numbers and booleans bare, what is no scalar as compact JSON.

    `kinds`: the types that its schema lets it have. A `number` has a point, or a reader that saw whole ones first
    would take them all for integers.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return Bare("true" if value else "false")
    if isinstance(value, (list, dict)):
        return _compact(value)
    text = value.text if isinstance(value, Written) else jsonl.dumps(value).decode()
    if "number" in kinds:
        return Bare(_with_point(text))
    return Bare(_whole(text) if "integer" in kinds else text)


def _with_point(text: str) -> str:
    if "." in text:
        return text
    digits, sign, exponent = text.partition("e") if "e" in text else text.partition("E")
    return f"{digits}.0{sign}{exponent}"


def _whole(text: str) -> str:
    """An integer that is written as `5.0` or `1e3`."""
    if text.lstrip("-").isdigit():
        return text
    value = float(text)
    return str(int(value)) if value.is_integer() else text


def own_cell(value: Any) -> Cell:
    """A value of a row's own in a cell: always text, that comes back as it stood."""
    cell = cell_of(value)
    return None if cell is None else str(cell)


class Properties:
    """The columns that a schema gives an answer, each with the types that it may have."""

    def __init__(self, schema: Json) -> None:
        self._schema = schema
        found = dict(self._properties(schema, _DEEPEST))
        self.kinds = {name: frozenset(self._types(part, _DEEPEST)) for name, part in found.items()}

    @property
    def names(self) -> Sequence[str]:
        """Their names, in the order of the schema."""
        return tuple(self.kinds)

    def cells(self, answers: Sequence[str]) -> list[Cell]:
        """The cells of an answer, lists of all in those of several; empty where there is none, or no object."""
        found = [_object(answer) for answer in answers]
        if len(found) > 1:
            return [cell_of([each.get(name) for each in found]) for name in self.kinds]
        only = found[0] if found else {}
        return [cell_of(only.get(name), kinds) for name, kinds in self.kinds.items()]

    def _properties(self, schema: Any, depth: int) -> Iterator[tuple[str, Any]]:
        schema = self._followed(schema)
        if not isinstance(schema, dict) or not depth:
            return
        for part in schema.get("allOf") or ():
            yield from self._properties(part, depth - 1)
        own = schema.get("properties")
        yield from own.items() if isinstance(own, dict) else ()

    def _types(self, schema: Any, depth: int) -> Iterator[str]:
        schema = self._followed(schema)
        if not isinstance(schema, dict) or not depth:
            return
        said = schema.get("type")
        yield from [said] if isinstance(said, str) else said or ()
        for key in ("anyOf", "oneOf", "allOf"):
            for part in schema.get(key) or ():
                yield from self._types(part, depth - 1)

    def _followed(self, schema: Any) -> Any:
        """The schema that references lead to, inside of the whole."""
        for _ in range(_DEEPEST):
            ref = schema.get("$ref") if isinstance(schema, dict) else None
            if not isinstance(ref, str) or not ref.startswith("#"):
                break
            schema = _at(self._schema, ref)
        return schema


def _at(schema: Any, ref: str) -> Any:
    for token in ref.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        schema = schema.get(name) if isinstance(schema, dict) else None
    return schema
