"""Repair: an answer that does not fit is shown to the model, with the reason, and asked for again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar

from llmcli.errors import StreamCut, paid_before
from llmcli.finish import Finish, finish_of, says
from llmcli.transport.accumulate import Accumulator
from llmcli.transport.base import Transport
from llmcli.wire import Chunk, Completion, Json, Request, Stream

Answer = TypeVar("Answer", Completion, Stream)


class Repair:
    """A transport that asks again, up to `attempts` times, before it hands an answer on.

    `misfit(message, request)` says why a message is not what was asked for; `tell` is given a line on each
    repair, and `before` is awaited before each. The answers before the last are in `meta.earlier`. A stream is
    handed on when it is whole.
    """

    def __init__(
        self,
        inner: Transport,
        attempts: int,
        misfit: Callable[[Json, Request], str | None],
        tell: Callable[[str], None],
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._inner = inner
        self._attempts = attempts
        self._misfit = misfit
        self._tell = tell
        self._before = before

    async def send(self, request: Request) -> Completion:
        """See Transport."""

        async def once(request: Request) -> tuple[Completion, Completion]:
            completion = await self._inner.send(request)
            return completion, completion

        return await self._until_it_fits(request, once)

    async def open_stream(self, request: Request) -> Stream:
        """See Transport."""

        async def once(request: Request) -> tuple[Completion, Stream]:
            return await _whole(await self._inner.open_stream(request))

        return await self._until_it_fits(request, once)

    async def aclose(self) -> None:
        """See Transport."""
        await self._inner.aclose()

    async def _until_it_fits(
        self, request: Request, once: Callable[[Request], Awaitable[tuple[Completion, Answer]]]
    ) -> Answer:
        earlier: list[Completion] = []
        while True:
            with paid_before(earlier):
                if earlier and self._before is not None:
                    await self._before()
                completion, answer = await once(request)
            wrong = self._wrong(request, completion)
            if wrong is None or len(earlier) == self._attempts:
                answer.meta.earlier, answer.meta.repairs = earlier, len(earlier)
                return answer
            earlier.append(completion)
            self._tell(f"repair {len(earlier)} of {self._attempts}: {wrong[1]}")
            request = _asked_again(request, *wrong)

    def _wrong(self, request: Request, completion: Completion) -> tuple[Json, str] | None:
        """The first message that does not fit, and why; None where asking again would not help."""
        for choice in completion.choices:
            message = choice.get("message") or {}
            if _is_whole(choice, completion) and not message.get("refusal") and not message.get("tool_calls"):
                misfit = self._misfit(message, request)
                if misfit is not None:
                    return message, misfit
        return None


def _is_whole(choice: Json, completion: Completion) -> bool:
    """Whether an answer ended well and has something in it: no other is mended by being shown what is wrong."""
    finish = finish_of(choice)
    ended = finish is Finish.WHOLE or (finish is Finish.UNSAID and completion.meta.done)
    return ended and not completion.meta.cut and says(choice.get("message") or {})


async def _whole(stream: Stream) -> tuple[Completion, Stream]:
    """A stream read to its end: what it folds into, and the same stream from its beginning."""
    folded, chunks, cut = Accumulator(), list[Chunk](), None
    try:
        async with aclosing(stream.chunks):
            async for chunk in stream:
                folded.add(chunk)
                chunks.append(chunk)
    except StreamCut as error:
        cut = error
        stream.meta.cut = None if error.behind_the_end else error.what

    async def again() -> AsyncGenerator[Chunk, None]:
        for chunk in chunks:
            yield chunk
        if cut is not None:
            raise cut

    return Completion(folded.body(), stream.meta), Stream(again(), stream.meta)


def _asked_again(request: Request, message: Json, reason: str) -> Request:
    answer = {"role": "assistant", "content": message.get("content") or ""}
    wish = f"That answer is not valid: {reason}\nAnswer again. Give only the corrected JSON, nothing else."
    messages = [*request.fields["messages"], answer, {"role": "user", "content": wish}]
    return replace(request, fields={**request.fields, "messages": messages})
