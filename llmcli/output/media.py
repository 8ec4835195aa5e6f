"""Answers in another form than text: the bytes of audio and images that a message holds."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

from llmcli.wire import Completion, Json

_PIECE = re.compile(r"[A-Za-z0-9+/_-]+=*")  # streamed audio comes in pieces, each encoded on its own
_IMAGES = {"image_url", "output_image", "image"}


def media_of(completion: Completion) -> list[bytes]:
    """The audio and the images of an answer, decoded, in their order."""
    messages = (choice.get("message") for choice in completion.choices)
    encoded = (data for message in messages if isinstance(message, dict) for data in _encoded(message))
    return [data for data in map(_decoded, encoded) if data]


def asks_for_media(fields: Any) -> bool:
    """Whether a request asks for more than text."""
    wanted = fields.get("modalities")
    return isinstance(wanted, list) and any(kind != "text" for kind in wanted)


def _encoded(message: Json) -> Iterator[str]:
    audio = message.get("audio")
    if isinstance(audio, dict) and isinstance(audio.get("data"), str):
        yield audio["data"]
    content = message.get("content")
    images = message.get("images")
    parts = [*(images if isinstance(images, list) else []), *(content if isinstance(content, list) else [])]
    for part in parts:
        if not isinstance(part, dict) or part.get("type", "image_url") not in _IMAGES:
            continue
        url = part.get("image_url")
        url = url.get("url") if isinstance(url, dict) else url
        if isinstance(url, str) and url.startswith("data:"):
            yield url.partition(",")[2]
        elif isinstance(part.get("b64_json"), str):  # as the API of images has it
            yield part["b64_json"]


def _decoded(text: str) -> bytes:
    pieces = (piece.rstrip("=").replace("-", "+").replace("_", "/") for piece in _PIECE.findall(text))
    try:
        return b"".join(base64.b64decode(piece + "=" * (-len(piece) % 4)) for piece in pieces)
    except ValueError:
        return b""
