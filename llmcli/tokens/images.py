"""Estimates what an image costs: its size, from the header of a data: URL, and OpenAI's two rules.

Tiles: fit into 2048 x 2048, then the shorter side to 768 pixels; a base plus so much per 512-pixel tile.
Patches: so much per 32-pixel patch, after scaling down to a budget of patches.
Source: https://developers.openai.com/api/docs/guides/images-vision. Its factors 1.62 and 2.46 for
gpt-5-mini and -nano are not what is billed: 1.2 and 1.5 are, as in the calculator of OpenAI's price page
(https://community.openai.com/t/1344040); of the models since gpt-5.2 the same holds for 1.2
(https://community.openai.com/t/1377015).
"""

from __future__ import annotations

import binascii
import math
import struct
from typing import TYPE_CHECKING

from llmcli.lean.dataclass import dataclass

if TYPE_CHECKING:
    from llmcli.wire import Json

UNKNOWN = (1024, 1024)  # the size assumed where none can be read
HEADER = 262_144  # characters of base64 to look at: a JPEG's size may stand behind a large profile


@dataclass(frozen=True, slots=True)
class Tiles:
    """Tokens of an image: `base` once, `tile` for each 512-pixel square; low detail is the base."""

    base: int
    tile: int

    def tokens(self, width: int, height: int, detail: str) -> int:
        """Count an image of that many pixels."""
        if detail == "low":
            return self.base
        width, height = _shrink(width, height, 2048 / max(width, height))
        width, height = _shrink(width, height, 768 / min(width, height))
        return self.base + self.tile * math.ceil(width / 512) * math.ceil(height / 512)


@dataclass(frozen=True, slots=True)
class Patches:
    """Tokens of an image: `factor` for each 32-pixel square, of which there are at most `budget`."""

    factor: float
    budget: int = 1536
    auto: int = 0  # the budget where no detail is given; 0: as for high

    def tokens(self, width: int, height: int, detail: str) -> int:
        """Count an image of that many pixels."""
        budget = self.auto or self.budget if detail in {"auto", "original"} else self.budget
        return math.ceil(_patches(width, height, budget) * self.factor)


UNBOUNDED = 1_000_000_000

# The first prefix that fits the model decides.
RULES: tuple[tuple[str, Tiles | Patches], ...] = (
    ("gpt-4o-mini", Tiles(2833, 5667)),
    ("gpt-4.1-mini", Patches(1.62)),
    ("gpt-4.1-nano", Patches(2.46)),
    ("o4-mini", Patches(1.72)),
    ("o1", Tiles(75, 150)),
    ("o3", Tiles(75, 150)),
    ("gpt-5-mini", Patches(1.2)),
    ("gpt-5-nano", Patches(1.5)),
    ("gpt-5.2", Patches(1.2)),
    ("gpt-5.3", Patches(1.2)),
    ("gpt-5.4", Patches(1.2, 2500)),
    ("gpt-5.5", Patches(1.2, 2500)),
    ("gpt-5.", Patches(1.2, 2500, UNBOUNDED)),  # gpt-5.6: without a detail, the image is not scaled
    ("gpt-5", Tiles(70, 140)),
    ("gpt-6", Patches(1.2, 2500, UNBOUNDED)),
    ("", Tiles(85, 170)),
)


def image_tokens(part: Json, model: str) -> int:
    """Estimate the tokens of a content part `{"type": "image_url", "image_url": {"url", "detail"}}`.

    The size is read from data: URLs of PNG, JPEG, GIF and WebP; anything else counts as 1024 x 1024.
    """
    image = part.get("image_url")
    image = image if isinstance(image, dict) else {"url": image}
    width, height = _size(str(image.get("url"))) or UNKNOWN
    return rule_of(model).tokens(width, height, image.get("detail") or "auto")


def rule_of(model: str) -> Tiles | Patches:
    """Find the rule by which the images of `model` are counted."""
    return next(rule for prefix, rule in RULES if model.startswith(prefix))


def _shrink(width: float, height: float, factor: float) -> tuple[int, int]:
    factor = min(1.0, factor)
    return max(1, round(width * factor)), max(1, round(height * factor))


def _patches(width: int, height: int, budget: int) -> int:
    across, down = math.ceil(width / 32), math.ceil(height / 32)
    if across * down <= budget:
        return across * down
    wide, high = width / 32, height / 32
    shrink = math.sqrt(budget / (wide * high))
    shrink *= min(_whole(wide * shrink), _whole(high * shrink))
    return min(budget, math.ceil(wide * shrink - 1e-9) * math.ceil(high * shrink - 1e-9))


def _whole(patches: float) -> float:
    """Give the factor that makes a side a whole number of patches."""
    return max(1, math.floor(patches)) / patches


def _size(url: str) -> tuple[int, int] | None:
    """Read (width, height), in pixels, of the image in a data: URL."""
    head, _, data = url.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64"):
        return None
    try:
        raw = binascii.a2b_base64(data[:HEADER])
        width, height = _header(raw) or (0, 0)
    except (ValueError, struct.error, IndexError):
        return None
    return (width, height) if width and height else None


def _header(raw: bytes) -> tuple[int, int] | None:
    if raw.startswith(b"\x89PNG\r\n\x1a\n"):
        return _two(">II", raw, 16)
    if raw.startswith((b"GIF87a", b"GIF89a")):
        return _two("<HH", raw, 6)
    if raw.startswith(b"\xff\xd8"):
        return _jpeg(raw)
    if raw.startswith(b"RIFF") and raw[8:12] == b"WEBP":
        return _webp(raw)
    return None


def _two(layout: str, raw: bytes, offset: int) -> tuple[int, int]:
    first, second = struct.unpack_from(layout, raw, offset)
    return first, second


def _jpeg(raw: bytes) -> tuple[int, int]:
    """Walk the segments to the frame header: SOF0 to SOF15, without DHT (C4), JPG (C8) and DAC (CC)."""
    place = 2
    while True:
        while raw[place + 1] == 0xFF:
            place += 1
        marker = raw[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = _two(">HH", raw, place + 5)
            return width, height
        place += 2 + struct.unpack_from(">H", raw, place + 2)[0]


def _webp(raw: bytes) -> tuple[int, int] | None:
    match raw[12:16]:
        case b"VP8 ":
            width, height = _two("<HH", raw, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            bits = struct.unpack_from("<I", raw, 21)[0]
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return int.from_bytes(raw[24:27], "little") + 1, int.from_bytes(raw[27:30], "little") + 1
    return None
