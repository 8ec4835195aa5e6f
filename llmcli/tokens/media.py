"""Estimates what media in a prompt cost: an image by its rule, audio and files from their size alone."""

from __future__ import annotations

import re
from binascii import a2b_base64
from typing import TYPE_CHECKING

from llmcli.tokens.images import UNKNOWN, image_tokens, rule_of

if TYPE_CHECKING:
    from llmcli.wire import Json

AUDIO_BYTES = {"wav": 4800, "mp3": 1600}  # of one token, 0.1 s: 24 kHz 16-bit mono, 128 kbit/s
PAGE_TEXT = 600  # tokens of the text of a page, which a PDF costs beside the page's image
PAGE_BYTES = 50_000  # of a page, where the PDF hides its page objects
TEXT_BYTES = 4  # of one token


def media_tokens(part: Json, model: str) -> int:
    """Estimate a content part that is an image, audio or a file."""
    match part["type"]:
        case "image_url":
            return image_tokens(part, model)
        case "input_audio":
            return audio_tokens(part)
        case _:
            return file_tokens(part, model)


def audio_tokens(part: Json) -> int:
    """Estimate `{"type": "input_audio", "input_audio": {"data", "format"}}`: 10 tokens a second."""
    size = len(_field(part, "input_audio", "data")) * 3 // 4
    return -(-size // AUDIO_BYTES.get(_field(part, "input_audio", "format"), AUDIO_BYTES["mp3"]))


def file_tokens(part: Json, model: str) -> int:
    """Estimate `{"type": "file", "file": {"file_data"}}`: a PDF by its pages, anything else by size.

    A file that was uploaded before, known by its id alone, counts as one page.
    """
    head, _, data = _field(part, "file", "file_data").rpartition(",")
    if data and "pdf" not in head:
        return -(-len(data) * 3 // 4 // TEXT_BYTES)
    return _pages(data) * (PAGE_TEXT + rule_of(model).tokens(*UNKNOWN, "high"))


def _pages(data: str) -> int:
    try:
        raw = a2b_base64(data)
    except ValueError:
        raw = b""
    return len(re.findall(rb"/Type\s*/Page\b", raw)) or max(1, len(raw) // PAGE_BYTES)


def _field(part: Json, kind: str, key: str) -> str:
    inner = part.get(kind)
    value = inner.get(key) if isinstance(inner, dict) else None
    return value if isinstance(value, str) else ""
