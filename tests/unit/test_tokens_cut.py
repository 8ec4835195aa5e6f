"""Cutting text: limits hold, characters stay whole, and the pieces are the text."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcli.errors import UsageError
from llmcli.tokens.cut import Piece, split, truncate
from llmcli.tokens.encodings import load

NAMES = ["cl100k_base", "o200k_base"]
FOX = "The quick brown fox jumps over the lazy dog."  # 10 tokens, one a word
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"

encoders = st.sampled_from(NAMES).map(load)
texts = st.text() | st.text(alphabet=f"a1 '\n\t.\u0660\u00e9{FAMILY}\U0001f9a3", max_size=80)
sides = st.sampled_from(["head", "tail", "middle"])


@pytest.fixture(params=NAMES)
def encoder(request):
    return load(request.param)


@pytest.mark.parametrize(
    ("side", "kept"),
    [("head", "The quick brown"), ("tail", " lazy dog."), ("middle", "The quick.")],
)
def test_truncate_keeps_the_side_that_is_named(side, kept, encoder):
    assert truncate(FOX, 3, side, encoder) == kept


def test_text_that_fits_is_untouched(encoder):
    assert truncate(FOX, 10, "tail", encoder) == FOX


def test_no_tokens_are_no_text(encoder):
    assert truncate("a", 0, "head", encoder) == ""


def test_a_character_that_does_not_fit_is_left_out(encoder):
    assert truncate("\U0001f9a3", 1, "head", encoder) == ""


def test_a_long_text_is_cut_by_its_ends(encoder):
    text = "first " + "word " * 100_000 + "last"
    assert truncate(text, 3, "head", encoder) == "first word word"
    assert truncate(text, 3, "tail", encoder) == " word word last"
    assert truncate(text, 4, "middle", encoder) == "first word word last"


@pytest.mark.parametrize("side", ["head", "tail", "middle"])
def test_truncate_survives_a_million_spaces(side, encoder):
    assert encoder.count(truncate(" " * 1_000_000 + "x", 100, side, encoder)) == 100


@given(text=texts, limit=st.integers(0, 30), side=sides, encoder=encoders)
def test_truncate_stays_within_its_limit(text, limit, side, encoder):
    kept = truncate(text, limit, side, encoder)
    assert encoder.count(kept) <= limit
    assert kept == text or encoder.count(text) > limit


@given(text=texts, limit=st.integers(0, 30), encoder=encoders)
def test_what_is_kept_is_of_the_text(text, limit, encoder):
    assert text.startswith(truncate(text, limit, "head", encoder))
    assert text.endswith(truncate(text, limit, "tail", encoder))
    ends = truncate(text, limit, "middle", encoder)
    assert any(text.startswith(ends[:i]) and text.endswith(ends[i:]) for i in range(len(ends) + 1))


@given(text=texts, size=st.integers(1, 12), data=st.data(), encoder=encoders)
def test_pieces_join_to_the_text(text, size, data, encoder):
    overlap = data.draw(st.integers(0, size - 1))
    pieces = list(split(text, size, overlap, encoder))
    assert "".join(piece.text[piece.shared :] for piece in pieces) == text
    assert [piece.index for piece in pieces] == list(range(len(pieces)))
    for before, piece in pairwise(pieces):
        assert before.text.endswith(piece.text[: piece.shared])
    for piece in pieces:
        assert piece.shared < len(piece.text)
        assert piece.tokens == encoder.count(piece.text)
        assert piece.tokens <= size or len(piece.text) == 1


def test_split(encoder):
    assert list(split(FOX, 4, 0, encoder)) == [
        Piece(0, 4, "The quick brown fox", 0),
        Piece(1, 4, " jumps over the lazy", 0),
        Piece(2, 2, " dog.", 0),
    ]


def test_split_with_an_overlap(encoder):
    assert [piece.text for piece in split(FOX, 5, 2, encoder)] == [
        "The quick brown fox jumps",
        " fox jumps over the lazy",
        " the lazy dog.",
    ]


def test_nothing_splits_into_nothing(encoder):
    assert list(split("", 5, 0, encoder)) == []


def test_a_character_larger_than_a_piece_is_a_piece(encoder):
    text = "a\U0001f9a3b"
    pieces = list(split(text, 1, 0, encoder))
    assert [piece.text for piece in pieces] == ["a", "\U0001f9a3", "b"]
    assert pieces[1].tokens > 1


def test_characters_that_share_a_token_are_parted_when_they_must_be():
    """In cl100k_base a space and half of the letter are one token, the other half is another."""
    assert [piece.text for piece in split(" \u00e3", 1, 0, load("cl100k_base"))] == [" ", "\u00e3"]


def test_splitting_encodes_a_long_text_once(encoder):
    text = (FOX + "\n") * 20_000
    pieces = list(split(text, 500, 50, encoder))
    assert "".join(piece.text[piece.shared :] for piece in pieces) == text
    assert {piece.tokens for piece in pieces[:-1]} <= set(range(495, 501))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: truncate("a", -1, "head", e), "cannot truncate to -1 tokens; give a limit of 0 or more"),
        (lambda e: truncate("a", 1, "left", e), "unknown side 'left'; choose one of head, tail, middle"),
        (lambda e: split("a", 0, 0, e), "cannot split into pieces of 0 tokens; give a size of 1 or more"),
        (lambda e: split("a", 5, 5, e), "cannot overlap pieces of 5 tokens by 5; give an overlap of 0 to 4"),
        (
            lambda e: split("a", 5, -1, e),
            "cannot overlap pieces of 5 tokens by -1; give an overlap of 0 to 4",
        ),
    ],
)
def test_limits_that_make_no_sense(call, message, encoder):
    with pytest.raises(UsageError) as caught:
        call(encoder)
    assert str(caught.value) == message
