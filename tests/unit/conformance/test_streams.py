"""Server-sent events in every dialect, whole and broken: the same answer or error from every transport."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from llmcli.errors import (
    BrokenOff,
    Incomplete,
    QuotaExhausted,
    StreamCut,
    TransientFailure,
)
from llmcli.exchange.verdict import check
from tests import server as wire
from tests.server import ABSENT, DONE, chunk, event, ok
from tests.unit.conformance.asking import (
    STOP,
    WAYS,
    Fails,
    Row,
    answer_of,
    ask,
    becomes,
    cases,
    hello,
    request_to,
    text,
)

ERROR = {"error": {"message": "It went wrong.", "code": "server_error"}}


OF_CHAT = {  # what Chat Completions alone can get wrong, or forgive
    *("no finish_reason", "null finish_reason", "message for delta"),
    *("no choice in the middle", "odd choices", "odd delta", "odd tool calls"),
}


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
        yield Row(f"SSE: {name}", scenario, "Hello", ("stream",), chat_only=name in OF_CHAT)
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
        yield Row(f"SSE: {name}", scenario, expected, ("stream",), chat_only=name in OF_CHAT)


ROWS = [
    *streams(),
]


@pytest.mark.parametrize(("row", "way"), cases(ROWS))
def test_what_becomes_of_it(row, way, server, new_transport):
    becomes(row, way, server, new_transport)


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
