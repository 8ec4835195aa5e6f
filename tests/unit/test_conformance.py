"""One table of misbehaving servers; every HTTP transport must make the same thing of each row."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmcli import jsonl
from llmcli.errors import (
    AuthFailure,
    BrokenOff,
    CallFailed,
    Incomplete,
    LlmcliError,
    NoTurn,
    QuotaExhausted,
    Refused,
    Rejected,
    StreamCut,
    TransientFailure,
    UnfitModel,
)
from llmcli.exchange.exchange import Way, exchange
from llmcli.exchange.layers.repair import Repair
from llmcli.exchange.layers.retry import says_something
from llmcli.exchange.verdict import check, misfit
from llmcli.output.items import ItemSink
from llmcli.output.sink import RecordSink, Sink, TextSink, text_of
from llmcli.output.streams import Notes, Stdout
from llmcli.transport import bodies
from llmcli.transport.base import Transport
from llmcli.transport.failures import diagnosis as failures
from llmcli.transport.folds.completion import Accumulator
from llmcli.transport.keys import KeyOf
from llmcli.transport.pooled import Pooled
from llmcli.transport.sdk import Sdk
from llmcli.wire import Chunk, Completion, Request
from tests import server as wire
from tests.server import ABSENT, DONE, ERROR_BODIES, Scenario, chunk, event, ok

KEY = "sk-secret-0123456789"
EXIT = {
    BrokenOff: 3,
    Incomplete: 3,
    NoTurn: 3,
    Refused: 4,
    Rejected: 65,
    UnfitModel: 65,
    QuotaExhausted: 69,
    TransientFailure: 75,
    StreamCut: 75,
    AuthFailure: 77,
}
WAYS = ("whole", "stream")


def always(key: str | None) -> KeyOf:
    async def key_of(_request: Request) -> str | None:
        return key

    return key_of


def sdk(key: str | None = KEY, timeout: float = 10.0, connect: float = 10.0) -> Transport:
    return Sdk(always(key), {}, timeout, connect)


def pooled(key: str | None = KEY, timeout: float = 10.0, connect: float = 10.0) -> Transport:
    return Pooled(always(key), timeout, connect)


TRANSPORTS = {"sdk": sdk, "pooled": pooled}
"""Each HTTP transport: (key, timeout and its connect part in seconds) -> Transport."""


@pytest.fixture(params=TRANSPORTS)
def new_transport(request) -> Callable[..., Transport]:
    return TRANSPORTS[request.param]


# --- Asking -------------------------------------------------------------------------------------------------


def request_to(base_url: str, way: str = "whole", provider: str = "openai", **fields: Any) -> Request:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], **fields}
    if way == "stream":
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return Request(provider, "tiny", base_url, body)


async def answer_of(transport: Transport, request: Request) -> Completion:
    """The checked answer, streamed or not."""
    answer = await transport.ask(request)
    if request.stream:
        async for _ in answer:
            pass
    completion = await answer.whole()
    check(completion, request)
    return completion


def ask(transport: Transport, request: Request) -> Completion:
    async def work() -> Completion:
        try:
            return await answer_of(transport, request)
        finally:
            await transport.aclose()

    return asyncio.run(work())


def text(completion: Completion, index: int = 0) -> str:
    return text_of(completion.choices[index]["message"])


# --- What is expected ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fails:
    """A failure: its very class, a part of its message, and what it knows."""

    kind: type[LlmcliError]
    says: str
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None
    request_id: str | None = "req_1"


@dataclass(frozen=True)
class Row:
    """A scenario and what becomes of it: an answer's text, or a failure."""

    name: str
    scenario: Scenario
    expected: str | Fails
    ways: tuple[str, ...] = WAYS
    timeout: float = 10.0


def statuses() -> Iterator[Row]:
    kinds = {
        Rejected: [400, 418, 422, 451],
        UnfitModel: [404, 413],
        AuthFailure: [401, 403],
        QuotaExhausted: [402],
        TransientFailure: [408, 409, 425, 429, 500, 502, 503, 504, 529],
    }
    for kind, codes in kinds.items():
        for code in codes:
            expected = Fails(kind, f"The server says {code}.", code, wire.reason(code))
            yield Row(f"status {code}", wire.status(code), expected)
    for code in (301, 302, 303, 307, 308):
        expected = Fails(Rejected, "the address has moved: give the new one with --base-url", code)
        yield Row(f"redirect {code}", wire.redirect(code, "/v1/chat/completions"), expected)
    yield Row("304", wire.reply(b"", 304), Fails(Rejected, "answered 304 and said nothing", 304))


ERROR_WORDS: dict[str, tuple[str | None, str]] = {
    "object": ("some_code", "It went wrong."),
    "code is an int": ("500", "It went wrong."),
    "message only": (None, "It went wrong."),
    "message is null": (None, 'with {"error":{"message":null,"type":null,"code":null}}'),
    "string": (None, "It went wrong."),
    "list": ("400", "It went wrong."),
    "detail": (None, "It went wrong."),
    "detail list": (None, "It went wrong."),
    "flat": ("400", "It went wrong."),
    "html": (None, "It went wrong. (HTTP"),
    "text": (None, "It went wrong."),
    "empty": (None, "and said nothing"),
    "empty JSON": (None, "and said nothing"),
    "broken JSON": (None, '{"error": {"message": "It went wro'),
    "null": (None, "null"),
    "number": (None, "17"),
    "not UTF-8": (None, "It went \N{REPLACEMENT CHARACTER} wrong."),
}


def error_bodies() -> Iterator[Row]:
    for name, (code, says) in ERROR_WORDS.items():
        for status, kind in ((400, Rejected), (500, TransientFailure)):
            yield Row(
                f"{status}, body: {name}",
                wire.status(status, ERROR_BODIES[name]),
                Fails(kind, says, status, code),
            )
    nothing = 'the endpoint answered 500 with {"error":{"type":["x"]}}'
    yield Row(
        "500, an odd type",
        wire.status(500, {"error": {"type": ["x"]}}),
        Fails(TransientFailure, nothing, 500),
    )
    deep = b"[" * 100_000
    yield Row("500, JSON without end", wire.status(500, deep), Fails(TransientFailure, "[[[[", 500))
    unread = {
        "cut": wire.cut(wire.status(500), 9),
        "reset": wire.cut(wire.status(500), 9, "reset"),
        "no gzip": wire.gzipped(wire.status(500), broken=True),
    }
    for name, scenario in unread.items():
        yield Row(f"500, an error body: {name}", scenario, Fails(TransientFailure, "(HTTP 500, ", 500))
    broken_401 = wire.cut(wire.status(401), 9)
    yield Row("401, an error body cut", broken_401, Fails(AuthFailure, "(HTTP 401, ", 401))
    yield Row(
        "500, an error body that stalls",
        wire.stall(wire.status(500), 9),
        Fails(TransientFailure, "no answer within 0.2 s", request_id=None),
        timeout=0.2,
    )


def quotas() -> Iterator[Row]:
    quota = "insufficient_quota"
    exceeded = "You exceeded your current quota."
    yield Row("429 insufficient_quota", wire.quota(), Fails(QuotaExhausted, exceeded, 429, quota))
    for name, error in {
        "type only": {"message": exceeded, "type": quota},
        "type, null code": {"message": exceeded, "type": quota, "code": None},
        "type, int code": {"message": exceeded, "type": quota, "code": 429},
        "code only": {"message": exceeded, "code": quota},
    }.items():
        expected = Fails(QuotaExhausted, exceeded, 429, quota)
        yield Row(f"quota: {name}", wire.status(429, {"error": error}), expected)
        yield Row(
            f"quota in a 200 body: {name}", ok(error=error), Fails(QuotaExhausted, exceeded, 200, quota)
        )


def retry_afters() -> Iterator[Row]:
    past = formatdate(0, usegmt=True)
    for name, headers, seconds in [
        ("seconds", {"retry-after": "7"}, 7.0),
        ("a float", {"retry-after": "0.25"}, 0.25),
        ("0", {"retry-after": "0"}, 0.0),
        ("negative", {"retry-after": "-3"}, 0.0),
        ("a past date", {"retry-after": past}, 0.0),
        ("garbage", {"retry-after": "soon"}, None),
        ("empty", {"retry-after": ""}, None),
        ("nan", {"retry-after": "nan"}, None),
        ("infinite", {"retry-after": "inf"}, None),
        ("a year beyond", {"retry-after": "Fri, 01 Jan 99999999999999999999 00:00:00 GMT"}, None),
        ("milliseconds", {"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ("garbage ms", {"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ("infinite ms", {"retry-after-ms": "inf", "retry-after": "9"}, 9.0),
        ("nan ms", {"retry-after-ms": "nan", "retry-after": "9"}, 9.0),
    ]:
        expected = Fails(TransientFailure, "The server says 429.", 429, "Too Many Requests", seconds)
        yield Row(f"retry-after: {name}", wire.status(429, headers=headers), expected)


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
    yield Row("200, {}", wire.reply({}), fails(f"{odd}: it has no choices"))
    yield Row("200, empty", wire.reply(b""), fails("the reply is empty"), ("whole",))
    yield Row("200, text", wire.reply("Hello"), fails(f"{odd} but text/plain: Hello"), ("whole",))
    for choices in ([], None, {}, 7, [7], [None], [{}], [{"index": 0}], [{"message": "Hello"}]):
        yield Row(
            f"200, choices {choices}", wire.reply({"choices": choices}), fails(f"{odd}: it has no choices")
        )


def good_bodies() -> Iterator[Row]:
    """200, an answer and an oddity."""
    yield Row("good", ok("Hello"), "Hello")
    yield Row("no index", ok("Hello", index=ABSENT), "Hello")
    yield Row("null index", ok("Hello", index=None), "Hello")
    yield Row("no usage", ok("Hello", usage=None), "Hello")
    yield Row("no text", ok(""), Fails(NoTurn, "the answer is empty: neither text nor a call"))
    yield Row("missing finish_reason", ok("Hello", finish_reason=ABSENT), "Hello")
    yield Row("null finish_reason", ok("Hello", finish_reason=None), "Hello")
    yield Row("length", ok("Hello", finish_reason="length"), Fails(Incomplete, "cut at the token limit"))
    yield Row(
        "content filter", ok("Hello", finish_reason="content_filter"), Fails(Refused, "a content filter")
    )
    yield Row("refusal", ok(refusal="I will not."), Fails(Refused, "the model refused: I will not."))
    yield Row("null error", ok("Hello", extra={"error": None}), "Hello")
    yield Row("finish_reason of another server", ok("Hello", finish_reason="eos"), "Hello")
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
    yield Row("JSON after blanks for a stream", wire.reply(b"\n  " + wire.dumps(WHOLE)), "Hello")
    yield Row("a stream for no stream", ok("Hello", stream=True), "Hello", ("whole",))
    yield Row("[DONE] and no finish_reason", ok("Hello", stream=True, finish_reason=None), "Hello")


WHOLE = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
}


def connections() -> Iterator[Row]:
    lost = Fails(TransientFailure, "the connection broke before an answer came: ", request_id=None)
    strange = Fails(TransientFailure, "the reply cannot be read: ", request_id=None)
    broke = Fails(StreamCut, "the connection broke in the middle of the answer")
    late = Fails(TransientFailure, "no answer within 0.2 s", request_id=None)
    yield Row("dropped", wire.drop(), lost)
    yield Row("reset", wire.reset(), lost)
    yield Row("no HTTP", wire.raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), strange)
    yield Row("half a head", wire.raw(b"HTTP/1.1 200 OK\r\ncontent-le"), lost)
    yield Row("hanging", wire.hang(), late, timeout=0.2)
    yield Row("stalled in the body", wire.stall(ok("Hello"), 9), late, timeout=0.2)
    yield Row("stalled after some deltas", wire.stall(hello(STOP), -60), late, ("stream",), timeout=0.2)
    yield Row("stalled at the end of the body", wire.stall(ok("Hello"), -9), late, ("whole",), timeout=0.2)
    for how in ("close", "reset", "half"):
        yield Row(f"body cut by {how}", wire.cut(ok("Hello"), -9, how), broke, ("whole",))
        yield Row(f"stream cut by {how}", wire.cut(ok("Hello", done=False), -200, how), broke, ("stream",))
    yield Row("bad gzip", wire.gzipped(ok("Hello"), broken=True), broke)


def hello(*blocks: Any, **options: Any) -> Scenario:
    """A stream that says Hello, and then these events."""
    return wire.events([chunk("", role="assistant"), chunk("Hel"), chunk("lo"), *blocks], **options)


STOP = chunk(finish_reason="stop")
ERROR = {"error": {"message": "It went wrong.", "code": "server_error"}}


def streams() -> Iterator[Row]:
    dialect = wire.dialect
    cut_off = Fails(BrokenOff, "the answer broke off: it ended with neither a finish_reason nor [DONE]")
    reported = Fails(TransientFailure, "the endpoint reported an error: It went wrong.", 200, "server_error")
    nonsense = Fails(TransientFailure, "an event of the stream is no chunk", 200, "broken_event")
    nothing = Fails(
        TransientFailure,
        "the stream ended with no answer in it (openai/tiny, request req_1)",
        request_id=None,
    )
    good = {
        "CRLF": dialect(ok("Hello"), end=b"\r\n"),
        "CR only": dialect(ok("Hello"), end=b"\r"),
        "CRLF byte by byte": wire.chopped(dialect(ok("Hello"), end=b"\r\n")),
        "comments": dialect(ok("Hello"), comments=True),
        "an event without data": dialect(ok("Hello"), pings=True),
        "several data lines": dialect(ok("Hello"), lines=True),
        "no space after data:": dialect(ok("Hello"), space=False),
        "BOM": dialect(ok("Hello"), bom=True),
        "BOM byte by byte": wire.chopped(dialect(ok("Hello"), bom=True)),
        "no final blank line": dialect(ok("Hello"), last=b""),
        "no final blank line, no [DONE]": dialect(ok("Hello", done=False), last=b"\n"),
        "gzip": wire.gzipped(ok("Hello")),
        "no [DONE]": ok("Hello", done=False),
        "no finish_reason": ok("Hello", finish_reason=ABSENT),
        "null finish_reason": ok("Hello", finish_reason=None),
        "first content null": ok("Hello", first=None),
        "first content absent": ok("Hello", first=ABSENT),
        "null content everywhere": hello(chunk(None), chunk(None, finish_reason="stop"), DONE),
        "usage in an extra chunk": ok("Hello", usage_at="extra"),
        "usage in the finish chunk": ok("Hello", usage_at="finish"),
        "no usage": ok("Hello", usage=None),
        "an opening comment": wire.events([b": OPENROUTER PROCESSING\n\n", chunk("Hello"), STOP, DONE]),
        "blank lines first": wire.events([b"\n", b"\r\n\r\n", chunk("Hello"), STOP, DONE]),
        "[DONE] with blanks": hello(STOP, b"data:  [DONE] \n\n"),
        "something after [DONE]": hello(STOP, DONE, event(ERROR)),
        "an empty data line": hello(b"data:\n\n", STOP, DONE),
        "null choices": hello({"choices": None}, STOP, DONE),
        "null delta": hello({"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]}, DONE),
        "no content type": hello(STOP, DONE, headers={"content-type": None}),
        "message for delta": wire.events(
            [{"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}, DONE]
        ),
    }
    for name, scenario in good.items():
        yield Row(f"SSE: {name}", scenario, "Hello", ("stream",))
    whole_event = event(chunk("lo"))
    bad = {
        "error event first": (wire.events([ERROR]), reported),
        "error event by name": (
            wire.events([b'event: error\ndata: {"message": "It went wrong.", "code": "server_error"}\n\n']),
            reported,
        ),
        "error event in the middle": (hello(ERROR), reported),
        "error event after the finish": (hello(STOP, ERROR, DONE), reported),
        "error beside choices": (hello({**chunk(""), **ERROR}), reported),
        "error string": (hello({"error": "It went wrong."}), Fails(TransientFailure, "It went wrong.", 200)),
        "quota event": (
            hello({"error": {"message": "No credit.", "type": "insufficient_quota"}}),
            Fails(QuotaExhausted, "No credit.", 200, "insufficient_quota"),
        ),
        "broken JSON in the middle": (hello(b'data: {"choices": [\n\n', STOP, DONE), nonsense),
        "no object in the middle": (hello(b"data: 17\n\n", STOP, DONE), nonsense),
        "no choice in the middle": (hello({"choices": [17]}, STOP, DONE), nonsense),
        "odd choices": (hello({"choices": 17}, STOP, DONE), nonsense),
        "odd delta": (hello({"choices": [{"index": 0, "delta": "Hello"}]}, STOP, DONE), nonsense),
        "odd tool calls": (hello({"choices": [{"index": 0, "delta": {"tool_calls": 17}}]}, STOP), nonsense),
        "neither": (ok("Hello", done=False, finish_reason=None), cut_off),
        "cut inside an event": (wire.cut(hello(framing="close"), -20), cut_off),
        "cut before any event": (wire.cut(hello(framing="close"), 20), nothing),
        "empty": (wire.events([]), nothing),
        "comments only": (wire.events([b": still here\n\n"]), nothing),
        "a role": (wire.events([chunk("", role="assistant")]), nothing),
        "[DONE] only": (wire.events([DONE]), nothing),
        "usage only": (wire.events([{"choices": [], "usage": wire.usage(1, 0)}, DONE]), nothing),
        "cut inside an event, chunked": (
            wire.cut(hello(whole_event), -20),
            Fails(StreamCut, "the connection broke in the middle of the answer"),
        ),
    }
    for name, (scenario, expected) in bad.items():
        yield Row(f"SSE: {name}", scenario, expected, ("stream",))


ROWS = [
    *statuses(),
    *error_bodies(),
    *quotas(),
    *retry_afters(),
    *bad_bodies(),
    *good_bodies(),
    *connections(),
    *streams(),
]


@pytest.mark.parametrize(
    ("row", "way"), [pytest.param(row, way, id=f"{row.name}-{way}") for row in ROWS for way in row.ways]
)
def test_what_becomes_of_it(row, way, server, new_transport):
    server.script = row.scenario
    transport, request = new_transport(timeout=row.timeout), request_to(server.base_url, way)
    if isinstance(row.expected, str):
        assert text(ask(transport, request)) == row.expected
    else:
        with pytest.raises(LlmcliError) as caught:
            ask(transport, request)
        assert_failed(caught.value, row.expected)
    assert len(server.requests) == 1, "nothing is sent again here, and no redirect is followed"


def assert_failed(error: LlmcliError, expected: Fails) -> None:
    assert type(error) is expected.kind
    assert error.exit_code == EXIT[expected.kind]
    assert expected.says in str(error)
    assert "\n" not in str(error)
    if expected.request_id:
        assert f"request {expected.request_id}" in str(error)
    if isinstance(error, CallFailed):
        assert (error.status, error.code, error.retry_after) == (
            expected.status,
            expected.code,
            expected.retry_after,
        )
        assert error.request_id == expected.request_id


def test_the_table_knows_every_odd_error_body():
    assert ERROR_WORDS.keys() == ERROR_BODIES.keys()


@pytest.mark.parametrize("way", WAYS)
def test_a_date_to_wait_for(way, server, new_transport):
    server.script = wire.status(503, headers={"retry-after": formatdate(time.time() + 90, usegmt=True)})
    with pytest.raises(TransientFailure) as caught:
        ask(new_transport(), request_to(server.base_url, way))
    assert 60 < caught.value.retry_after <= 90


@pytest.mark.parametrize("way", WAYS)
def test_connection_refused(way, new_transport):
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unheard.getsockname()[1]}/v1"
        with pytest.raises(TransientFailure) as caught:
            ask(new_transport(), request_to(address, way))
    assert str(caught.value) == (
        f"the local server is not running: Connection refused (openai/tiny at {address});"
        " start it, or check the address"
    )


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of a socket that nobody accepts from, and whose queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_does_not_come_about(way, deaf, new_transport):
    with pytest.raises(TransientFailure) as caught:
        ask(new_transport(connect=0.1), request_to(deaf, way))
    assert str(caught.value) == (
        f"cannot connect within 0.1 s (openai/tiny at {deaf}); check the address and the network"
    )
    assert not caught.value.may_have_cost


@pytest.mark.parametrize("way", WAYS)
def test_a_name_that_does_not_exist(way, new_transport):
    with pytest.raises(TransientFailure, match="cannot reach the endpoint: "):
        ask(new_transport(), request_to("http://nowhere.invalid/v1", way))


@pytest.mark.parametrize("way", WAYS)
def test_http_spoken_to_https(way, server, new_transport):
    with pytest.raises(TransientFailure, match="cannot reach the endpoint: "):
        ask(new_transport(), request_to(server.base_url.replace("http:", "https:"), way))


# --- Whole answers ------------------------------------------------------------------------------------------

CALLS = [wire.call("get_weather", {"city": "Paris"}), wire.call("get_time", '{"zone": "CE', "call_2")]
ANSWERS = {
    "text": ok("Hello, how are you?"),
    "two choices": ok(["Hello, how are you?", "Goodbye"], n=2),
    "three choices": ok(["one", "", "three times as long"], n=3),
    "tool calls": ok(tool_calls=CALLS),
    "text and tool calls": ok("Let me see.", tool_calls=CALLS[:1]),
    "refusal": ok(refusal="I will not do that."),
    "logprobs": ok("Hello there", logprobs=True),
    "reasoning_content": ok("Hello", reasoning="Let me think."),
    "reasoning": ok("Hello", reasoning="Let me think.", reasoning_field="reasoning"),
    "cached usage": ok("Hello", usage=wire.usage(12, 34, cached=8, reasoning=3)),
    "extra keys": ok(
        "Hello", extra={"service_tier": "flex", "system_fingerprint": "fp_1", "timings": {"ms": 3}}
    ),
    "usage in the finish chunk": ok("Hello", usage_at="finish"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_streamed_answer_is_the_unstreamed_one(name, server, new_transport):
    server.script = ANSWERS[name]

    async def both() -> list[Completion]:
        transport = new_transport()
        asked = [request_to(server.base_url), request_to(server.base_url, "stream")]
        completions = [await (await transport.ask(request)).whole() for request in asked]
        await transport.aclose()
        return completions

    whole, streamed = asyncio.run(both())
    assert bare(streamed.body) == bare(whole.body)
    assert streamed.meta.done
    assert [answer.meta.request_id for answer in (whole, streamed)] == ["req_1", "req_2"]


def bare(body: dict[str, Any]) -> dict[str, Any]:
    """A completion without its own id, and with what an unstreamed one leaves out or gives as null."""
    choices = [
        {
            **{key: value for key, value in choice.items() if key != "logprobs"},
            "message": {key: value for key, value in choice["message"].items() if value is not None},
            "logprobs": {k: v for k, v in (choice.get("logprobs") or {}).items() if v is not None},
        }
        for choice in body["choices"]
    ]
    for choice in choices:
        if choice["message"].get("content") == "" and len(choice["message"]) > 2:
            del choice["message"]["content"]  # the opening delta's
    return {**body, "id": "", "choices": choices}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", [1, 3])
def test_each_choice_in_index_order(way, count, server, new_transport):
    server.script = ok(["one", "two", "three"], n=count)
    answer = ask(new_transport(), request_to(server.base_url, way, n=count))
    assert [text(answer, index) for index in range(count)] == ["one", "two", "three"][:count]


@pytest.mark.parametrize("way", WAYS)
def test_usage_of_no_usage_is_none(way, server, new_transport):
    server.script = ok("Hello", usage=None)
    assert ask(new_transport(), request_to(server.base_url, way)).usage is None


def test_a_stream_cut_at_every_place_is_read_the_same(server, new_transport):
    said = "\xe9\N{GRINNING FACE}"
    blocks = [
        event({"choices": [{"delta": {"content": said}}]}),
        event({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
    ]
    base = wire.dialect(wire.events([*blocks, DONE]), end=b"\r\n")
    size = wire.play(base, wire.Request("POST", "/", {}, b"{}")).size

    async def work() -> list[str]:
        transport, texts = new_transport(), []
        for place in range(1, size):
            server.script = wire.chopped(base, at=[place])
            texts.append(text(await answer_of(transport, request_to(server.base_url, "stream"))))
        await transport.aclose()
        return texts

    assert asyncio.run(work()) == [said] * (size - 1)


def test_a_stream_that_ends_anywhere_gives_what_had_come(server, new_transport):
    base = ok("Hello", size=1, usage=None, framing="close")
    size = wire.play(base, wire.Request("POST", "/", {}, b'{"stream": true}')).size

    async def work() -> list[str]:
        transport, seen = new_transport(), []
        for end in range(0, size, 7):
            server.script = wire.cut(base, end)
            request = request_to(server.base_url, "stream")
            answer = await (await transport.ask(request)).whole()
            seen.append(text(answer) if answer.choices else "")
            if seen[-1] != "Hello":
                with pytest.raises(
                    Incomplete if seen[-1] else TransientFailure, match=r"broke off|no answer"
                ):
                    check(answer, request)
        await transport.aclose()
        return seen

    seen = asyncio.run(work())
    assert sorted(set(seen), key=seen.index) == ["", "H", "He", "Hel", "Hell", "Hello"]


# --- The path: what a user is left with ---------------------------------------------------------------------


class Silent:
    """A sink that keeps what it is shown."""

    events = False

    def __init__(self) -> None:
        self.shown: list[Chunk] = []
        self.aborted = False

    def chunk(self, chunk: Chunk) -> None:
        self.shown.append(chunk)

    def finish(self, completion: Completion) -> None:
        pass

    def abort(self, _body: dict[str, Any]) -> None:
        self.aborted = True


def follow(transport: Transport, request: Request, sink: Silent) -> Completion:
    async def work() -> Completion:
        try:
            way = Way(transport, lambda: 0.0, lambda *_: None)
            return (await exchange(request, way, sink)).completion
        finally:
            await transport.aclose()

    return asyncio.run(work())


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_cut_after_the_first_piece_leaves_a_part(how, server, new_transport):
    hold = wire.Hold()
    blocks = [event(chunk("Hel")), hold, event(chunk("lo"))]

    def scenario(_: wire.Request) -> wire.Answer:
        return wire.Answer(
            tuple(blocks[:2]),
            headers={"content-type": "text/event-stream"},
            framing="chunked",
            ending=how,
            whole=False,
        )

    server.script = scenario
    sink = Silent()
    sink.chunk = lambda _: hold.release()  # the rest comes, or not, once the first piece was seen
    request = request_to(server.base_url, "stream")
    answer = follow(new_transport(), request, sink)
    assert text(answer) == "Hel"
    assert answer.meta.cut.startswith("the connection broke in the middle of the answer")
    with pytest.raises(Incomplete, match="the answer broke off: the connection broke") as caught:
        check(answer, request)
    assert caught.value.exit_code == 3


def test_a_cut_before_the_first_piece_is_a_failure(server, new_transport):
    server.script = wire.cut(wire.events([chunk("", role="assistant"), chunk("Hello")]), 150)
    sink = Silent()
    with pytest.raises(StreamCut):
        follow(new_transport(), request_to(server.base_url, "stream"), sink)
    assert sink.aborted


def test_a_stall_after_the_first_piece_is_a_timeout(server, new_transport):
    server.script = wire.stall(hello(STOP), -60)
    with pytest.raises(TransientFailure, match=r"no answer within 0\.2 s") as caught:
        follow(new_transport(timeout=0.2), request_to(server.base_url, "stream"), Silent())
    assert type(caught.value) is TransientFailure


def test_a_stall_behind_the_finish_reason_takes_nothing_from_the_answer(server, new_transport):
    server.script = wire.stall(hello(STOP, b": nothing more"), -9)
    request = request_to(server.base_url, "stream")
    answer = follow(new_transport(timeout=0.2), request, Silent())
    check(answer, request)
    assert text(answer) == "Hello"


@pytest.mark.parametrize("way", WAYS)
def test_an_error_in_a_choice_is_an_error(way, server, new_transport):
    error = {"code": 502, "message": "Provider disconnected"}
    choice = {"index": 0, "finish_reason": "error", "error": error}
    if way == "whole":
        choice["message"] = {"role": "assistant", "content": "a"}
        server.script = wire.reply({"object": "chat.completion", "choices": [choice]})
    else:
        server.script = wire.events([chunk("a"), {"choices": [{**choice, "delta": {"content": "b"}}]}])
    with pytest.raises(TransientFailure, match="Provider disconnected"):
        follow(new_transport(), request_to(server.base_url, way), Silent())


@pytest.mark.parametrize("headers", [{"content-type": "application/json"}, {"content-type": "text/plain"}])
def test_an_empty_reply_is_no_answer_that_was_cut(headers, server, new_transport):
    server.script = lambda _: wire.Answer((), headers=headers)
    with pytest.raises(TransientFailure, match="the reply is empty"):
        follow(new_transport(), request_to(server.base_url, "stream"), Silent())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("start", [b": ping\n\n", b"\xef\xbb\xbf", b"\n", b"foo: bar\n\n", b"foo: bar\n"])
@pytest.mark.parametrize("size", [None, 1])
def test_a_stream_begins_with_what_means_nothing(start, size, way, server, new_transport):
    whole = wire.events([start, chunk("Hello"), STOP, DONE])
    server.script = whole if size is None else wire.chopped(whole, size)
    assert text(ask(new_transport(), request_to(server.base_url, way))) == "Hello"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("body", [b"<html>Hello", b"Hello there", b'{"error": "Hello"}', b'["Hello"]'])
def test_what_is_no_stream_whatever_its_content_type(body, way, server, new_transport):
    server.script = wire.events([body])
    with pytest.raises(TransientFailure, match="Hello"):
        ask(new_transport(), request_to(server.base_url, way))


def test_an_error_behind_the_finish_reason_is_an_error(server, new_transport):
    server.script = wire.stall(hello(STOP, {"error": {"message": "Too late"}}, b": nothing more"), -9)
    with pytest.raises(TransientFailure, match="Too late"):
        follow(new_transport(timeout=0.2), request_to(server.base_url, "stream"), Silent())


def test_a_server_that_never_ends_is_left_when_every_choice_is_finished():
    request = request_to("http://127.0.0.1:1/v1", "stream", n=2)
    reply = failures.Reply(request, 200, {"content-type": "text/event-stream"})
    ends = [chunk("a", finish_reason="stop", index=index) for index in range(2)]

    async def pieces() -> AsyncIterator[bytes]:
        for end in ends:
            yield event(end)
        await asyncio.Event().wait()

    async def work() -> list[Chunk]:
        return [piece async for piece in bodies.chunks(reply, pieces(), reply.meta(), 60, patience=0.01)]

    assert asyncio.run(work()) == ends


@pytest.mark.parametrize(
    "early",
    [
        [STOP],
        [chunk("", role="assistant", finish_reason="stop")],
        [chunk("Hel", finish_reason="null")],
        [chunk("Hel", finish_reason="stop"), chunk("lo")],
    ],
    ids=["nothing was said", "a role", "null as a string", "text behind it"],
)
def test_silence_ends_no_answer_that_was_not_both_said_and_finished(early):
    request = request_to("http://127.0.0.1:1/v1", "stream")
    reply = failures.Reply(request, 200, {"content-type": "text/event-stream"})

    async def pieces() -> AsyncIterator[bytes]:
        for each in early:
            yield event(each)
        await asyncio.sleep(0.03)
        yield event(chunk("!", finish_reason="stop"))

    async def work() -> list[Chunk]:
        return [piece async for piece in bodies.chunks(reply, pieces(), reply.meta(), 60, patience=0.01)]

    assert asyncio.run(work()) == [*early, chunk("!", finish_reason="stop")]


def test_comments_keep_a_connection_alive_and_break_no_silence(server, new_transport):
    alive = wire.Answer((0.02, b": still here\n\n") * 200, headers={"content-type": "text/event-stream"})
    server.script = lambda _: alive
    with pytest.raises(TransientFailure, match=r"no answer within 0\.2 s"):
        follow(new_transport(timeout=0.2), request_to(server.base_url, "stream"), Silent())


def test_an_event_that_trickles_in_is_no_silence(server, new_transport):
    server.script = wire.slow(hello(STOP), 0.05, 100)  # an event is 0.1 s, the answer more than 0.5
    request = request_to(server.base_url, "stream")
    assert text(follow(new_transport(timeout=0.5), request, Silent())) == "Hello"


def test_comments_behind_the_finish_reason_do_not_hold_the_answer():
    request = request_to("http://127.0.0.1:1/v1", "stream")
    reply = failures.Reply(request, 200, {"content-type": "text/event-stream"})
    end = chunk("a", finish_reason="stop")

    async def pieces() -> AsyncIterator[bytes]:
        yield event(end)
        while True:
            await asyncio.sleep(0.001)
            yield b": still here\n\n"

    async def work() -> list[Chunk]:
        return [piece async for piece in bodies.chunks(reply, pieces(), reply.meta(), 60, patience=0.01)]

    assert asyncio.run(work()) == [end]


def test_the_time_that_a_reader_takes_is_no_silence():
    request = request_to("http://127.0.0.1:1/v1", "stream")
    reply = failures.Reply(request, 200, {"content-type": "text/event-stream"})

    async def pieces() -> AsyncIterator[bytes]:
        for letter in "abc":
            await asyncio.sleep(0)
            yield event(chunk(letter))

    async def work() -> int:
        seen = 0
        async for _ in bodies.chunks(reply, pieces(), reply.meta(), 0.05):
            await asyncio.sleep(0.1)  # the reader's own pace
            seen += 1
        return seen

    assert asyncio.run(work()) == 3


def test_a_piece_is_seen_before_the_next_is_sent(server, new_transport):
    hold = wire.Hold()
    server.script = ok("Hello", hold=hold, after=1)
    sink = Silent()

    def chunk_seen(piece: Chunk) -> None:
        sink.shown.append(piece)
        if says_something(piece):
            hold.release()

    sink.chunk = chunk_seen
    assert text(follow(new_transport(), request_to(server.base_url, "stream"), sink)) == "Hello"


def test_leaving_a_stream_hangs_up(server, new_transport):
    server.script = wire.stall(hello(STOP), -60)

    async def work() -> None:
        transport = new_transport()
        answer = await transport.ask(request_to(server.base_url, "stream"))
        async for _ in answer:
            break
        await answer.aclose()
        await asyncio.to_thread(server.requests[0].finished.wait, 5)
        await transport.aclose()

    asyncio.run(work())
    assert server.requests[0].gone


# --- What is sent -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("provider", ["openai", "groq", "ollama"])
def test_the_key_and_the_very_body_are_sent(way, provider, server, new_transport):
    request = request_to(
        server.base_url,
        way,
        provider,
        temperature=0.1,
        user="J\xfcrgen \N{GRINNING FACE}",
        top_k=None,
        seed=2**70,
    )
    ask(new_transport(), request)
    (sent,) = server.requests
    assert (sent.method, sent.path) == ("POST", "/v1/chat/completions")
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["content-type"] == "application/json"
    assert sent.json == request.body()
    assert list(sent.json) == list(request.body()), "in the order of the request"
    assert sent.headers["user-agent"].startswith("llmcli/")


@pytest.mark.parametrize("way", WAYS)
def test_without_a_key_there_is_no_authorization(way, server, new_transport):
    ask(new_transport(key=None), request_to(server.base_url, way, "ollama"))
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("way", WAYS)
def test_the_query_of_an_address_stays(way, server, new_transport):
    ask(new_transport(), request_to(server.base_url + "/?api-version=7", way))
    assert server.requests[0].path == "/v1/chat/completions?api-version=7"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_takes_the_key_nowhere(way, code, server, new_transport):
    with wire.Server() as elsewhere:
        server.script = wire.redirect(code, f"{elsewhere.base_url}/chat/completions")
        with pytest.raises(Rejected, match="the address has moved"):
            ask(new_transport(), request_to(server.base_url, way))
        assert elsewhere.requests == []


MAY_HAVE_COST = {
    "dropped": (wire.drop(), True),
    "reset": (wire.reset(), True),
    "half a head": (wire.raw(b"HTTP/1.1 200 OK\r\ncontent-le"), True),
    "no HTTP": (wire.raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), True),
    "no JSON": (wire.reply(b'{"id": "chatcmpl-1", "choi'), True),
    "cut": (wire.cut(wire.framed(ok("Hello"), "length"), 30), True),
    "429": (wire.status(429), False),
    "400": (wire.status(400), False),
}


@pytest.mark.parametrize("name", MAY_HAVE_COST)
def test_what_may_have_cost(name, server, new_transport):
    server.script, may = MAY_HAVE_COST[name]
    with pytest.raises(CallFailed) as caught:
        ask(new_transport(), request_to(server.base_url, "whole"))
    assert caught.value.may_have_cost == may


def test_a_refused_port_has_not_cost(new_transport):
    with pytest.raises(CallFailed) as caught:
        ask(new_transport(), request_to("http://127.0.0.1:9/v1"))
    assert not caught.value.may_have_cost


@pytest.mark.parametrize("key", ["sk-\N{SNOWMAN}", "sk-\xe9", "sk-1\nX-Evil: 1", "sk-1\r\n\r\n", "sk\0"])
@pytest.mark.parametrize("way", WAYS)
def test_a_key_that_no_header_can_hold(way, key, server, new_transport):
    with pytest.raises(AuthFailure) as caught:
        ask(new_transport(key=key), request_to(server.base_url, way))
    assert str(caught.value) == "the key holds characters that no key has (openai/tiny); check it"
    assert server.requests == []


QUOTED = f"Incorrect API key provided: {KEY}. Look it up."
ESCAPED = json.dumps(wire.error(QUOTED, code=KEY)).replace("sk-", "\\u0073k-").encode()
QUOTING = {
    "an error": wire.status(401, wire.error(QUOTED)),
    "an error of text": wire.status(500, QUOTED),
    "a long error": wire.status(500, f"{'x' * 490} {KEY}"),
    "an HTML error": wire.status(502, f"<html><body>{QUOTED}</body></html>"),
    "an error code": wire.status(400, wire.error("Look it up.", code=KEY)),
    "an error that spells it with escapes": wire.status(401, ESCAPED),
    "an HTML error that spells it with entities": wire.status(502, f"<p>{KEY.replace('-', '&#45;')}</p>"),
    "a content type": wire.reply("hello", content_type=f"text/{KEY}"),
    "a name in an error": wire.status(400, {"error": {KEY: KEY, "message": {KEY: [KEY]}}}),
    "a request id": wire.status(400, headers={"x-request-id": KEY}),
    "a 200 error": ok(error={"message": QUOTED}),
    "a 200 error code": ok(error={"message": "Look it up.", "code": KEY}),
    "no Chat Completion": wire.reply(f"<html>{QUOTED}</html>"),
    "an error in the middle": hello({"error": {"message": QUOTED}}),
    "a broken event": hello(event(QUOTED.encode()), STOP),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", QUOTING)
def test_a_server_that_quotes_the_key(name, way, server, new_transport):
    server.script = QUOTING[name]
    with pytest.raises(CallFailed) as caught:
        ask(new_transport(), request_to(server.base_url, way))
    error = caught.value
    told = [str(error), error.code, error.request_id, json.dumps(error.body)]
    assert not [words for words in told if words and KEY[:12] in words]


@pytest.mark.parametrize("key", [KEY, None])
def test_a_name_and_password_in_the_address_are_who_asks(key, server, new_transport):
    ask(new_transport(key=key), request_to(server.base_url.replace("://", "://me:hunter2@")))
    assert server.requests[0].headers["authorization"] == "Basic " + b64encode(b"me:hunter2").decode()


def test_an_address_with_a_password_is_not_quoted(new_transport):
    with pytest.raises(TransientFailure) as caught:
        ask(new_transport(), request_to("http://me:hunter2@nowhere.invalid:81/v1"))
    assert "hunter2" not in str(caught.value)
    assert "http://nowhere.invalid:81/v1" in str(caught.value)


# --- The environment that libraries read --------------------------------------------------------------------

OPENAI_ACCOUNT = {
    "OPENAI_API_KEY": "sk-openai",
    "OPENAI_ADMIN_KEY": "sk-admin",
    "OPENAI_ORG_ID": "org-1",
    "OPENAI_PROJECT_ID": "proj-1",
    "OPENAI_CUSTOM_HEADERS": "X-Mine: custom\nAuthorization: Bearer custom\nuser-agent: custom\ncontent-type: x/y",
}
SECRETS = ("sk-openai", "sk-admin", "org-1", "proj-1", "custom", "x/y")
THROUGH_CLI = ["ask", "--no-stdin", "--retries", "0", "Hi"]


@pytest.mark.parametrize(
    ("model", "key", "authorization"),
    [("groq/tiny", {"GROQ_API_KEY": "gsk-1"}, "Bearer gsk-1"), ("ollama/tiny", {}, None)],
)
def test_nothing_of_openais_account_goes_to_others(model, key, authorization, server, process):
    for flags in ([], ["--no-stream"]):
        done = process(
            *THROUGH_CLI, "-m", model, "--base-url", server.base_url, *flags, env=OPENAI_ACCOUNT | key
        )
        assert (done.code, done.out, done.err) == (0, "Hi\n", "")
    for sent in server.requests:
        assert sent.headers.get("authorization") == authorization
        assert sent.headers["content-type"] == "application/json"
        head = str(dict(sent.headers))
        assert not [secret for secret in SECRETS if secret in head]


def test_openai_itself_gets_them(server, process):
    env = {**OPENAI_ACCOUNT, "OPENAI_CUSTOM_HEADERS": "X-Mine: custom"}
    assert process(*THROUGH_CLI, "-m", "openai/tiny", "--base-url", server.base_url, env=env).code == 0
    headers = server.requests[0].headers
    assert headers["authorization"] == "Bearer sk-openai"
    assert headers["openai-organization"] == "org-1"
    assert headers["openai-project"] == "proj-1"
    assert headers["x-mine"] == "custom"


def test_a_proxy_of_the_environment_is_used(server, process):
    env = {"HTTP_PROXY": server.base_url.removesuffix("/v1"), "OPENAI_API_KEY": KEY}
    done = process(*THROUGH_CLI, "-m", "openai/tiny", "--base-url", "http://model.invalid/v1", env=env)
    assert (done.code, done.out, done.err) == (0, "Hi\n", "")
    assert server.requests[0].path == "http://model.invalid/v1/chat/completions"


def test_a_proxy_needs_no_scheme(server, process, tmp_path):
    proxy = server.base_url.removesuffix("/v1").removeprefix("http://")
    env = {"http_proxy": proxy, "OPENAI_API_KEY": KEY}
    argv = ("-m", "openai/tiny", "--base-url", "http://model.invalid/v1")
    (tmp_path / "rows").write_text('{"prompt": "Hi"}\n')
    assert process(*THROUGH_CLI, *argv, env=env).out == "Hi\n"
    assert process("batch", "-q", str(tmp_path / "rows"), *argv, env=env).code == 0
    assert {request.path for request in server.requests} == {"http://model.invalid/v1/chat/completions"}


@pytest.mark.parametrize("proxy", ["socks9://127.0.0.1:9", "http://[::1", "http://127.0.0.1:99999"])
def test_a_batch_does_not_begin_with_a_proxy_that_cannot_be_used(proxy, process, tmp_path):
    (tmp_path / "rows").write_text('{"prompt": "Hi"}\n')
    argv = ("batch", "-q", str(tmp_path / "rows"), "-m", "tiny", "--base-url", "http://model.invalid/v1")
    done = process(*argv, env={"http_proxy": proxy, "OPENAI_API_KEY": KEY})
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("llmcli: usage: cannot use the proxy: ")


@pytest.mark.parametrize("exception", ["127.0.0.1", "example.com, 127.0.0.0/8", "nonsense/8,127.0.0.1/8"])
def test_no_proxy_is_honoured(exception, server, process, tmp_path):
    (tmp_path / "rows").write_text('{"prompt": "Hi"}\n')
    with wire.Server() as proxy:
        env = {"http_proxy": proxy.base_url, "NO_PROXY": exception, "OPENAI_API_KEY": KEY}
        argv = ("-m", "openai/tiny", "--base-url", server.base_url)
        assert process(*THROUGH_CLI, *argv, env=env).out == "Hi\n"
        assert process("batch", "-q", str(tmp_path / "rows"), *argv, env=env).code == 0
        assert (len(proxy.requests), len(server.requests)) == (0, 2)


@pytest.mark.parametrize("name", ["no/such.pem", "rows", "."])
def test_a_batch_does_not_begin_with_certificates_that_cannot_be_read(name, process, tmp_path):
    (tmp_path / "rows").write_text('{"prompt": "Hi"}\n')
    argv = ("-m", "openai/tiny", "--base-url", "https://127.0.0.1:1/v1")
    env = {"SSL_CERT_FILE": str(tmp_path / name), "OPENAI_API_KEY": KEY}
    asked, done = (process(*command, *argv, env=env) for command in (THROUGH_CLI, ("batch", "-q", "rows")))
    assert done == asked
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("llmcli: usage: cannot read the certificates: ")


@pytest.mark.parametrize(
    ("env", "line"),
    [
        (
            {"SSL_CERT_FILE": "/no/such.pem"},
            "cannot read the certificates: No such file or directory; check SSL_CERT_FILE and SSL_CERT_DIR",
        ),
        (
            {"SSL_CERT_FILE": "/"},
            "cannot read the certificates: Is a directory; check SSL_CERT_FILE and SSL_CERT_DIR",
        ),
        (
            {"HTTPS_PROXY": "http://[::1"},
            "cannot use the proxy: Invalid IPv6 URL; check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY",
        ),
        (
            {"ALL_PROXY": "127.0.0.1:99999"},
            "cannot use the proxy: Port out of range 0-65535; check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY",
        ),
    ],
)
def test_an_environment_that_nothing_can_be_sent_with(env, line, process):
    argv = [*THROUGH_CLI, "-m", "openai/tiny", "--base-url", "https://127.0.0.1:1/v1"]
    done = process(*argv, env={**env, "OPENAI_API_KEY": KEY})
    assert (done.code, done.out, done.err) == (2, "", f"llmcli: usage: {line}\n")


class Whole(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(WHOLE).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def https(folder: Path) -> Iterator[tuple[str, Path]]:
    """A TLS server with a certificate of its own making: (base URL, the certificate)."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HTTPServer(("127.0.0.1", 0), Whole) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{server.server_address[1]}/v1", certificate
        server.shutdown()
        thread.join()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_certificates_of_the_environment_are_trusted_and_no_others(tmp_path, process):
    with https(tmp_path) as (base_url, certificate):
        argv = [*THROUGH_CLI, "-m", "openai/tiny", "--base-url", base_url]
        trusting = process(*argv, env={"SSL_CERT_FILE": str(certificate), "OPENAI_API_KEY": KEY})
        wary = process(*argv, env={"OPENAI_API_KEY": KEY})
        (tmp_path / "rows").write_text('{"prompt": "Hi"}\n')
        batch = ("batch", "-q", "rows", "--retries", "0", *argv[-4:])
        env = {"SSL_CERT_FILE": str(certificate), "OPENAI_API_KEY": KEY}
        assert (process(*batch, env=env).code, process(*batch, env={"OPENAI_API_KEY": KEY}).code) == (0, 7)
    assert (trusting.code, trusting.out, trusting.err) == (0, "Hello\n", "")
    assert (wary.code, wary.out) == (75, "")
    assert "certificate" in wary.err.lower()


# --- Any JSON at all ----------------------------------------------------------------------------------------
WORDS = st.sampled_from(
    re.findall(
        r"\w+",
        """error message code type detail choices index delta finish_reason content refusal tool_calls function
        name arguments id logprobs usage role custom input text insufficient_quota""",
    )
)
LEAVES = (
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats(allow_nan=False) | st.text(max_size=3) | WORDS
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)
INNER = ANYTHING | st.fixed_dictionaries(
    {}, optional={"name": LEAVES, "arguments": ANYTHING, "input": LEAVES}
)
CALL = st.fixed_dictionaries(
    {},
    optional={
        "index": LEAVES,
        "id": LEAVES,
        "type": st.sampled_from(["function", "custom", "x", None]) | ANYTHING,
        "function": INNER,
        "custom": INNER,
        "x": INNER,
    },
)
NESTED = st.integers(200, 1100).map(lambda depth: "[" * depth + "]" * depth)
CALLS = st.lists(CALL, max_size=3) | CALL | ANYTHING
DELTA = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("role", "content", "refusal", "reasoning", "x"), ANYTHING | NESTED),
        "tool_calls": CALLS,
    },
)
CHOICE = st.fixed_dictionaries(
    {},
    optional={"index": LEAVES, "delta": DELTA | LEAVES, "message": DELTA | LEAVES, "finish_reason": ANYTHING}
    | {"logprobs": ANYTHING},
)
USAGE = ANYTHING | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), LEAVES)
)
BODIES = ANYTHING | st.fixed_dictionaries(
    {"choices": st.lists(CHOICE | LEAVES, max_size=3)}, optional={"error": ANYTHING, "usage": USAGE}
)
REPLY = failures.Reply(request_to("http://x/v1"), 200, {})


def sinks() -> list[Sink]:
    out, notes = Stdout(io.BytesIO(), terminal=False), Notes(io.BytesIO(), terminal=False)
    records = [
        RecordSink(out, encode, lambda *_: {"in": 1}, events=True) for encode in (jsonl.line, jsonl.pretty)
    ]
    return [
        TextSink(out, notes, reasoning=True),
        TextSink(out, notes, extract=True),
        ItemSink(out, notes),
        *records,
    ]


def shown(chunks: list[Chunk], completion: Completion) -> None:
    """All that is done with an answer."""
    for sink in sinks():
        for piece in chunks:
            sink.chunk(piece)
        sink.finish(completion)
    for sink in sinks():
        sink.abort(completion.body)
    Repair(None, 1, misfit, print)._wrong(REPLY.request, completion)
    check(completion, REPLY.request)


def judged(act: Callable[[], None]) -> None:
    """An answer, or an error of ours; anything else is a bug."""
    with contextlib.suppress(LlmcliError):
        act()


@given(ANYTHING, st.sampled_from([301, 400, 401, 404, 429, 500]))
def test_any_json_is_an_error_body(body, status):
    error = failures.failure(failures.Reply(REPLY.request, status, {}), json.dumps(body).encode())
    assert isinstance(error, CallFailed)
    assert str(error)


@given(st.binary())
def test_any_bytes_are_an_error_body(body):
    assert str(failures.failure(failures.Reply(REPLY.request, 500, {}), body))


@given(BODIES)
@example({"choices": [{"delta": {"content": "a"}, "message": "b"}]})
@example({"choices": [{"message": {"content": "a"}, "finish_reason": ["stop"]}]})
@example({"choices": [{"message": {"tool_calls": {"id": "a"}}, "delta": {"content": "b"}}]})
@example({"choices": [{"message": {"tool_calls": [{"function": {}, "custom": "a"}]}}]})
@example({"choices": [{"message": {"tool_calls": [{"type": "custom", "function": "a"}]}}]})
@example({"choices": [{"message": {"tool_calls": [{"function": {"arguments": "[" * 999 + "]" * 999}}]}}]})
def test_any_json_is_an_answer_or_an_error(body):
    judged(lambda: shown([], bodies.completion(REPLY, json.dumps(body).encode())))


@given(st.lists(BODIES, max_size=4))
@example([{"choices": [{"delta": {"tool_calls": [{"custom": 5}]}}]}])
@example(
    [
        {"choices": [{"delta": {"tool_calls": [{"x": 5}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"type": "x"}]}}]},
    ]
)
@example([{"choices": [{"delta": {"content": "[" * 999 + "]" * 999}}]}])
def test_any_json_in_a_stream_is_an_answer_or_an_error(said):
    async def pieces() -> Any:
        for body in said:
            yield event(json.dumps(body).encode())

    async def work() -> None:
        folded, meta, seen = Accumulator(), REPLY.meta(), []
        async for piece in bodies.chunks(REPLY, pieces(), meta, 60):
            says_something(piece)
            folded.add(piece)
            seen.append(piece)
        shown(seen, Completion(folded.body(), meta))

    judged(lambda: asyncio.run(work()))


@pytest.mark.parametrize("depth", [100, 190, 260, 400, 980, 1020, 1100, 9000])
@pytest.mark.parametrize(
    "body",
    [
        '{"choices": [{"message": {"content": DEEP}}], "x": DEEP}',
        '{"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": DEEP}}]}}]}',
        '{"choices": [{"finish_reason": "stop", "delta": {"x": DEEP}, "message": {"x": DEEP}}]}',
        '{"error": {"message": DEEP, "x": DEEP}}',
    ],
)
@pytest.mark.parametrize("brackets", ["[]", ('{"a":', "}")])
def test_json_nested_however_deep_is_an_answer_or_an_error(body, depth, brackets):
    nested = brackets[0] * depth + ("[]" if brackets == "[]" else "1") + brackets[1] * depth
    whole = body.replace("DEEP", nested).encode()

    async def pieces() -> Any:
        yield event(whole)

    async def work() -> None:
        folded, meta = Accumulator(), REPLY.meta()
        async for piece in bodies.chunks(REPLY, pieces(), meta, 60):
            folded.add(piece)
        shown([], Completion(folded.body(), meta))

    judged(lambda: shown([], bodies.completion(REPLY, whole)))
    judged(lambda: asyncio.run(work()))
    assert str(failures.failure(replace(REPLY, key=KEY), whole))


@given(st.text())
def test_any_retry_after_is_seconds_or_nothing(value):
    seconds = failures.retry_after({"retry-after": value})
    assert seconds is None or 0 <= seconds < float("inf")
