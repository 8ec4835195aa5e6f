"""The exchange: one request to an answer that is shown, priced and judged. Every answer of every command is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from llmcli.errors import LlmcliError, StreamCut, paid_first
from llmcli.exchange.chosen import choice_in
from llmcli.exchange.judged import is_judged, recovered
from llmcli.exchange.verdict import verdict
from llmcli.finish import says_something
from llmcli.lean.dataclass import dataclass
from llmcli.lean.maker import maker
from llmcli.output.report import PriceOf, Report
from llmcli.output.sink import SILENT, Sink
from llmcli.transport.answer import Answer
from llmcli.transport.base import Transport
from llmcli.wire import Completion, Message, Request


class Follower(Protocol):
    """Looks at an answer and may have more to ask: tools that run."""

    async def follow(self, request: Request, completion: Completion) -> Request | None:
        """The request to send next; None where the answer stands."""


@dataclass(frozen=True, slots=True)
class Way:
    """How requests are sent and priced. `clock` is monotonic, in seconds."""

    transport: Transport
    clock: Callable[[], float]
    price_of: PriceOf


@dataclass(slots=True)
class Exchanged:
    """An answer. `earlier` are the completions that were needed before it, `said` the calls and results among them.

    `report` is what all of them took, `wrong` what is wrong with the answer, if anything is.
    """

    completion: Completion
    said: Sequence[Message]
    report: Report
    wrong: LlmcliError | None

    @property
    def earlier(self) -> Sequence[Completion]:
        """The completions that were needed before this one."""
        return self.completion.meta.earlier


_exchanged, _report_of = maker(Exchanged), Report.of  # found once, not for each row


async def exchange(
    request: Request,
    way: Way,
    sink: Sink = SILENT,
    followers: Sequence[Follower] = (),
    before: Sequence[Completion] = (),
) -> Exchanged:
    """Send a request, show its answer, judge it.

    Where a follower asks on, only the last answer is finished. `before` are completions that were needed for the
    request itself. Raises the CallFailed family, with the answers that came before.
    """
    started = way.clock()
    asked = request
    paid: list[Completion] = []
    said: list[Message] = []
    answer: Answer | None = None  # that is under way
    try:
        while True:
            answer = await way.transport.ask(request)
            if request.stream:
                await _show(answer, sink, way.clock)
            completion, answer = answer.there or await answer.whole(), None
            paid += [*completion.meta.earlier, completion]
            following = await _following(followers, request, completion) if followers else None
            if following is None:
                break
            said += following.fields["messages"][len(request.fields["messages"]) :]
            request = following
    except BaseException as error:
        paid_first(error, paid)
        sink.abort(answer.so_far() if answer else {"choices": []})
        raise
    completion.meta.earlier = [*before, *paid[:-1]]
    exchanged = concluded(completion, request, way, started)
    sink.finish(completion)
    return exchanged if request is asked else replace(exchanged, said=said, wrong=verdict(completion, asked))


def concluded(completion: Completion, request: Request, way: Way, started: float) -> Exchanged:
    """The exchange that a completion ends, whose request was sent at `started`, on the way's clock."""
    meta = completion.meta
    if not request.kind.takes_text and is_judged(request):
        meta.recovered, meta.choice = recovered(completion, request), choice_in(completion, request)
    clock = way.clock
    meta.latency = clock() - started
    if meta.ttft is not None:
        meta.ttft -= started
    return _exchanged(completion, (), _report_of(completion, way.price_of), verdict(completion, request))


async def _following(
    followers: Sequence[Follower], request: Request, completion: Completion
) -> Request | None:
    for follower in followers:
        if (following := await follower.follow(request, completion)) is not None:
            return following
    return None


async def _show(answer: Answer, sink: Sink, clock: Callable[[], float]) -> None:
    """Show an answer as it comes; one that breaks off is an answer, unless nothing of it came."""
    meta = answer.meta
    is_live = sink.events or not meta.cached  # else in one piece: lines of several processes stay whole

    async def end(_completion: Completion) -> None:
        sink.end()

    if is_live:
        answer.first(end)  # those who wait for the store print when it has the answer
    try:
        async with aclosing(answer):
            async for chunk in answer:
                if meta.ttft is None and says_something(chunk):
                    meta.ttft = clock()
                if is_live:
                    sink.chunk(chunk)
    except StreamCut:
        if meta.ttft is None:
            raise
