"""The mapped encodings give tiktoken's tokens, and give way to it where it is quicker."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcli.tokens.encodings import PATTERNS, Encoder, load
from llmcli.tokens.mapped import Mapped, Ranks, TooMuch
from tests.ranks import FOLDER, packed

NAMES = sorted(PATTERNS)
RANKS = {name: Ranks(name) for name in NAMES}

WORDS = [
    *(
        "don't",
        "I'LL",
        "'\u017f",
        " x",
        "\u00e9t\u00e9",
        "e\u0301",
        "\u4f60\u597d",
        "123",
        "4567",
        "a" * 300,
        "/",
    ),
    *("!\n/", "\r\n", "   ", "\t\t", "\u00a0", "\u3000", "<|endoftext|>", "\U0001f468\u200d\U0001f469"),
    *("\u01c5", "\u02b0", "\ud83d", "\ude00"),
]
words = st.sampled_from(WORDS)
plain = st.text(st.characters(max_codepoint=127)) | st.text("aZ'sS.1 /!\n\r\t\x0b\x1c")
texts = st.text() | plain | st.lists(words | st.text(max_size=3), max_size=30).map("".join)


def mapped(name: str) -> Mapped:
    return Mapped(RANKS[name], PATTERNS[name])


@pytest.mark.parametrize("name", NAMES)
@given(text=texts)
def test_every_text_has_the_tokens_that_tiktoken_gives_it(name, text):
    tokens = mapped(name).encode(text)
    assert tokens == load(name)._tiktoken.encode_ordinary(text)
    assert load(name).decode(tokens) == load(name)._tiktoken.decode_bytes(tokens)


def test_every_character_is_of_the_kind_that_tiktoken_takes_it_for():
    """Both have their own table of Unicode. Here each character stands where its kind shows."""
    tiktoken, pieces = load("o200k_base")._tiktoken, mapped("o200k_base")._pieces
    assigned = [*range(0xD800), *range(0xE000, 0x34000), *range(0xE0000, 0xE0200)]
    for start in range(0, len(assigned), 0x400):
        text = "".join("a{0}b{0}1{0}B {0}\n".format(chr(code)) for code in assigned[start : start + 0x400])
        found = [token for piece in pieces(text) for token in tiktoken._encode_single_piece(piece)]
        assert found == tiktoken.encode_ordinary(text), hex(assigned[start])


@pytest.mark.parametrize("name", NAMES)
def test_the_packaged_file_is_what_packing_its_tokens_makes(name):
    assert packed(list(RANKS[name].all())) == (FOLDER / f"{name}.ranks").read_bytes()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "text", ["a b " * 400_000, "x" * 3_000, "\u4f60\u597d" * 40_000], ids=["long", "word", "slow"]
)
def test_what_takes_longer_than_tiktoken_is_left_to_it(name, text):
    with pytest.raises(TooMuch):
        mapped(name).encode(text)
    assert Encoder(name).encode(text) == load(name)._tiktoken.encode_ordinary(text)


def test_many_short_texts_end_at_tiktoken_too():
    encoder = mapped("cl100k_base")
    with pytest.raises(TooMuch):
        [encoder.encode(f"number {number}") for number in range(200_000)]


def test_a_short_text_needs_no_tiktoken():
    code = """
import sys
from llmcli.tokens.encodings import load
print(load("o200k_base").encode("tiktoken is great!"), {"tiktoken", "regex"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[83, 8251, 2488, 382, 2212, 0] set()\n"
