"""A text that is cut for counting has the tokens of the whole, wherever it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcli.tokens.encodings import load
from llmcli.tokens.pieces import _BORDER, pieces

NAMES = ["cl100k_base", "o200k_base"]
CHARACTERS = "aZ19 '\t\n\r/.,!_-(\u00e9\u0301\u00a0\u3000\u3001\u3002\uff0c\u4f60\u4dc0\u06602\U0001f468"
WORDS = [
    "don't",
    "I'LL",
    "'s",
    " x",
    "e\u0301",
    "\u4f60\u597d\uff0c",
    "1234",
    "a1b2",
    "!\n/",
    "\r\n",
    "   ",
    "\n\n",
    "://",
]
texts = (
    st.text()
    | st.text(CHARACTERS)
    | st.lists(st.sampled_from(WORDS) | st.text(CHARACTERS, max_size=3)).map("".join)
)


@pytest.mark.parametrize("name", NAMES)
@given(text=texts)
def test_no_token_crosses_a_border(name, text):
    encoder, data = load(name), text.encode("utf-8", "replace")
    whole = encoder.encode(data.decode())
    for border in (found.end() for found in _BORDER.finditer(data)):
        head, tail = data[:border].decode(), data[border:].decode()
        assert encoder.encode(head) + encoder.encode(tail) == whole, (head, tail)


@given(text=texts, size=st.integers(1, 40), step=st.integers(1, 9))
def test_pieces_join_to_the_text_and_so_do_their_tokens(text, size, step):
    data = text.encode("utf-8", "replace")
    found = list(pieces((data[at : at + step] for at in range(0, len(data), step)), size))
    assert b"".join(found) == data
    encoder = load("o200k_base")
    assert [token for piece in found for token in encoder.encode(piece.decode())] == encoder.encode(
        data.decode()
    )


@pytest.mark.parametrize(
    "text",
    [
        "word " * 90,
        "word\n" * 90,
        "\u4f60\u597d\uff0c\u5417" * 90,
        "deadbeef42/" * 40,
        '{"a":[1,2,"b"]}' * 30,
    ],
    ids=["prose", "lines", "chinese", "base64", "json"],
)
def test_every_common_text_has_borders(text):
    data = text.encode()
    assert max(map(len, pieces([data[at : at + 50] for at in range(0, len(data), 50)], 50))) < 150


def test_a_word_of_any_length_is_one_piece():
    assert list(pieces([b"a" * 100] * 10, 50)) == [b"a" * 1000]
