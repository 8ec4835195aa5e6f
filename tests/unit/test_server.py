"""The test servers themselves: each misbehaviour is what it says, seen with plain sockets."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import pytest

from tests import llama
from tests.server import (
    ABSENT,
    DONE,
    ERROR_BODIES,
    Hold,
    Request,
    Server,
    call,
    chopped,
    chunk,
    closing,
    cut,
    delayed,
    dialect,
    drop,
    dumps,
    echo,
    echo_auth,
    error,
    event,
    events,
    framed,
    gzipped,
    hang,
    held,
    limited,
    ok,
    play,
    quota,
    raw,
    redirect,
    reply,
    reset,
    slow,
    stall,
    status,
    usage,
    wire,
    with_headers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PATIENCE = 10.0
ASK = {"model": "tiny", "messages": [{"role": "user", "content": "Say hi"}]}
STREAM = {**ASK, "stream": True}
USAGE = {**STREAM, "stream_options": {"include_usage": True}}


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


class Reader:
    """A client on a plain socket: `read` gives what came until the end, and whether that was FIN or RST."""

    def __init__(self, server: Server, body: Any = ASK, path: str = "/v1/chat/completions") -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
        data = body if isinstance(body, bytes) else dumps(body)
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n"
        self.socket.sendall(head.encode() + data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def read(self) -> tuple[bytes, str]:
        received = b""
        try:
            while piece := self.socket.recv(65536):
                received += piece
        except ConnectionResetError:
            return received, "RST"
        return received, "FIN"

    def read_until(self, end: bytes) -> bytes:
        received = b""
        while not received.endswith(end):
            piece = self.socket.recv(1)
            assert piece, received
            received += piece
        return received


def exchange(server: Server, body: Any = ASK) -> tuple[bytes, bytes, str]:
    """Head, body and ending as they were on the wire."""
    with Reader(server, body) as reader:
        received, ending = reader.read()
    head, _, rest = received.partition(b"\r\n\r\n")
    return head, rest, ending


def ask(server: Server, body: Any = ASK, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)) as client:
        client.request("POST", "/v1/chat/completions", dumps(body), headers)
        response = client.getresponse()
        return response.status, response.headers, response.read()


def answer(server: Server, body: Any = ASK) -> Any:
    code, headers, data = ask(server, body)
    assert (code, headers["content-type"]) == (200, "application/json")
    return json.loads(data)


def chunks(server: Server, body: Any = STREAM) -> list[Any]:
    """The events of a stream as JSON; [DONE] as it is."""
    code, headers, data = ask(server, body)
    assert (code, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    blocks = [block.removeprefix(b"data: ") for block in data.split(b"\n\n")[:-1]]
    return [block.decode() if block == b"[DONE]" else json.loads(block) for block in blocks]


def deltas(server: Server, body: Any = STREAM) -> list[Any]:
    return [
        item["choices"][0]["delta"] for item in chunks(server, body) if item != "[DONE]" and item["choices"]
    ]


# --- A good answer --------------------------------------------------------------------------------------------


def test_echo_is_a_whole_completion(server):
    assert answer(server) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "tiny",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Say hi", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            },
        ],
        "usage": usage(2, 2),
    }


def test_echo_of_parts_takes_their_text(server):
    parts = [{"type": "text", "text": "one "}, {"type": "image_url"}, {"type": "text", "text": "two"}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": "no"}]
    assert answer(server, {"messages": messages})["choices"][0]["message"]["content"] == "one two"


def test_echo_streams_when_asked(server):
    items = chunks(server)
    assert items[-1] == "[DONE]"
    assert [item["choices"][0]["delta"] for item in items[:-1]] == [
        {"role": "assistant", "content": ""},
        {"content": "Say "},
        {"content": "hi"},
        {},
    ]
    assert [item["choices"][0]["finish_reason"] for item in items[:-1]] == [None, None, None, "stop"]
    assert not any("usage" in item for item in items[:-1])


def test_stream_gives_usage_when_asked(server):
    *others, last, done = chunks(server, USAGE)
    assert (last["choices"], last["usage"], done) == ([], usage(2, 2), "[DONE]")
    assert [item["usage"] for item in others] == [None] * 4


def test_usage_in_the_finish_chunk(server):
    server.script = ok(usage_at="finish")
    finish, done = chunks(server)[-2:]
    assert (finish["choices"][0]["finish_reason"], finish["usage"], done) == ("stop", usage(2, 1), "[DONE]")


def test_usage_never(server):
    server.script = ok(usage=None)
    assert "usage" not in answer(server)
    assert not any("usage" in item for item in chunks(server, USAGE)[:-1])


def test_n_choices_each_with_its_text(server):
    server.script = ok(["one", "two"])
    assert [choice["message"]["content"] for choice in answer(server)["choices"]] == ["one", "two"]
    choices = [item["choices"][0] for item in chunks(server, {**STREAM, "n": 3})[:-1]]
    assert [choice["index"] for choice in choices] == [0, 1, 2] * 3
    assert [choice["delta"].get("content") for choice in choices[3:6]] == ["one", "two", "one"]


@pytest.mark.parametrize(("value", "shown"), [(None, {"finish_reason": None}), (ABSENT, {})])
def test_finish_reason_null_or_missing(server, value, shown):
    server.script = ok(finish_reason=value)
    choice = answer(server)["choices"][0]
    assert {key: choice[key] for key in choice if key == "finish_reason"} == shown
    last = chunks(server)[-2]["choices"][0]
    assert {key: last[key] for key in last if key == "finish_reason"} == shown


@pytest.mark.parametrize(("first", "delta"), [(None, {"content": None}), ("", {"content": ""}), (ABSENT, {})])
def test_first_delta(server, first, delta):
    server.script = ok(first=first)
    assert deltas(server)[0] == {"role": "assistant", **delta}


def test_missing_index(server):
    server.script = ok(index=ABSENT)
    assert "index" not in answer(server)["choices"][0]
    assert not any("index" in item["choices"][0] for item in chunks(server)[:-1])


def test_missing_done(server):
    server.script = ok(done=False)
    assert chunks(server)[-1]["choices"][0]["finish_reason"] == "stop"


def test_tool_calls_whole_and_in_pieces(server):
    add = call("add", {"a": 1, "b": 2})
    server.script = ok(tool_calls=[add, call("now", "not JSON", "call_2")])
    choice = answer(server)["choices"][0]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
    assert choice["message"]["tool_calls"][0] == add
    pieces = [delta["tool_calls"][0] for delta in deltas(server)[1:-1]]
    assert pieces[0] == {"index": 0, **add, "function": {"name": "add", "arguments": ""}}
    arguments = [
        "".join(p["function"]["arguments"] for p in pieces if p["index"] == index) for index in (0, 1)
    ]
    assert arguments == ['{"a":1,"b":2}', "not JSON"]
    assert len(pieces) > 4


def test_refusal_and_reasoning(server):
    server.script = [ok(refusal="No, never"), ok("Hi", reasoning="Hmmmm", reasoning_field="reasoning")]
    message = answer(server)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": None, "refusal": "No, never"}
    assert deltas(server)[1:-1] == [{"reasoning": "Hmmm"}, {"reasoning": "m"}, {"content": "Hi"}]


def test_logprobs_where_asked(server):
    wanted = {**ASK, "logprobs": True, "top_logprobs": 2}
    entries = answer(server, wanted)["choices"][0]["logprobs"]["content"]
    assert [entry["token"] for entry in entries] == ["Say ", "hi"]
    assert [len(entry["top_logprobs"]) for entry in entries] == [2, 2]


def test_extra_keys_headers_and_model(server):
    server.script = ok(extra={"provider": "x"}, model="other", headers={"x-request-id": None, "x-more": "1"})
    assert (answer(server)["provider"], answer(server)["model"]) == ("x", "other")
    headers = ask(server)[1]
    assert (headers["x-more"], headers["x-request-id"]) == ("1", None)


def test_text_that_is_not_ascii_goes_as_utf8(server):
    server.script = ok("Grüße 🙂")
    assert "Grüße 🙂".encode() in ask(server)[2]
    server.script = echo
    half = {"messages": [{"role": "user", "content": "\ud83d"}]}
    assert answer(server, half)["choices"][0]["message"]["content"] == "\ud83d"


# --- Other answers --------------------------------------------------------------------------------------------


def test_models_and_unknown_addresses(server):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)) as client:
        seen = []
        for method, path in (("GET", "/v1/models"), ("GET", "/v1/chat/completions"), ("POST", "/v1/nowhere")):
            client.request(method, path)
            response = client.getresponse()
            seen.append((response.status, next(iter(json.loads(response.read())))))
    assert seen == [(200, "object"), (405, "error"), (404, "error")]


@pytest.mark.parametrize("shape", ERROR_BODIES)
def test_error_bodies_go_as_they_are(server, shape):
    body = ERROR_BODIES[shape]
    server.script = status(500, body)
    code, _, data = ask(server)
    expected = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else dumps(body)
    assert (code, data) == (500, expected)


def test_status_says_its_type_and_headers(server):
    server.script = [status(429, headers={"retry-after": "0"}), status(502, "<html>"), status(599, "odd")]
    code, headers, data = ask(server)
    assert (code, headers["retry-after"], json.loads(data)["error"]["message"]) == (
        429,
        "0",
        "The server says 429.",
    )
    assert ask(server)[1]["content-type"] == "text/html"
    assert ask(server)[:1] == (599,)


@pytest.mark.parametrize("body", [{}, [], {"error": {"message": "no"}}, {"id": "x"}, {"choices": []}])
def test_reply_is_any_json(server, body):
    server.script = reply(body)
    assert answer(server) == body
    assert answer(server, STREAM) == body


def test_error_in_a_200(server):
    server.script = ok(error={"message": "no"}, after=1)
    assert answer(server) == {"error": {"message": "no"}}
    assert chunks(server)[1:] == [chunks(server)[1] | {"id": "chatcmpl-2"}, {"error": {"message": "no"}}]


def test_quota_and_redirect(server):
    server.script = [quota(), redirect(307, "/v1/elsewhere")]
    assert json.loads(ask(server)[2])["error"]["code"] == "insufficient_quota"
    code, headers, _ = ask(server)
    assert (code, headers["location"]) == (307, "/v1/elsewhere")


def test_stream_and_whole_regardless_of_the_request(server):
    server.script = [ok(stream=False), ok(stream=True)]
    assert answer(server, STREAM)["object"] == "chat.completion"
    assert chunks(server, ASK)[-1] == "[DONE]"


# --- Streams of another kind ----------------------------------------------------------------------------------


def test_events_are_sent_to_the_byte(server):
    server.script = events([b": hi\r\n", chunk("Hel"), chunk(finish_reason="stop"), DONE, b"data: torn"])
    _, headers, data = ask(server, ASK)
    assert headers["content-type"] == "text/event-stream"
    assert (
        data == b": hi\r\n" + event(chunk("Hel")) + event(chunk(finish_reason="stop")) + DONE + b"data: torn"
    )
    assert chunk(finish_reason="stop")["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]


def test_an_empty_stream(server):
    server.script = events([])
    assert exchange(server)[1] == b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("options", "bytes_sent"),
    [
        ({}, b'data: {"a":1}\n\ndata: [DONE]\n\n'),
        ({"end": b"\r\n"}, b'data: {"a":1}\r\n\r\ndata: [DONE]\r\n\r\n'),
        ({"end": b"\r"}, b'data: {"a":1}\r\rdata: [DONE]\r\r'),
        ({"comments": True}, b': still here\n\ndata: {"a":1}\n\n: still here\n\ndata: [DONE]\n\n'),
        ({"pings": True}, b'event: ping\n\ndata: {"a":1}\n\nevent: ping\n\ndata: [DONE]\n\n'),
        ({"lines": True}, b'data: {\ndata:  "a": 1\ndata: }\n\ndata: [DONE]\n\n'),
        ({"space": False}, b'data:{"a":1}\n\ndata:[DONE]\n\n'),
        ({"bom": True}, b'\xef\xbb\xbfdata: {"a":1}\n\ndata: [DONE]\n\n'),
        ({"last": b"\n"}, b'data: {"a":1}\n\ndata: [DONE]\n'),
        ({"last": b""}, b'data: {"a":1}\n\ndata: [DONE]'),
    ],
)
def test_dialects(server, options, bytes_sent):
    server.script = dialect(events([{"a": 1}, DONE]), **options)
    assert ask(server)[2] == bytes_sent


def test_a_dialect_leaves_a_whole_answer_alone(server):
    server.script = dialect(ok(), end=b"\r\n", bom=True)
    assert answer(server)["object"] == "chat.completion"


# --- Framing, pieces, breaks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("framing", "header", "body"),
    [
        ("length", b"content-length: 4", b"body"),
        ("chunked", b"transfer-encoding: chunked", b"4\r\nbody\r\n0\r\n\r\n"),
        ("close", b"connection: close", b"body"),
    ],
)
def test_framings(server, framing, header, body):
    server.script = framed(reply("body"), framing)
    head, data, _ = exchange(server)
    assert header in head.split(b"\r\n")
    assert data == body


def test_chopped_pieces_are_chunks(server):
    server.script = [
        chopped(framed(reply("body"), "chunked"), 3),
        chopped(framed(reply("body"), "chunked"), at=[1, 2]),
    ]
    assert exchange(server)[1] == b"3\r\nbod\r\n1\r\ny\r\n0\r\n\r\n"
    assert exchange(server)[1] == b"1\r\nb\r\n1\r\no\r\n2\r\ndy\r\n0\r\n\r\n"


def test_chopped_wire_says_the_same(server):
    server.script = [ok("Grüße"), chopped(wire(ok("Grüße")), 1)]
    plain, pieces = chunks(server), chunks(server)
    assert [item["choices"] for item in pieces[:-1]] == [item["choices"] for item in plain[:-1]]


def test_chopped_parts_are_sent_one_by_one():
    request = Request("POST", "/", {}, b"")
    hold = Hold()
    assert play(chopped(raw(b"ab", b"c"), 2), request).parts == (b"ab", b"c")
    assert play(chopped(raw(b"abc", hold, b"d"), 2), request).parts == (b"ab", b"c", hold, b"d")
    assert play(slow(raw(b"ab"), 1.0, size=1), request).parts == (1.0, b"a", 1.0, b"b")


@pytest.mark.parametrize(("after", "sent"), [(0, b""), (3, b"bod"), (-1, b"bod")])
@pytest.mark.parametrize(("how", "ending"), [("close", "FIN"), ("half", "FIN"), ("reset", "RST")])
def test_cut_keeps_its_promise_of_length(server, after, sent, how, ending):
    server.script = cut(reply("body"), after, how)
    head, *rest = exchange(server)
    assert b"content-length: 4" in head
    assert rest == [sent, ending]


def test_cut_stream_lacks_its_last_chunk(server):
    server.script = cut(events([b"one", b"two"]), 4)
    assert exchange(server)[1:] == (b"3\r\none\r\n1\r\nt\r\n", "FIN")


def test_cut_of_the_wire_cuts_the_head(server):
    server.script = cut(wire(ok()), 12, "reset")
    with Reader(server) as reader:
        assert reader.read() == (b"HTTP/1.1 200", "RST")


def test_half_close_waits_for_the_client(server):
    server.script = cut(ok(), 5, "half")
    with Reader(server) as reader:
        assert reader.read()[1] == "FIN"
        assert not server.requests[0].finished.is_set()
    assert server.requests[0].finished.wait(PATIENCE)


def test_stall_lasts_until_the_client_goes(server):
    server.script = stall(reply("body"), 2)
    with Reader(server) as reader:
        assert reader.read_until(b"\r\n\r\nbo").startswith(b"HTTP/1.1 200 OK\r\n")
        reader.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            reader.socket.recv(1)
    assert server.requests[0].finished.wait(PATIENCE)
    assert server.requests[0].gone


def test_hang_sends_nothing(server):
    server.script = hang()
    with Reader(server) as reader:
        assert server.wait_for(1)
        reader.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            reader.socket.recv(1)


@pytest.mark.parametrize(
    ("scenario", "received"),
    [(drop(), (b"", "FIN")), (reset(), (b"", "RST")), (raw(b"SSH-2.0\r\n"), (b"SSH-2.0\r\n", "FIN"))],
)
def test_no_http_at_all(server, scenario, received):
    server.script = scenario
    with Reader(server) as reader:
        assert reader.read() == received


def test_closing_promises_to_stay(server):
    server.script = closing(ok())
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    with contextlib.closing(client):
        client.request("POST", "/v1/chat/completions", dumps(ASK))
        response = client.getresponse()
        assert response.headers["connection"] is None
        response.read()
        assert client.sock.recv(1) == b""


def test_slow_and_delayed_take_their_time(server):
    server.script = [
        delayed(ok("Hi"), 0.05),
        slow(ok("Hi"), 0.01),
        slow(reply("body"), 0.01, size=1),
        ok(delay=0.05),
    ]
    for least, body in ((0.05, ASK), (0.04, STREAM), (0.04, ASK), (0.05, ASK)):
        start = time.monotonic()
        assert ask(server, body)[0] == 200
        assert time.monotonic() - start >= least


@pytest.mark.parametrize("body", [ASK, STREAM])
def test_gzip(server, body):
    server.script = [ok(), gzipped(ok())]
    plain, (_, headers, packed) = ask(server, body)[2], ask(server, body)
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed).replace(b"chatcmpl-2", b"chatcmpl-1") == plain


def test_broken_gzip(server):
    server.script = gzipped(ok(), broken=True)
    with pytest.raises(zlib.error):
        zlib.decompress(ask(server)[2], wbits=31)


# --- Gates ----------------------------------------------------------------------------------------------------


def test_hold_stops_a_stream_after_some_deltas(server):
    hold = Hold()
    server.script = ok("Hello you", hold=hold, after=1)
    with Reader(server, STREAM) as reader:
        assert hold.reached.wait(PATIENCE)
        assert b'"content":"Hell"' in reader.read_until(b"}\n\n\r\n") + reader.read_until(b"}\n\n\r\n")
        reader.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            reader.socket.recv(1)
        reader.socket.settimeout(PATIENCE)
        hold.release()
        assert b'"content":"o yo"' in reader.read()[0]


@pytest.mark.parametrize("scenario", [lambda hold: ok("Hi", hold=hold), lambda hold: held(status(200), hold)])
def test_hold_before_the_first_byte(server, scenario):
    hold = Hold()
    server.script = scenario(hold)
    with Reader(server) as reader:
        assert hold.reached.wait(PATIENCE)
        reader.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            reader.socket.recv(1)
        reader.socket.settimeout(PATIENCE)
        hold.release()
        assert reader.read()[0].startswith(b"HTTP/1.1 200")
    hold.release()  # again, and for all to come
    assert ask(server)[0] == 200


def test_a_client_that_leaves_at_a_gate_is_gone(server):
    hold = Hold()
    server.script = ok(hold=hold)
    with Reader(server, STREAM):
        assert hold.reached.wait(PATIENCE)
    assert server.requests[0].finished.wait(PATIENCE)
    assert server.requests[0].gone


def test_a_gate_of_a_closed_server_can_be_released():
    hold = Hold()
    with Server() as server:
        server.script = ok(hold=hold)
        with Reader(server) as reader:
            assert hold.reached.wait(PATIENCE)
            server.close()
            assert reader.read()[0] == b""
    hold.release()


# --- Servers that choose --------------------------------------------------------------------------------------


def test_echo_auth(server):
    server.script = echo_auth("sk-right")
    keys = ("Bearer sk-right", "Bearer sk-wrong", "sk-right")
    assert [ask(server, Authorization=key)[0] for key in keys] == [200, 401, 401]
    assert ask(server)[0] == 401


def test_limited(server):
    now = [0.0]
    server.script = limited(2, burst=2, clock=lambda: now[0])
    assert [ask(server)[0] for _ in range(2)] == [200, 200]
    code, headers, _ = ask(server)
    told = {name: value for name, value in headers.items() if name.startswith(("retry", "x-ratelimit"))}
    assert (code, told) == (
        429,
        {
            "retry-after": "0.500",
            "retry-after-ms": "500",
            "x-ratelimit-limit-requests": "120",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "1000ms",
        },
    )
    now[0] = 0.5
    assert [ask(server)[0] for _ in range(2)] == [200, 429]


def test_limited_in_silence(server):
    server.script = limited(1, headers=False, clock=lambda: 0.0)
    assert ask(server)[0] == 200
    code, headers, _ = ask(server)
    assert (code, headers["retry-after"]) == (429, None)


# --- The server -----------------------------------------------------------------------------------------------


def test_script_is_played_in_order_and_the_last_repeats(server):
    server.script = [status(500), with_headers(ok("one"), {"x-a": "1"}), ok("two")]
    assert ask(server)[0] == 500
    assert ask(server)[1]["x-a"] == "1"
    assert [answer(server)["choices"][0]["message"]["content"] for _ in range(2)] == ["two", "two"]


def test_script_may_choose_by_the_request(server):
    server.script = lambda request: status(400) if request.text == "bad" else echo
    bad = {"messages": [{"role": "user", "content": "bad"}]}
    assert (ask(server)[0], ask(server, bad)[0]) == (200, 400)


def test_a_broken_script_fails_the_test():
    def run() -> None:
        with Server() as server:
            server.script = lambda request: request.nonsense
            with Reader(server) as reader:
                assert reader.read() == (b"", "FIN")

    with pytest.raises(AttributeError, match="nonsense"):
        run()


def test_requests_are_recorded(server):
    before = time.monotonic()
    ask(server, ASK, Authorization="Bearer x")
    with Reader(server, b"{no json", "/v1/chat/completions?a=1") as reader:
        reader.read()
    first, second = server.requests
    assert (first.method, first.path, first.json, first.number) == ("POST", "/v1/chat/completions", ASK, 1)
    assert (first.headers["authorization"], first.body) == ("Bearer x", dumps(ASK))
    assert before <= first.time <= second.time
    assert (second.path, second.body, second.json) == ("/v1/chat/completions?a=1", b"{no json", None)
    assert (first.connection, second.connection, server.connections, server.peak) == (1, 2, 2, 1)


def test_connections_are_kept_alive(server):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)) as client:
        for _ in range(3):
            client.request("POST", "/v1/chat/completions", dumps(ASK))
            client.getresponse().read()
    assert [request.connection for request in server.requests] == [1, 1, 1]


def test_requests_may_be_chunked_and_expect_a_100(server):
    head = b"POST /v1/chat/completions HTTP/1.1\r\nconnection: close\r\n"
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
        client.sendall(head + b"transfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n")
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"3;x=y\r\n{} \r\n1\r\n \r\n0\r\nt: 1\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    assert server.requests[0].body == b"{}  "


def test_peak_counts_what_is_in_flight(server):
    hold = Hold()
    server.script = ok(hold=hold)
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(Reader(server)) for _ in range(5)]
        assert server.wait_for(5)
        assert not server.wait_for(6, timeout=0.01)
        hold.release()
        assert all(reader.read()[0] for reader in readers)
    assert server.peak == 5


def test_a_tls_client_is_told_at_once(server):
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
        client.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        assert client.recv(65536).startswith(b"HTTP/1.1 400")


def test_closing_the_server_closes_everything_promptly():
    with contextlib.ExitStack() as stack:
        start = time.monotonic()
        with Server() as server:
            server.script = [hang(), stall(ok(), 5), slow(ok(), 600), ok(hold=Hold())]
            readers = [stack.enter_context(Reader(server, STREAM)) for _ in range(4)]
            readers.append(
                stack.enter_context(contextlib.closing(socket.create_connection(("127.0.0.1", server.port))))
            )
            assert server.wait_for(4)
        assert time.monotonic() - start < PATIENCE
        assert [reader.read()[1] for reader in readers[:4]] == ["FIN"] * 4
    assert "server" not in [thread.name for thread in threading.enumerate()]
    server.close()  # again


def test_a_port_in_use_is_an_error(server):
    with pytest.raises(OSError, match="in use"):
        Server(port=server.port).__enter__()


def test_the_server_runs_as_a_command():
    command = [
        sys.executable,
        "-m",
        "tests.server",
        "--text",
        "Hi",
        "--rps",
        "0.001",
        "--burst",
        "1",
        "--delay",
        "0.001",
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdout
        assert process.stderr
        port = urlsplit(process.stdout.readline().strip()).port
        for expected in (200, 429):
            with contextlib.closing(
                http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            ) as client:
                client.request("POST", "/v1/chat/completions", dumps(ASK))
                assert client.getresponse().status == expected
        process.terminate()
        assert process.stderr.read() == ""


# --- llama.cpp ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not llama.available(), reason="needs the wheel xllamacpp")
def test_llama_answers_who_has_the_key():
    with llama.llama(api_key="sk-test") as base_url:
        url = urlsplit(base_url)
        assert url.path == "/v1"
        answers = []
        for key in ("sk-test", "sk-wrong"):
            with contextlib.closing(http.client.HTTPConnection(url.netloc, timeout=60)) as client:
                headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
                client.request("POST", "/v1/chat/completions", dumps({**ASK, "temperature": 0}), headers)
                response = client.getresponse()
                answers.append((response.status, json.loads(response.read())))
    (code, body), (refused, why) = answers
    assert (code, body["choices"][0]["message"]["content"]) == (200, "Hello! The sky is blue.")
    assert (refused, why["error"]["code"]) == (401, 401)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((url.hostname, url.port), 1)


def test_error_is_of_the_shape_of_openai():
    body = {"message": "m", "type": "invalid_request_error", "param": None, "code": "c"}
    assert error("m", code="c") == {"error": body}
