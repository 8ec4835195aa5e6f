"""The path: run(request, transport, sink) -> Completion. Every answer of every command comes this way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Protocol

from llmcli.errors import StreamCut, paid_before
from llmcli.exchange.judged import recovered
from llmcli.output.sink import Sink
from llmcli.transport.accumulate import Accumulator
from llmcli.transport.base import Transport
from llmcli.transport.retry import says_something
from llmcli.wire import Completion, Request


class Follower(Protocol):
    """Looks at an answer and may have more to ask: tools that run."""

    async def follow(self, request: Request, completion: Completion) -> Request | None:
        """The request to send next; None where the answer stands."""


async def run(
    request: Request,
    transport: Transport,
    sink: Sink,
    clock: Callable[[], float],
    followers: Sequence[Follower] = (),
) -> Completion:
    """Send a request, show its answer, return it. Whether the answer is usable is for the verdict to say.

    Where a follower asks on, the answers before the last are in `meta.earlier`; only the last is finished.
    `clock` is monotonic, in seconds. Raises the CallFailed family, with the answers that came before.
    """
    started = clock()
    paid: list[Completion] = []
    folded = Accumulator()
    try:
        with paid_before(paid):
            while True:
                completion = await _once(request, transport, sink, clock, folded)
                folded = Accumulator()
                paid += [*completion.meta.earlier, completion]
                following = await _following(followers, request, completion)
                if following is None:
                    break
                request = following
    except BaseException:
        sink.abort(folded.body())
        raise
    meta = completion.meta
    meta.earlier = paid[:-1]
    meta.recovered = recovered(completion, request)
    meta.latency = clock() - started
    meta.ttft = None if meta.ttft is None else meta.ttft - started
    sink.finish(completion)
    return completion


async def _following(
    followers: Sequence[Follower], request: Request, completion: Completion
) -> Request | None:
    for follower in followers:
        if (following := await follower.follow(request, completion)) is not None:
            return following
    return None


async def _once(
    request: Request, transport: Transport, sink: Sink, clock: Callable[[], float], folded: Accumulator
) -> Completion:
    if not request.stream:
        return await transport.send(request)
    stream = await transport.open_stream(request)
    meta = stream.meta
    is_live = (
        sink.events or not meta.cached
    )  # else it is shown in one piece: lines of several processes stay whole
    try:
        async with aclosing(stream.chunks) as chunks:
            async for chunk in chunks:
                if meta.ttft is None and says_something(chunk):
                    meta.ttft = clock()
                folded.add(chunk)
                if is_live:
                    sink.chunk(chunk)
    except StreamCut as error:
        if meta.ttft is None:
            raise
        meta.cut = None if error.behind_the_end else error.what
    return Completion(folded.body(), meta)
