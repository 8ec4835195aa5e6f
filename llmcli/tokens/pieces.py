"""Cuts a long text where its tokens cannot differ, so that it is counted piece by piece, whoever counts them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmcli.lean.pattern import lazy_pattern

SIZE = 1 << 17  # bytes of a piece, at least
_TAILS = 1 << 6, 1 << 12  # bytes at its end in which a border is looked for first

# The patterns of both encodings look ahead, never back. So a border is where a match ends whatever follows the first
# character behind it, and where what stands before is matched alike when nothing follows:
_BORDER = lazy_pattern(
    rb"[!-~](?=[ \t])"  # before the blank behind a word or a sign,
    rb"|[A-Za-z0-9](?=[\r\n!-&(-/:-@[-`{-~])"  # behind a word or a number (I'm, and a number's letters, see below),
    rb"|[A-Za-z](?=[0-9])|[0-9](?=[A-Za-z])"
    rb"|\n(?=[!-.0-~\xc3-\xe0\xe4-\xf4])"  # at the begin of a line that begins with no white space, and no slash,
    rb"|[\xe5-\xe9][\x80-\xbf]{2}(?=\xef\xbc\x8c|\xe3\x80[\x81\x82])"  # and before a Chinese comma or full stop
)


def pieces(blocks: Iterable[bytes], size: int = SIZE) -> Iterator[bytes]:
    """Whole UTF-8 text in pieces of `size` bytes or more whose tokens, one after the other, are those of the text.

    A text that has no border, such as one word of any length, is one piece.
    """
    held, searched = bytearray(), 0
    for block in blocks:
        held += block
        if len(held) < size:
            continue
        if border := _last_border(held, searched):
            yield bytes(held[:border])
            del held[:border]
        searched = 0 if border else len(held) - 4  # the longest that a border takes
    if held:
        yield bytes(held)


def _last_border(text: bytearray, start: int) -> int:
    """The last border in a text from `start` on; 0 where there is none."""
    for begin in (*(len(text) - tail for tail in _TAILS), start):
        ends = [found.end() for found in _BORDER.finditer(text, max(start, begin))]
        if ends:
            return ends[-1]
    return 0
