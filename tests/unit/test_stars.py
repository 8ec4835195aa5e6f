"""Secrets in pieces: a chunk that is let pass by its bytes is one that would have passed by its strings."""

from __future__ import annotations

import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcli import jsonl
from llmcli.transport.stars import Pieces, Secrets, may_hold, told_apart, without
from llmcli.wire import Chunk

SECRETS = st.lists(st.text('ab"\\/é', min_size=8, max_size=12), max_size=2).map(
    lambda found: tuple(sorted(set(found), key=len, reverse=True))
)
FIELDS = ("content", "reasoning_content", "role")


@st.composite
def streams(draw: st.DrawFn) -> tuple[Secrets, list[Chunk], bool]:
    """Secrets, chunks in which they stand, or parts of them, in pieces, and whether JSON has ASCII alone."""
    secrets = draw(SECRETS)
    parts = st.sampled_from(
        [*secrets, *(secret[:4] for secret in secrets), "a", "b", "\n", "x", "\U0001f600"]
    )
    text = "".join(draw(st.lists(parts, max_size=8)))
    chunks = []
    while text or not chunks:
        size = draw(st.integers(1, 6))
        field = draw(st.sampled_from(FIELDS))
        piece, text = text[:size], text[size:]
        delta = (
            {field: piece}
            if draw(st.booleans())
            else {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
        )
        ended = draw(st.sampled_from([None, None, None, "stop"]))
        chunks.append(
            {
                "model": draw(st.sampled_from(["m", "ba"])),
                "choices": [{"index": 0, "delta": delta, "finish_reason": ended}],
            }
        )
    return secrets, chunks, draw(st.booleans())


@given(streams())
def test_what_passes_by_its_bytes_would_have_passed_by_its_strings(stream):
    secrets, chunks, ascii_alone = stream
    by_bytes, by_strings = Pieces(secrets), Pieces(secrets)
    for chunk in chunks:
        raw = json.dumps(chunk, ensure_ascii=ascii_alone).encode()
        assert list(by_bytes.take(chunk, raw)) == list(by_strings.take(chunk))
    assert list(by_bytes.rest()) == list(by_strings.rest())


def test_a_piece_in_which_no_secret_begins_is_handed_on_as_it_is():
    chunk = {"choices": [{"index": 0, "delta": {"content": 'it "asks"\n'}, "finish_reason": None}]}
    (shown,) = Pieces(("sk-0123456789",)).take(chunk, jsonl.dumps(chunk))
    assert shown is chunk


@given(st.text(min_size=8), st.booleans())
def test_json_that_holds_a_secret_may_hold_it(secret, ascii_alone):
    body = json.dumps({"a": f"b{secret}c"}, ensure_ascii=ascii_alone).encode("utf-8", "surrogatepass")
    assert may_hold(body, (secret,))


ODD = "p&ss<w>ord/a+b=\"c'd"


@pytest.mark.parametrize(
    "spelled",
    [
        ODD,
        quote(ODD, safe=""),
        html.escape(ODD),
        html.escape(ODD).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
        json.dumps(ODD)[1:-1],
        json.dumps(ODD)[1:-1].replace("/", "\\/"),
    ],
)
def test_a_secret_is_starred_as_pages_and_addresses_spell_it(spelled):
    assert without(f"You sent {spelled}.", told_apart([ODD])) == "You sent ***."


def test_a_usual_key_has_one_spelling():
    assert told_apart(["sk-proj-abc_DEF-0123", "short"]) == ("sk-proj-abc_DEF-0123",)
