"""Bodies with the status 200, good and odd: an answer, or one error of ours, from every transport."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llmcli.errors import (
    Incomplete,
    LlmcliError,
    NoTurn,
    Refused,
    StreamCut,
    TransientFailure,
)
from tests import server as wire
from tests.server import ABSENT, ERROR_BODIES, ok
from tests.unit.conformance.asking import (
    WHOLE,
    Fails,
    Row,
    becomes,
    cases,
)


def bad_bodies() -> Iterator[Row]:
    """200 and no Chat Completion."""
    odd = "the reply is no Chat Completion"

    def fails(says: str, kind: type[LlmcliError] = TransientFailure, code: str | None = None) -> Fails:
        return Fails(kind, says, 200, code)

    error = "the endpoint reported an error: It went wrong."
    yield Row("200, error object", wire.reply(ERROR_BODIES["object"]), fails(error, code="some_code"))
    yield Row("200, error string", wire.reply(ERROR_BODIES["string"]), fails(error))
    yield Row(
        "200, error and choices",
        ok(extra={"error": {"message": "It went wrong.", "code": 502}}),
        fails(error, code="502"),
    )
    yield Row(
        "200, HTML", wire.reply("<html><title>Log in</title></html>"), fails(f"{odd} but text/html: Log in")
    )
    yield Row(
        "200, broken JSON",
        wire.reply(b'{"id": "chatcmpl-1", "choi'),
        fails(f"{odd} but application/json: {{"),
    )
    yield Row("200, []", wire.reply([]), fails(f"{odd} but application/json: []"))
    yield Row("200, {}", wire.reply({}), fails(f"{odd}: it has no choices"), chat_only=True)
    yield Row("200, empty", wire.reply(b""), fails("the reply is empty"), ("whole",))
    yield Row("200, text", wire.reply("Hello"), fails(f"{odd} but text/plain: Hello"), ("whole",))
    for choices in ([], None, {}, 7, [7], [None], [{}], [{"index": 0}], [{"message": "Hello"}]):
        bare = wire.reply({"choices": choices})
        yield Row(f"200, choices {choices}", bare, fails(f"{odd}: it has no choices"), chat_only=True)


def good_bodies() -> Iterator[Row]:
    """200, an answer and an oddity."""
    yield Row("good", ok("Hello"), "Hello")
    yield Row("no index", ok("Hello", index=ABSENT), "Hello")
    yield Row("null index", ok("Hello", index=None), "Hello")
    yield Row("no usage", ok("Hello", usage=None), "Hello")
    yield Row("no text", ok(""), Fails(NoTurn, "the answer is empty: neither text nor a call"))
    yield Row("missing finish_reason", ok("Hello", finish_reason=ABSENT), "Hello", chat_only=True)
    yield Row("null finish_reason", ok("Hello", finish_reason=None), "Hello", chat_only=True)
    yield Row("length", ok("Hello", finish_reason="length"), Fails(Incomplete, "cut at the token limit"))
    yield Row(
        "content filter", ok("Hello", finish_reason="content_filter"), Fails(Refused, "a content filter")
    )
    yield Row("refusal", ok(refusal="I will not."), Fails(Refused, "the model refused: I will not."))
    yield Row("null error", ok("Hello", extra={"error": None}), "Hello")
    yield Row("finish_reason of another server", ok("Hello", finish_reason="eos"), "Hello", chat_only=True)
    yield Row(
        "unknown finish_reason",
        ok("Hello", finish_reason="weird"),
        Fails(NoTurn, "its finish_reason is weird"),
    )
    yield Row(
        "abort",
        ok("Hello", finish_reason="abort"),
        Fails(TransientFailure, "its finish_reason is abort", 200),
        ("whole",),
        unstreamed=True,
    )
    yield Row(
        "abort",
        ok("Hello", finish_reason="abort"),
        Fails(StreamCut, "its finish_reason is abort"),
        ("stream",),
    )
    yield Row("gzip", wire.gzipped(ok("Hello")), "Hello")
    yield Row("byte by byte", wire.chopped(ok("H\xe9llo \N{GRINNING FACE}")), "H\xe9llo \N{GRINNING FACE}")
    yield Row("the wire byte by byte", wire.chopped(wire.wire(ok("Hello"))), "Hello")
    yield Row("ended by close", wire.framed(ok("Hello"), "close"), "Hello")
    yield Row("chunked", wire.framed(ok("Hello"), "chunked"), "Hello")
    yield Row("closed after the answer", wire.closing(ok("Hello")), "Hello")
    yield Row("JSON for a stream", ok("Hello", stream=False), "Hello", ("stream",))
    yield Row(
        "JSON after blanks for a stream", wire.reply(b"\n  " + wire.dumps(WHOLE)), "Hello", chat_only=True
    )
    yield Row("a stream for no stream", ok("Hello", stream=True), "Hello", ("whole",))
    yield Row(
        "[DONE] and no finish_reason", ok("Hello", stream=True, finish_reason=None), "Hello", chat_only=True
    )


ROWS = [
    *bad_bodies(),
    *good_bodies(),
]


@pytest.mark.parametrize(("row", "way"), cases(ROWS))
def test_what_becomes_of_it(row, way, server, new_transport):
    becomes(row, way, server, new_transport)
