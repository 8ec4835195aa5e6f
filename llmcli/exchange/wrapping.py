"""What models wrap around an answer that is read by a program, and what is left of an answer without it."""

from __future__ import annotations

import re

from llmcli.lean.dataclass import dataclass
from llmcli.lean.pattern import lazy_pattern

_THINK = lazy_pattern(r"<think>.*?</think>", re.DOTALL)
_FENCE = lazy_pattern(r"(`{3,}|~{3,})[^\n`]*\n(.*?)\s*\1[ \t]*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Judged:
    """The text that counts, what was `removed` to find it, and what is wrong with it (None: nothing)."""

    text: str
    removed: tuple[str, ...] = ()
    wrong: str | None = None


def without_wrapping(text: str) -> tuple[str, tuple[str, ...]]:
    """A text less a BOM, one `<think>` block before it and one code fence around it all; and which there were."""
    removed = []
    text = text.strip()
    if text.startswith("\ufeff"):
        text = text.removeprefix("\ufeff").lstrip()
        removed.append("bom")
    if block := _THINK.match(text):
        text = text[block.end() :].lstrip().removeprefix("\ufeff").lstrip()
        removed.append("think")
    if fence := _FENCE.fullmatch(text):
        text = fence[2].strip().removeprefix("\ufeff").lstrip()
        removed.append("fence")
    return text, tuple(removed)
