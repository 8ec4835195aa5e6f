"""Server-sent events: the same ones, however they are written and wherever their bytes are cut."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmcli.transport.sse import Event, EventDecoder

TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
LINE = TEXT.map(str.encode)
NAME = st.sampled_from([b"", b"message", b"error", b"thread.run"])
EVENTS = st.lists(st.builds(Event, NAME, st.lists(LINE, min_size=1, max_size=3).map(b"\n".join)), max_size=5)
NOISE = st.sampled_from(
    [b":", b": still here", b"id: 7", b"retry: 10", b"id", b"unknown: data: x", b"nothing"]
)
BOM = b"\xef\xbb\xbf"


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Event], bytes]:
    """Events, and one of the many ways to write them."""
    events = draw(EVENTS)
    written = BOM if draw(st.booleans()) else b""
    for event in events:
        lines = [b"event:" + draw(st.sampled_from([b"", b" "])) + event.name] if event.name else []
        for line in event.data.split(b"\n"):
            space = b" " if line.startswith(b" ") or draw(st.booleans()) else b""
            lines.append(b"data:" + space + line)
        for noise in draw(st.lists(NOISE, max_size=2)):
            lines.insert(draw(st.integers(0, len(lines))), noise)
        for line in [*lines, *[b""] * draw(st.integers(1, 3))]:
            end = draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
            if written.endswith(b"\r") and not line and end == b"\n":
                end = b"\r\n"  # a lone LF here would be the other half of that CR
            written += line + end
    return events, written


def test_looking_for_an_event_under_way_does_not_read_the_line_again():
    def seconds(pieces: int) -> float:
        decoder = EventDecoder()
        began = time.process_time()
        for _ in range(pieces):
            decoder.feed(b"data: " + b"x" * 250)
            assert not decoder.idle
        return time.process_time() - began

    half, whole = (min(seconds(pieces) for _ in range(2)) for pieces in (8_000, 16_000))
    assert whole < 3 * half, "twice the size, four times the work would be the square"


def decoded(*pieces: bytes) -> list[Event]:
    decoder = EventDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.finish()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[left:right] for left, right in itertools.pairwise(edges)]


@given(streams(), st.lists(st.integers(0, 10_000), max_size=20))
def test_any_writing_in_any_pieces_is_the_same_events(stream, places):
    events, written = stream
    assert decoded(written) == events
    assert decoded(*cut(written, places)) == events
    assert decoded(*(bytes([byte]) for byte in written)) == events


@given(
    st.binary(max_size=60)
    | st.lists(st.sampled_from([b"data:", b"\r", b"\n", b"x", b":", b"event:"])).map(b"".join),
    st.lists(st.integers(0, 100), max_size=8),
)
@example(BOM[:2], [1])
@example(b"\r", [])
@example(b"data: x\r", [])
def test_any_bytes_in_any_pieces_are_the_same_events(data, places):
    assert decoded(*cut(data, places)) == decoded(data)


@given(streams())
def test_an_event_is_given_as_soon_as_its_blank_line_is_there(stream):
    events, written = stream
    assert EventDecoder().feed(written) == events


@pytest.mark.parametrize(
    ("written", "data"),
    [  # from https://html.spec.whatwg.org/multipage/server-sent-events.html
        (b"data: This is the first message.\n\n", [b"This is the first message."]),
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [b"YHOO\n+2\n10"]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            [b"first event", b"second event", b" third event"],
        ),
        (b"data\n\ndata\ndata\n\n", [b"", b"\n"]),
        (b"data:test\n\ndata: test\n\n", [b"test", b"test"]),
        (b"event: add\n\nevent: remove\nid: 1\n\n", []),
        (b"\n\n\r\n\r\r", []),
        (b"", []),
    ],
)
def test_the_examples_of_the_specification(written, data):
    assert [event.data for event in decoded(written)] == data


def test_names():
    written = b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\ndata: 113411\n\n"
    assert decoded(written) == [
        Event(b"add", b"73857293"),
        Event(b"remove", b"2153"),
        Event(b"", b"113411"),
    ]


def test_a_name_without_data_is_not_the_next_events_name():
    assert decoded(b"event: ping\n\ndata: x\n\n") == [Event(b"", b"x")]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n", b"\n\n"])
def test_the_last_event_needs_no_blank_line(end):
    assert decoded(b"data: 1\n\ndata: 2" + end) == [Event(b"", b"1"), Event(b"", b"2")]


def test_finishing_twice_gives_nothing_twice():
    decoder = EventDecoder()
    decoder.feed(b"data: 1")
    assert decoder.finish() == [Event(b"", b"1")]
    assert decoder.finish() == []


def test_only_the_first_bytes_are_a_byte_order_mark():
    assert decoded(BOM + b"data: " + BOM + b"\n\n") == [Event(b"", BOM)]
    assert decoded(BOM + BOM + b"data: x\n\n") == []


def test_a_line_is_ended_by_nothing_but_cr_and_lf():
    text = "a\x0b\x0c\x1c\x85\u2028\u2029b".encode()
    assert decoded(b"data: " + text + b"\n\n") == [Event(b"", text)]


def seconds_for(size: int) -> float:
    piece = b"x" * 1024
    decoder = EventDecoder()
    began = time.process_time()
    decoder.feed(b"data: ")
    for _ in range(size // len(piece)):
        decoder.feed(piece)
    assert len(decoder.feed(b"\n\n")[0].data) == size
    return time.process_time() - began


def test_a_long_line_does_not_cost_its_square():
    small, large = (min(seconds_for(size) for _ in range(3)) for size in (2**20, 2**22))
    assert large < 10 * small, "four times the size, sixteen times the work would be the square"
