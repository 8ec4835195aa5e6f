"""A text of any length: read in blocks, cut where its tokens cannot differ, counted by all cores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from llmcli.app import App
from llmcli.request.reading import argument, blocks_of_file, blocks_of_text
from llmcli.tokens.encodings import Encoder
from llmcli.tokens.measure import Measure, measured
from llmcli.tokens.pieces import pieces
from llmcli.workers import spread

_SHORT = 4 << 20  # bytes that are counted here: to fork takes longer


def blocks_of(app: App, files: Sequence[str], words: Sequence[str]) -> Iterator[bytes]:
    """The text of files, words and stdin as UTF-8, a blank line between; see `said`. Raises UsageError."""
    is_dash = list(words) == ["-"]
    read = [blocks_of_file(path, app.stdin.blocks) for path in files]
    typed = "" if is_dash else " ".join(argument(word) for word in words)
    if not app.stdin.taken and (is_dash or app.stdin.is_piped):
        read.append(blocks_of_text(app.stdin.blocks(), "stdin"))
    read.insert(len(files), iter([typed.encode()]))
    return _joined(read)


def _joined(texts: Iterable[Iterator[bytes]]) -> Iterator[bytes]:
    begun = False
    for text in texts:
        blocks = filter(None, text)
        if (first := next(blocks, None)) is not None:
            yield b"\n\n" * begun + first
            yield from blocks
            begun = True


def measure_of(blocks: Iterator[bytes], encoder: Encoder) -> Measure:
    """The measure of a text that comes in blocks. What is held of it is a few pieces."""
    begin, size = [], 0
    for block in blocks:
        begin.append(block)
        size += len(block)
        if size > _SHORT:
            break
    else:
        return measured(b"".join(begin).decode(), encoder)
    encoder.prepare()
    whole = Measure()
    for measure in spread(lambda piece: measured(piece.decode(), encoder), pieces(chain(begin, blocks))):
        whole.add(measure)
    return whole
