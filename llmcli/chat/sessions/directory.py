"""The directory of sessions: what a name stands for, what is there, and reading without a lock."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from llmcli import files
from llmcli.chat.sessions.transcript import unreadable_session
from llmcli.errors import UsageError
from llmcli.lean.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Listed:
    """A session of the directory. `updated` is in seconds since the epoch."""

    name: str
    path: Path
    updated: float


def session_path(directory: Path, name: str) -> Path:
    """The file of a session: a path where the name has a slash or ends in .jsonl, else one of the directory."""
    if not name:
        raise UsageError("--session wants a name or a file")
    if "/" in name or name.endswith(".jsonl"):
        return Path(name)
    return directory / f"{name}.jsonl"


def sessions_in(directory: Path) -> list[Listed]:
    """The sessions of the directory in which something is, newest first."""
    listed = []
    for path in directory.glob("*.jsonl"):
        with suppress(OSError):  # gone meanwhile
            found = path.stat()
            if found.st_size:
                listed.append(Listed(path.stem, path, found.st_mtime_ns / 1e9))
    return sorted(listed, key=lambda one: (one.updated, one.name), reverse=True)


def read_session(path: Path) -> bytes:
    """The bytes of a session that is only read. Raises NoInput, UsageError."""
    try:
        return files.read_regular(path)
    except (OSError, ValueError) as error:
        raise unreadable_session(path, error) from None
