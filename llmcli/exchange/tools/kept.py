"""Kept: the tools of servers and the results of their calls, as --record writes and --replay reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llmcli import files, jsonl
from llmcli.errors import NoInput, OutputFailure
from llmcli.mcp.results import Image, Ran
from llmcli.mcp.spec import ServerSpec
from llmcli.wire import Json


def keep_tools(folder: Path, spec: ServerSpec, title: str, tools: Sequence[Json]) -> None:
    """Keep what a server calls itself, and its list of tools. Raises OutputFailure."""
    _write(folder, _key(["tools", spec.typed]), {"server": spec.label, "title": title, "tools": tools})


def kept_tools(folder: Path, spec: ServerSpec) -> tuple[str, list[Json]]:
    """The same, read. Raises NoInput."""
    kept = _read(folder, _key(["tools", spec.typed]), f"the tools of the MCP server {spec.label}")
    return str(kept["title"]), list(kept["tools"])


def keep_result(folder: Path, place: str, call: Json, ran: Ran) -> None:
    """Keep what a call gave, at its place in a conversation. Raises OutputFailure."""
    pieces = [
        piece if isinstance(piece, str) else {"image": piece.kind, "data": piece.data} for piece in ran.pieces
    ]
    _write(folder, _key(["result", place, call]), {**call, "pieces": pieces, "failed": ran.failed})


def kept_result(folder: Path, place: str, call: Json) -> Ran:
    """The same, read. Raises NoInput."""
    kept = _read(folder, _key(["result", place, call]), f"the result of a call of {call.get('name')}")
    pieces = [
        piece if isinstance(piece, str) else Image(piece["image"], piece["data"]) for piece in kept["pieces"]
    ]
    return Ran(tuple(pieces), failed=bool(kept["failed"]))


def _key(what: Any) -> str:
    return hashlib.sha256(jsonl.canonical({"what": what})).hexdigest()


def _file(folder: Path, key: str) -> Path:
    return folder / "mcp" / f"{key}.json"


def _write(folder: Path, key: str, data: Json) -> None:
    file = _file(folder, key)
    try:
        for directory in (folder, file.parent):
            files.make_directory(directory)
        files.replace(file, jsonl.line(data), sync=False)
    except OSError as error:
        what = f"cannot keep what an MCP server says in {folder}: {error.strerror}"
        raise OutputFailure(what, todo="check the path") from None


def _read(folder: Path, key: str, what: str) -> Json:
    try:
        data: Json = jsonl.loads(files.read_regular(_file(folder, key)))
    except (OSError, ValueError):
        todo = "record it with --record, the server and the request unchanged"
        raise NoInput(f"{what} was not recorded", str(folder), todo) from None
    return data
