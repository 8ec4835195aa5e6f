"""Written numbers: those of a row that a template would print in another way than they stand there.

minijinja has its own numbers: 1.0 comes out of it as 1, 1e-7 as 0.0000001. Such a number goes through it as an
object that prints as it stands, and becomes a number where the template reckons with it: `numeric` rewrites a
template so that the operands of what is more than a name are.
"""

from __future__ import annotations

import json
import re
from typing import Any

from llmcli import jsonl
from llmcli.lean.pattern import lazy_pattern

# No number is written otherwise without one of these; it begins with a set, so that it is found fast.
_ODD = lazy_pattern(rb"[-0-9](?:(?<=\d)[eE]|(?<=-)0|\.\d*0(?!\d)|\.0000|\d{16})")
_STRING = r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
_NAME = r"[^\W\d]\w*"
_PATH = rf"{_NAME}(?:\s*\.\s*{_NAME}|\[(?:{_STRING}|[^\[\]\"'])*\])*"
_TOKEN = rf"(?s)(?P<space>\s+)|(?P<text>{_STRING})|(?P<number>\d[\w.]*)|(?P<path>{_PATH})|(?P<sign>\*\*|//|[<>=!]=|.)"
_INSIDE = rf"(?:{_STRING}|[^\"'])*?"
_BLOCK = (
    r"(?s)\{#.*?#\}|\{%[-+]?\s*raw\b.*?endraw\s*[-+]?%\}"
    rf"|(?P<open>\{{\{{[-+]?|\{{%[-+]?\s*(?:if|elif|set\s[^=]*=|for\s.*?\sin\s))(?P<inside>{_INSIDE})(?P<close>[-+]?[%}}]\}})"
)
WORDS = frozenset(
    [
        *("and", "or", "not", "in", "is", "if", "else", "recursive"),
        *("true", "false", "none", "True", "False", "None"),
    ]
)
_FILTERS = frozenset(
    ["default", "d", "join", "string", "first", "last", "length", "count", "items", "list", "reverse"]
)
_TESTS = frozenset(["defined", "undefined", "none"])
_SIGNS = frozenset(["|", "(", ")", ",", ".", "[", "]"])


class Written:
    """A number that prints as it stands in the row."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return bool(float(self.text))


def as_written(line: bytes, data: dict[str, Any]) -> dict[str, Any]:
    """The object of a line, which was parsed to `data`, with Written where printing would change a number."""
    if not _ODD.search(line):
        return data
    try:
        found: dict[str, Any] = json.loads(line, parse_int=_integer, parse_float=_real)
    except ValueError:
        return data
    return found


def _integer(text: str) -> int | Written:
    return int(text) if len(text) < 19 and text != "-0" else Written(text)


def _real(text: str) -> float | Written:
    value = float(text)
    is_plain = "e" not in text and not value.is_integer() and jsonl.dumps(value).decode() == text
    return value if is_plain else Written(text)


def plain_value(value: Any) -> Any:
    """The value with numbers for Written ones, at any depth."""
    if isinstance(value, Written):
        is_integer = value.text.lstrip("-").isdigit() and len(value.text) < 1000
        return int(value.text) if is_integer else float(value.text)
    if isinstance(value, list):
        return [plain_value(part) for part in value]
    if isinstance(value, dict):
        return {name: plain_value(part) for name, part in value.items()}
    return value


def numeric(source: str) -> str:
    """The template with `|_plain` behind the operands of each expression that is more than names."""
    return re.sub(_BLOCK, _rewritten, source)


def _rewritten(block: re.Match[str]) -> str:
    if block["open"] is None:
        return block[0]
    return block["open"] + _expression(block["inside"]) + block["close"]


def _expression(text: str) -> str:
    tokens = [(match.lastgroup, match[0]) for match in re.finditer(_TOKEN, text)]
    solid = [index for index, (kind, _) in enumerate(tokens) if kind != "space"]
    operands, reckons = [], False
    for place, index in enumerate(solid):
        kind, word = tokens[index]
        before = [tokens[at][1] for at in solid[max(0, place - 2) : place]]
        after = tokens[solid[place + 1]][1] if place + 1 < len(solid) else ""
        if before[-1:] == ["|"]:
            reckons = reckons or word not in _FILTERS
        elif before[-1:] == ["is"] or before == ["is", "not"]:
            reckons = reckons or word not in {*_TESTS, "not"}
        elif kind == "path" and word not in WORDS and after not in {"(", "="}:
            operands.append(index)
        else:
            reckons = reckons or word == "in" or (kind == "path" and after == "(")
            reckons = reckons or (kind == "sign" and word not in _SIGNS)
    for index in operands if reckons else ():
        path = tokens[index][1]
        tokens[index] = ("path", f"({path}|_plain if {path} is defined else {path})")
    return "".join(word for _, word in tokens)
