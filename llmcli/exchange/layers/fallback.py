"""Fallback: the next model, where one cannot answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmcli.errors import (
    CallFailed,
    ContextOverflow,
    DeadlinePassed,
    LlmcliError,
    QuotaExhausted,
    TransientFailure,
    UnfitModel,
    UsageError,
)
from llmcli.transport.answer import Answer
from llmcli.transport.base import Transport
from llmcli.wire import Request

Rebuild = Callable[[Request, str], Request]


class Fallback:
    """Tries the request's own model, then `models` in their order.

    Another model's turn comes when one is out of retries or of credit, does not exist, is not to be asked again
    before the deadline, or cannot hold the prompt. `rebuild(request, model)` gives the same request for another
    model; where that model is known to reject a parameter, it raises UsageError and the model is passed over.
    `notice(name, error)` is told why.
    """

    def __init__(
        self,
        inner: Transport,
        models: Sequence[str],
        rebuild: Rebuild,
        notice: Callable[[str, LlmcliError], None],
    ) -> None:
        self._inner = inner
        self._models = models
        self._rebuild = rebuild
        self._notice = notice

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        try:
            return await self._inner.ask(request)
        except LlmcliError as error:
            if not self._models or not another_may(error):
                raise
            self._notice(request.name, error)
            last: LlmcliError = error
        attempts = _sent(last)
        for model in self._models:
            try:
                answer = await self._inner.ask(self._rebuild(request, model))
            except LlmcliError as error:
                if not isinstance(error, UsageError) and not another_may(error):
                    raise
                self._notice(model, error)
                attempts += _sent(error)
                if isinstance(
                    error, (CallFailed, DeadlinePassed)
                ):  # one that was passed over is not why there is no answer
                    last = error
            else:
                answer.meta.attempts += attempts
                return answer
        raise last

    async def aclose(self) -> None:
        """See Transport."""
        await self._inner.aclose()


def _sent(error: LlmcliError) -> int:
    """The requests that were sent until this error came."""
    sent = error.__cause__ if isinstance(error, DeadlinePassed) else error
    return sent.attempts if isinstance(sent, CallFailed) else 0


def skipped(name: str, error: LlmcliError) -> str:
    """What `-v` says of a model that another takes the place of."""
    return f"{name} cannot answer: {error}"


def another_may(error: LlmcliError) -> bool:
    """Whether another model may answer where this error came."""
    return isinstance(error, (TransientFailure, QuotaExhausted, UnfitModel, ContextOverflow, DeadlinePassed))
