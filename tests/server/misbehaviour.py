"""Misbehaviour: wrappers that bend the bytes, the pace or the end of any scenario."""

from __future__ import annotations

import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from tests.server.exchanged import (
    Answer,
    Ending,
    Framing,
    Hold,
    Part,
    Request,
    Scenario,
    play,
)


def changed(scenario: Scenario, change: Callable[[Answer], Answer]) -> Scenario:
    return lambda request: change(play(scenario, request))


def with_headers(scenario: Scenario, headers: Mapping[str, str | None]) -> Scenario:
    """Further headers; None takes one away."""
    return changed(scenario, lambda answer: replace(answer, headers={**answer.headers, **headers}))


def framed(scenario: Scenario, framing: Framing) -> Scenario:
    """The body with a content-length, chunked, or ended by the connection's close."""
    return changed(scenario, lambda answer: replace(answer, framing=framing))


def wire(scenario: Scenario) -> Scenario:
    """The same bytes, of which the head and the framing are now parts that wrappers can change."""

    def render(request: Request) -> Answer:
        answer = play(scenario, request)
        ending = "close" if (answer.framing, answer.ending) == ("close", "keep") else answer.ending
        return Answer(tuple(answer.steps(request)), framing="wire", ending=ending)

    return render


def held(scenario: Scenario, hold: Hold) -> Scenario:
    """Nothing is sent before hold.release()."""
    return changed(scenario, lambda answer: replace(answer, before=(hold, *answer.before)))


def delayed(scenario: Scenario, seconds: float) -> Scenario:
    return changed(scenario, lambda answer: replace(answer, before=(seconds, *answer.before)))


def chopped(scenario: Scenario, size: int = 1, *, at: Sequence[int] | None = None) -> Scenario:
    """The same body in pieces of `size` bytes, or cut at these places: each flushed, a chunk of its own."""

    def chop(answer: Answer) -> Answer:
        cuts = sorted(at) if at is not None else range(size, answer.size, size)
        return replace(answer, parts=tuple(split_parts(answer.parts, cuts)))

    return changed(scenario, chop)


def split_parts(parts: Sequence[Part], cuts: Sequence[int]) -> Iterator[Part]:
    """The parts, joined where no wait is between them, and cut at these positions of the whole."""
    start = 0
    for is_bytes, group in itertools.groupby(parts, lambda part: isinstance(part, bytes)):
        if not is_bytes:
            yield from group
            continue
        data = b"".join(group)
        edges = [0, *(cut - start for cut in cuts if start < cut < start + len(data)), len(data)]
        yield from (data[left:right] for left, right in itertools.pairwise(edges))
        start += len(data)


def slow(scenario: Scenario, delay: float, size: int | None = None) -> Scenario:
    """A pause before each part (in a stream: each event), or before each `size` bytes."""

    def slacken(answer: Answer) -> Answer:
        return replace(
            answer, parts=tuple(itertools.chain.from_iterable((delay, part) for part in answer.parts))
        )

    return changed(scenario if size is None else chopped(scenario, size), slacken)


def cut(scenario: Scenario, after: int, how: Ending = "close") -> Scenario:
    """The first `after` bytes of the body (if negative: all but so many), then FIN, RST, or "half" a close.

    What was announced stays: a content-length is that of the whole body, a chunked one lacks its last chunk.
    """

    def shorten(answer: Answer) -> Answer:
        parts = tuple(first_bytes(answer.parts, after if after >= 0 else answer.size + after))
        declared = answer.size if answer.declared is None else answer.declared
        return replace(answer, parts=parts, declared=declared, whole=False, ending=how)

    return changed(scenario, shorten)


def first_bytes(parts: Sequence[Part], count: int) -> Iterator[Part]:
    for part in parts:
        if count <= 0:
            return
        if isinstance(part, bytes):
            yield part[:count]
            count -= len(part)
        else:
            yield part


def stall(scenario: Scenario, after: int = 0) -> Scenario:
    """The first `after` bytes of the body, then nothing until the client goes away."""
    return cut(scenario, after, "stall")


def closing(scenario: Scenario) -> Scenario:
    """A whole answer that promises keep-alive, and then the connection is closed."""
    return changed(scenario, lambda answer: replace(answer, ending="close"))


def raw(*parts: Part, ending: Ending = "close") -> Scenario:
    """These bytes and nothing else, HTTP or not."""
    return lambda _: Answer(parts, framing="wire", ending=ending)


def hang() -> Scenario:
    """Never a byte."""
    return raw(ending="stall")


def drop() -> Scenario:
    """FIN without a byte."""
    return raw()


def reset() -> Scenario:
    """RST without a byte."""
    return raw(ending="reset")


def gzipped(scenario: Scenario, *, broken: bool = False) -> Scenario:
    """The body compressed, each part flushed; broken: its first bytes are no gzip."""

    def compress(answer: Answer) -> Answer:
        squeeze = zlib.compressobj(wbits=31)
        parts = [
            squeeze.compress(part) + squeeze.flush(zlib.Z_SYNC_FLUSH) if isinstance(part, bytes) else part
            for part in answer.parts
        ]
        parts.append(squeeze.flush())
        if broken:
            parts.insert(0, b"no gzip at all")
        return replace(answer, parts=tuple(parts), headers={**answer.headers, "content-encoding": "gzip"})

    return changed(scenario, compress)


def dialect(
    scenario: Scenario,
    *,
    end: bytes = b"\n",
    comments: bool = False,
    pings: bool = False,
    lines: bool = False,
    space: bool = True,
    bom: bool = False,
    last: bytes = b"\n\n",
) -> Scenario:
    r"""Another way to write the same SSE events; an answer that is no stream stays as it is.

    `end` is the line end (b"\r\n", b"\r"); `comments` and `pings` (an `event:` line without data) stand
    before each event; `lines` spreads the JSON over several data lines; `last` ends the last event, say b"".
    """

    def speak(block: bytes) -> bytes:
        if lines and block.startswith(b"data: {"):
            value = json.dumps(json.loads(block[6:]), ensure_ascii=False, indent=1)
            block = b"".join(b"data: %b\n" % line.encode() for line in value.split("\n")) + b"\n"
        block = block if space else re.sub(rb"(?m)^data: ", b"data:", block)
        return b": still here\n\n" * comments + b"event: ping\n\n" * pings + block

    def translate(answer: Answer) -> Answer:
        if not answer.is_stream or not answer.size:
            return answer
        parts = [speak(part) if isinstance(part, bytes) else part for part in answer.parts]
        if isinstance(parts[-1], bytes):
            parts[-1] = parts[-1].removesuffix(b"\n\n") + last
        parts = [b"\xef\xbb\xbf"] * bom + [
            part.replace(b"\n", end) if isinstance(part, bytes) else part for part in parts
        ]
        return replace(answer, parts=tuple(parts))

    return changed(scenario, translate)
