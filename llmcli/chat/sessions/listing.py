"""`chat --list`: the sessions of the state directory, for people and for scripts."""

from __future__ import annotations

from datetime import UTC, datetime

from llmcli import jsonl
from llmcli.app import App
from llmcli.chat.context import turns_of
from llmcli.chat.sessions.choice import directory_of
from llmcli.chat.sessions.directory import Listed, read_session, sessions_in
from llmcli.chat.sessions.session import Conversation
from llmcli.chat.sessions.transcript import MemoryTranscript
from llmcli.errors import NoInput, UsageError
from llmcli.output.sink import text_of
from llmcli.settings.output import OutputSettings
from llmcli.wire import Json

_WIDTH = 50  # characters of the first question


def show_sessions(app: App, output: OutputSettings) -> int:
    """Write the list to stdout, newest first."""
    listed = sessions_in(directory_of(app))
    records = [record for record in map(_record, listed) if record is not None]
    out = app.out(output.output)
    if output.shape == "json":
        out.write_bytes(jsonl.pretty(records))
    elif output.shape != "text":
        out.write_bytes(b"".join(jsonl.line(record) for record in records))
    else:
        out.write("".join(map(_row, records)))
    return 0


def _record(listed: Listed) -> Json | None:
    """A session as JSON; None where the file is none."""
    try:
        transcript = MemoryTranscript(read_session(listed.path))
        conversation = Conversation(transcript, str(listed.path), created="")
    except (UsageError, NoInput):
        return None
    messages = [entry.message for entry in conversation.entries[: conversation.settled]]
    turns = turns_of(messages)
    first = text_of(messages[turns[0][0]]) if turns else ""
    updated = datetime.fromtimestamp(listed.updated, UTC).isoformat(timespec="seconds")
    return {
        "name": listed.name,
        "path": str(listed.path),
        "updated": updated.replace("+00:00", "Z"),
        "model": conversation.model,
        "turns": len(turns),
        "first": " ".join(first.split()),
    }


def _row(record: Json) -> str:
    turns = f"{record['turns']} turn{'' if record['turns'] == 1 else 's'}"
    first = record["first"]
    shown = first if len(first) <= _WIDTH else first[: _WIDTH - 1] + "…"
    return f"{record['name']}\t{record['updated']}\t{record['model'] or '-'}\t{turns}\t{shown}\n"
