"""Prompts: what each row asked, from the columns that `--keep` put into its record, or from the rows themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from llmcli import jsonl
from llmcli.batch.input.found import found_in
from llmcli.batch.input.kinds import batches_of
from llmcli.batch.input.readers.entry import Entry
from llmcli.batch.input.readers.named import shown_path
from llmcli.batch.input.shape import BadRow, parsed_row
from llmcli.errors import NoInput, UsageError
from llmcli.settings.batch.table import TableSettings
from llmcli.wire import Json

_BLOCK = 1 << 18  # bytes


def prompts_of(names: Sequence[str]) -> Iterator[tuple[str | None, int, str]]:
    """(file, number, prompt) of each row of these INPUTs; file None where there is one. Raises NoInput, UsageError."""
    for name in names:
        file = shown_path(name) if len(names) > 1 else None
        number = 0
        with _opened(name) as stream:
            blocks = iter(lambda stream=stream: stream.read(_BLOCK), b"")  # type: ignore[misc]
            for batch in batches_of(blocks, TableSettings(), name, stream):
                for entry in batch.entries:
                    yield file, number, _prompt(entry)
                    number += 1


def _opened(name: str) -> BinaryIO:
    try:
        return Path(name).open("rb")
    except FileNotFoundError:
        raise NoInput(f"{name}: no such file", todo="check the path of --input") from None
    except OSError as error:
        raise UsageError(
            f"cannot read {name}: {error.strerror}", todo="check the path", flag="--input"
        ) from None


def _prompt(entry: Entry) -> str:
    try:
        fields = parsed_row(entry) if isinstance(entry, bytes) else found_in(entry).fields
    except BadRow:
        return ""
    return question_in(fields)


def question_in(fields: Json) -> str:
    """What the fields of a row ask: its prompt, the last message of a user, else all of them as JSON."""
    if isinstance(fields.get("prompt"), str):
        return str(fields["prompt"])
    body = fields.get("body")
    messages = fields.get("messages") or (body.get("messages") if isinstance(body, dict) else None)
    if isinstance(messages, list):
        for message in reversed(messages):
            if isinstance(message, dict) and message.get("role") == "user":
                content = message.get("content")
                return content if isinstance(content, str) else jsonl.dumps(content).decode()
    if list(fields) == ["text"] and isinstance(fields["text"], str):
        return fields["text"]
    return jsonl.dumps(fields).decode()
