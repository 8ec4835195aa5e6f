"""Tools as Chat Completions takes them: their names, unique and back, and their schemas, mended and cut."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from llmcli.wire import Json

_LONGEST = 64  # characters of a name
_AT_THE_ROOT = ("anyOf", "oneOf", "allOf", "enum", "not", "if", "then", "else")  # providers refuse them there
_DEFINITIONS = ("$defs", "definitions")
_MAPS = ("properties", "patternProperties", "dependentSchemas", *_DEFINITIONS)
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems", "items")


class Offer(NamedTuple):
    """A tool of a server, `name` as the server calls it, `called` as the model does."""

    server: int
    name: str
    called: str
    definition: Json


def offers_of(
    lists: Sequence[tuple[str, Sequence[Json]]], taken: Iterable[str]
) -> tuple[list[Offer], list[str]]:
    """The tools of servers, given as (label, MCP's tools), and what was left out of their schemas, in words.

    `taken` are names that others have. A name that two have gets the server's label before it.
    """
    wanted = Counter(fitting(tool["name"]) for _, tools in lists for tool in _once(tools))
    used, offers, remarks = set(taken), [], []
    clashing = {name for name, count in wanted.items() if count > 1} | used
    for at, (label, tools) in enumerate(lists):
        for tool in _once(tools):
            name = fitting(tool["name"])
            called = _free(f"{label}_{name}" if name in clashing else name, used)
            used.add(called)
            parameters, left = parameters_of(tool.get("inputSchema"))
            if left:
                remarks.append(
                    f"{label}.{tool['name']}: {', '.join(left)} at the root of its schema is left out"
                )
            function = {"name": called, "description": tool.get("description"), "parameters": parameters}
            function = {key: value for key, value in function.items() if value is not None}
            offers.append(Offer(at, tool["name"], called, {"type": "function", "function": function}))
    return offers, remarks


def fitting(name: str) -> str:
    """A name of at most 64 of the characters that providers take."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name) or "tool"
    if len(plain) <= _LONGEST:
        return plain
    return f"{plain[: _LONGEST - 9]}_{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"


def _free(name: str, used: set[str]) -> str:
    free, count = fitting(name), 1
    while free in used:
        count += 1
        free = fitting(f"{name[: _LONGEST - 6]}_{count}")
    return free


def _once(tools: Sequence[Json]) -> Iterator[Json]:
    seen: set[str] = set()
    for tool in tools:
        if tool["name"] not in seen and (tool.get("execution") or {}).get("taskSupport") != "required":
            seen.add(tool["name"])
            yield tool


def parameters_of(schema: Any) -> tuple[Json, list[str]]:
    """A schema that providers take, and the words at its root that it lost."""
    root = _mended(schema if isinstance(schema, dict) else {})
    left = [word for word in _AT_THE_ROOT if word in root]
    dropped = {"$schema", *left}
    root = {key: value for key, value in root.items() if key not in dropped}
    root["type"] = "object"
    if not isinstance(root.get("properties"), dict):
        root["properties"] = {}
    return _reached(root), left


def _mended(schema: Any) -> Any:
    """Without nulls where there should be lists, and with items for every array; all the way down."""
    if not isinstance(schema, dict):
        return schema
    mended = {key: _inside(key, value) for key, value in schema.items()}
    for key in ("required", "properties", "items", "enum"):
        if key in mended and mended[key] is None:
            del mended[key]
    if mended.get("type") == "array" and not mended.keys() & {"items", "prefixItems"}:
        mended["items"] = {}
    return mended


def _inside(key: str, value: Any) -> Any:
    if key in _MAPS and isinstance(value, dict):
        return {name: _mended(each) for name, each in value.items()}
    if key in _LISTS and isinstance(value, list):
        return [_mended(each) for each in value]
    return value if key in {"default", "const", "examples"} else _mended(value)


def _reached(root: Json) -> Json:
    """Without the definitions that no `$ref` leads to."""
    if not root.keys() & {*_DEFINITIONS} or any(word in {"$id", "$anchor"} for word in _keys(root)):
        return root
    rest = {key: value for key, value in root.items() if key not in _DEFINITIONS}
    found: set[tuple[str, str]] = set()
    todo = list(_refs(rest))
    while todo:
        if (place := _place(todo.pop())) is not None and place not in found:
            found.add(place)
            todo.extend(_refs((root.get(place[0]) or {}).get(place[1])))
    kept = {
        word: {name: each for name, each in root[word].items() if (word, name) in found}
        for word in _DEFINITIONS
        if isinstance(root.get(word), dict)
    }
    return {**rest, **{word: each for word, each in kept.items() if each}}


def _place(ref: str) -> tuple[str, str] | None:
    """(`$defs`, name) of a reference into definitions."""
    parts = ref.split("/")
    if len(parts) < 3 or parts[0] != "#" or parts[1] not in _DEFINITIONS:
        return None
    return parts[1], parts[2].replace("~1", "/").replace("~0", "~").replace("%24", "$")


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key == "$ref" and isinstance(each, str):
                yield each
            yield from _refs(each)
    elif isinstance(value, list):
        for each in value:
            yield from _refs(each)


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield key
            yield from _keys(each)
    elif isinstance(value, list):
        for each in value:
            yield from _keys(each)
