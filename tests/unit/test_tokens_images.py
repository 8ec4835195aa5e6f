"""Tokens of images: OpenAI's published examples, sizes from headers, and headers that lie."""

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcli.tokens.images import image_tokens


def png(width, height):
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)


def gif(width, height):
    return b"GIF89a" + struct.pack("<HH", width, height)


def jpeg(width, height):
    profile = b"\xff\xe2" + struct.pack(">H", 60_002) + bytes(60_000)
    frame = b"\xff\xff\xc2" + struct.pack(">HBHH", 17, 8, height, width)
    return b"\xff\xd8" + profile + b"\xff\xc4\x00\x04\x00\x00" + frame


def webp_lossy(width, height):
    return b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0" + bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height)


def webp_lossless(width, height):
    return b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)


def webp_extended(width, height):
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0" + bytes(4) + size


FORMATS = [png, gif, jpeg, webp_lossy, webp_lossless, webp_extended]


def tokens(raw, model="gpt-4o", **detail):
    url = "data:image/any;base64," + base64.b64encode(raw).decode()
    return image_tokens({"type": "image_url", "image_url": {"url": url, **detail}}, model)


@pytest.mark.parametrize("make", FORMATS)
def test_a_size_is_read_from_each_format(make):
    assert tokens(make(2048, 4096)) == 1105
    assert tokens(make(300, 200)) == 255


@pytest.mark.parametrize(
    ("model", "size", "expected"),
    [
        ("gpt-4o", (1024, 1024), 765),
        ("gpt-4.1", (1024, 1024), 765),
        ("gpt-4o-mini", (1024, 1024), 2833 + 4 * 5667),
        ("o3", (1024, 1024), 75 + 4 * 150),
        ("gpt-5", (1024, 1024), 70 + 4 * 140),
        ("gpt-4.1-mini", (1024, 1024), 1659),
        ("gpt-4.1-mini", (1800, 2400), 2353),
        ("gpt-4.1-nano", (1800, 2400), 3572),
        ("o4-mini", (1800, 2400), 2498),
        ("gpt-5-mini", (256, 256), 77),
        ("gpt-5-mini", (1280, 720), 1104),
        ("gpt-5-mini", (2048, 768), 1844),
        ("gpt-5.4", (1600, 1600), 3000),
        ("gpt-6.1-sol", (3200, 3200), 12000),
    ],
)
def test_published_and_measured_counts(model, size, expected):
    assert tokens(png(*size), model) == expected


@pytest.mark.parametrize(("model", "expected"), [("gpt-4o", 85), ("gpt-4o-mini", 2833), ("gpt-5", 70)])
def test_low_detail_is_the_base(model, expected):
    assert tokens(png(4000, 4000), model, detail="low") == expected


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/cat.png",
        "data:image/png;base64,",
        "data:image/png;base64,A",
        "data:image/png;base64," + base64.b64encode(png(0, 0)).decode(),
        "data:image/png;base64," + base64.b64encode(png(9, 9)[:18]).decode(),
        "data:image/svg+xml,<svg/>",
        "",
        None,
    ],
)
def test_an_unknown_size_counts_as_1024_square(url):
    assert image_tokens({"image_url": {"url": url}}, "gpt-4o") == 765


def test_an_image_url_may_be_a_string():
    assert image_tokens({"image_url": "https://example.com/cat.png"}, "gpt-4o") == 765


@given(head=st.sampled_from([b"", b"\xff\xd8", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 "]), tail=st.binary())
def test_any_bytes_are_counted(head, tail):
    assert tokens(head + tail) >= 85


@given(
    width=st.integers(1, 60_000),
    height=st.integers(1, 60_000),
    model=st.sampled_from(["gpt-4.1-mini", "gpt-5-nano", "gpt-5.4", "gpt-4o"]),
)
def test_no_size_costs_more_than_the_budget(width, height, model):
    most = {"gpt-4.1-mini": 1536 * 1.62, "gpt-5-nano": 1536 * 1.5, "gpt-5.4": 2500 * 1.2, "gpt-4o": 1445}
    assert 1 <= tokens(png(width, height), model) <= most[model] + 1
