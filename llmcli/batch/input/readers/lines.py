"""Lines of text: each that is not blank is a prompt, as it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmcli.batch.input.readers.entry import Batch, Broken, Entry
from llmcli.batch.input.readers.text import whole_lines
from llmcli.batch.input.shape import BadRow, not_utf8


def read_lines(blocks: Iterable[bytes]) -> Iterator[Batch]:
    """The lines without their ends."""
    number = 0
    for piece in whole_lines(blocks):
        entries: list[Entry] = []
        numbers: list[int] = []
        for line in piece.removesuffix(b"\n").split(b"\n"):
            number += 1
            if line.strip():
                entries.append(_entry(line.removesuffix(b"\r")))
                numbers.append(number)
        yield Batch(entries, numbers)


def _entry(line: bytes) -> Entry:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return Broken(line, BadRow("invalid_utf8", not_utf8(line) or "the line is not UTF-8 text"))
