"""Repair: an answer that does not fit is shown to the model, with the reason, and asked for again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from llmcli.errors import paid_before
from llmcli.finish import Finish, finish_of, says
from llmcli.transport.answer import Answer
from llmcli.transport.base import Transport
from llmcli.wire import Completion, Json, Request


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

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        earlier: list[Completion] = []
        while True:
            with paid_before(earlier):
                if earlier and self._before is not None:
                    await self._before()
                answer = await self._inner.ask(request)
                completion = await answer.whole()
            wrong = self._wrong(request, completion)
            if wrong is None or len(earlier) == self._attempts:
                answer.meta.earlier, answer.meta.repairs = earlier, len(earlier)
                return answer
            earlier.append(completion)
            self._tell(f"repair {len(earlier)} of {self._attempts}: {wrong[1]}")
            request = _asked_again(request, *wrong)

    async def aclose(self) -> None:
        """See Transport."""
        await self._inner.aclose()

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


def _asked_again(request: Request, message: Json, reason: str) -> Request:
    answer = {"role": "assistant", "content": message.get("content") or ""}
    form = "corrected JSON" if request.fields.get("response_format") else "label"
    wish = f"That answer is not valid: {reason}\nAnswer again. Give only the {form}, nothing else."
    messages = [*request.fields["messages"], answer, {"role": "user", "content": wish}]
    return replace(request, fields={**request.fields, "messages": messages})
