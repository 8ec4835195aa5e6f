"""Answers in another form than text: the bytes of audio and images that a message holds."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

from llmcli.lean.pattern import lazy_pattern
from llmcli.wire import Completion, Json

_PIECE = lazy_pattern(r"[A-Za-z0-9+/_-]+=*")  # streamed audio comes in pieces, each encoded on its own
_IMAGES = {"image_url", "output_image", "image"}
_LINK = lazy_pattern(r"https?://[^\s\x00-\x1f]+\Z", re.IGNORECASE)


def media_of(completion: Completion) -> list[bytes]:
    """The audio and the images of an answer, decoded, in their order."""
    messages = (choice.get("message") for choice in completion.choices)
    encoded = (data for message in messages if isinstance(message, dict) for data in _encoded(message))
    return [data for data in map(_decoded, encoded) if data]


def links_of(message: Json) -> Iterator[str]:
    """The addresses of a message's images that are nothing but that, each once."""
    urls = (_url_of(part) or part.get("url") for part in _images(message))
    return iter(dict.fromkeys(url for url in urls if isinstance(url, str) and _LINK.match(url)))


def asks_for_media(fields: Any) -> bool:
    """Whether a request asks for more than text."""
    wanted = fields.get("modalities")
    return isinstance(wanted, list) and any(kind != "text" for kind in wanted)


def _encoded(message: Json) -> Iterator[str]:
    audio = message.get("audio")
    if isinstance(audio, dict) and isinstance(audio.get("data"), str):
        yield audio["data"]
    for part in _images(message):
        url = _url_of(part)
        if isinstance(url, str) and url.startswith("data:"):
            yield url.partition(",")[2]
        elif isinstance(part.get("b64_json"), str):  # as the API of images has it
            yield part["b64_json"]


def _images(message: Json) -> Iterator[Json]:
    """The parts of a message that are images."""
    for key in ("images", "content"):
        parts = message.get(key)
        for part in parts if isinstance(parts, list) else []:
            if isinstance(part, dict) and part.get("type", "image_url") in _IMAGES:
                yield part


def _url_of(part: Json) -> Any:
    url = part.get("image_url")
    return url.get("url") if isinstance(url, dict) else url


def _decoded(text: str) -> bytes:
    pieces = (piece.rstrip("=").replace("-", "+").replace("_", "/") for piece in _PIECE.findall(text))
    try:
        return b"".join(base64.b64decode(piece + "=" * (-len(piece) % 4)) for piece in pieces)
    except ValueError:
        return b""
