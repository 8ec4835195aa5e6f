"""Try again, where that can help: the retry policy, on tenacity's loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from llmcli.errors import (
    BudgetExceeded,
    CallFailed,
    DeadlinePassed,
    LlmcliError,
    NotRunning,
    TransientFailure,
    WrongWay,
)
from llmcli.finish import Finish, finish_of
from llmcli.lean.dataclass import dataclass
from llmcli.transport.answer import Answer
from llmcli.transport.base import Transport
from llmcli.wire import Meta, Request

T = TypeVar("T")

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState

_BASE = 0.5  # seconds: a retry waits up to this, doubled with each failure,
_CAP = 60.0  # but no longer than this


def backoff(attempt: int, uniform: Callable[[float, float], float]) -> float:
    """Seconds to wait after the failed `attempt` (1-based): exponential, with full jitter."""
    return uniform(0.0, min(_CAP, _BASE * 2.0 ** min(attempt - 1, 99)))


def failed_attempt(attempt: int, wait: float, error: CallFailed) -> str:
    """What `-v` says before each wait."""
    return f"attempt {attempt} failed: {error}; next in {wait:.1f} s"


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and how long. `retries` beyond the first attempt; `deadline` on `clock`, in seconds.

    `notice(attempt, wait, error)` is told of each wait before it begins. `insists`: the user said how often, so
    that a server of this machine is waited for, too.
    """

    retries: int
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    uniform: Callable[[float, float], float]
    deadline: float | None = None
    insists: bool = True
    notice: Callable[[int, float, CallFailed], None] = lambda _attempt, _wait, _error: None

    def wait(self, attempt: int, error: CallFailed) -> float:
        """Seconds to wait after the failed `attempt` (1-based): what the server asks for, else full jitter."""
        if error.retry_after is not None:
            return error.retry_after
        return backoff(attempt, self.uniform)

    def is_retryable(self, error: BaseException) -> bool:
        """Whether trying again may help, and is not put off for longer than anybody would wait."""
        if isinstance(error, WrongWay) or (isinstance(error, NotRunning) and not self.insists):
            return False
        return isinstance(error, TransientFailure) and (self.deadline is not None or not error.asks_too_long)

    def check_deadline(self, wait: float, error: CallFailed) -> None:
        """Raise DeadlinePassed where the wait would end after the deadline: waiting could not help."""
        if self.deadline is not None and self.clock() + wait >= self.deadline:
            raise DeadlinePassed(
                f"the next attempt, in {wait:.1f} s, would be past --deadline; the last one failed: {error.what}",
                error.where,
                "raise --deadline",
            ) from error


class _Attempts:
    """The attempts at one request. `number` is that of the attempt which was begun last, from 1."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._last: CallFailed | None = None
        self.number = 0

    def begin(self) -> AsyncRetrying:
        """Tenacity's loop, which waits between attempts as the policy says."""
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        return AsyncRetrying(
            stop=stop_after_attempt(self._policy.retries + 1),
            wait=lambda state: self._policy.wait(state.attempt_number, _failure(state)),
            retry=retry_if_exception(self._policy.is_retryable),
            sleep=self._policy.sleep,
            before_sleep=self._before_sleep,
            reraise=True,
        )

    def _before_sleep(self, state: RetryCallState) -> None:
        self._last = error = _failure(state)
        error.attempts = state.attempt_number
        wait = state.next_action.sleep if state.next_action else 0.0
        self._policy.check_deadline(wait, error)
        self._policy.notice(state.attempt_number, wait, error)

    def count(self, error: CallFailed) -> None:
        """Have the error that the last attempt ended in say how many there were."""
        error.attempts = self.number
        if self.number > 1:
            error.what += f", after {self.number} attempts"

    def unpaid(self, error: BudgetExceeded) -> LlmcliError:
        """The failure before, where there was one: for another attempt there was no money."""
        if self._last is None:
            return error
        self._last.attempts = self.number - 1
        self._last.todo = f"for another attempt there is no money: {error.what}"
        return self._last


def _failure(state: RetryCallState) -> CallFailed:
    """What an attempt failed with; the policy tries again after nothing else."""
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, CallFailed)  # noqa: S101 - see Policy.is_retryable
    return error


async def tried(policy: Policy, work: Callable[[int], Awaitable[T]]) -> T:
    """What a piece of work gives, which is begun again after a TransientFailure; it is told the attempt, from 1."""
    attempts = _Attempts(policy)
    try:
        async for attempt in attempts.begin():
            with attempt:
                attempts.number = attempt.retry_state.attempt_number
                found = await work(attempts.number)
    except BudgetExceeded as error:
        raise attempts.unpaid(error) from None
    except CallFailed as error:
        attempts.count(error)
        raise
    return found


class Retry:
    """A transport that tries again after a TransientFailure, and after nothing else.

    A stream is tried again until the first piece of its answer has come; from then on it is the user's.
    `reasoning`: reasoning is such a piece, since it is shown.
    """

    def __init__(self, inner: Transport, policy: Policy, *, reasoning: bool = False) -> None:
        self._inner = inner
        self._policy = policy
        self._reasoning = reasoning

    async def ask(self, request: Request) -> Answer:
        """See Transport."""

        async def begun(attempt: int) -> Answer:
            answer = await self._begun(request)
            answer.meta.attempts = attempt
            return answer

        return await tried(self._policy, begun)

    async def aclose(self) -> None:
        """See Transport."""
        await self._inner.aclose()

    async def _begun(self, request: Request) -> Answer:
        """The answer, read up to the first chunk that says something."""
        answer = await self._inner.ask(request)
        if not await answer.begun(reasoning=self._reasoning):
            completion = await answer.whole()
            if all(finish_of(choice) is Finish.UNSAID for choice in completion.choices):
                raise no_answer(answer.meta)
        return answer


def no_answer(meta: Meta) -> TransientFailure:
    """The error for a stream that ended in good order, and had neither an answer nor a finish_reason in it."""
    error = TransientFailure("the stream ended with no answer in it", meta.where, "try again")
    error.may_have_cost = True
    return error
