"""What is known before sending to be too long for the model, or too dear for the user, is not sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from llmcli import jsonl
from llmcli.errors import CallFailed, ContextOverflow, UsageError
from llmcli.output.report import PriceOf
from llmcli.registry.estimate import longest_answer
from llmcli.registry.models import find_model
from llmcli.registry.prices import cost, is_free, worst_cost
from llmcli.transport.answer import Answer
from llmcli.transport.base import AnswerCame, SendKind, Transport, sender_of
from llmcli.wire import Completion, Request

if TYPE_CHECKING:
    from llmcli.tokens.count import Count

_REASON = 1_000  # tokens: more than a repair says of what is wrong, but for what it quotes of the answer

Settle = Callable[[Decimal], Awaitable[None]]


class Purse(Protocol):
    """Money that calls may cost. `reserve` raises BudgetExceeded; what it gives is settled when the cost is known."""

    async def reserve(self, amount: Decimal, name: str) -> Settle:
        """Set `amount` aside for a call of model `name`; the result takes the true cost."""


class Window:
    """A transport that counts before it sends. `purse` None: money does not matter.

    A call that fails costs nothing; one that is broken off, or that we stop to wait for, is taken to have cost
    all that was set aside.
    """

    def __init__(self, inner: Transport, price_of: PriceOf, purse: Purse | None) -> None:
        self._inner, self._sender = inner, sender_of(inner)
        self._price_of = price_of
        self._purse = purse
        self._kind: object = None  # of requests that were sent last,
        self._send: SendKind | None = None  # what sends them,
        self._fits = 0  # and bytes of a body that are no more than fit

    def ask(self, request: Request) -> Coroutine[Any, Any, Answer]:
        """See Transport."""
        check_window(request)
        return self._inner.ask(request) if self._purse is None else self._paid(request, self._purse)

    def send(self, request: Request, body: bytes, came: AnswerCame) -> bool:
        """See SendUnawaited."""
        if request.kind is not self._kind or len(body) > self._fits or self._send is None:
            check_window(request, len(body))
            self._kind, self._fits = request.kind, len(body)
            self._send = None if self._purse is not None else self._sender(request)
        if self._send is None:
            return False
        self._send(request, body, came)
        return True

    async def aclose(self) -> None:
        """See Transport."""
        await self._inner.aclose()

    async def _paid(self, request: Request, purse: Purse) -> Answer:
        """The answer, for money that is set aside for it first."""
        settle = await purse.reserve(worst(request, self._price_of), request.name)
        try:
            answer = await self._inner.ask(request)
        except CallFailed as error:
            if error.paid:
                await settle(self._cost(request, error.paid[-1]))
            elif not error.may_have_cost:  # surely it had no answer
                await settle(Decimal(0))
            raise
        await answer.then(lambda completion: settle(self._cost(request, completion)))
        return answer

    def _cost(self, request: Request, answer: Completion) -> Decimal:
        price = self._price_of(request.provider, request.model)
        if price is None or answer.usage is None:
            return worst(request, self._price_of)
        return cost(price, answer.usage, answer.service_tier)


def worst(request: Request, price_of: PriceOf, repairs: int = 0) -> Decimal:
    """The most that a call may cost, in $, if it is asked again `repairs` times, answers and reasons in the prompt.

    Raises UsageError where price or length have no known limit.
    """
    body = request.fields
    price = price_of(request.provider, request.model)
    if price is None:
        raise UsageError(
            f"a budget cannot hold: the price of {request.name} is not known",
            todo="give it with --price IN,OUT ($ per million tokens) or [prices] in the config file",
        )
    if is_free(price):
        return Decimal(0)
    longest = longest_answer(request)
    if longest is None:
        raise UsageError(
            f"a budget cannot hold: nothing limits the answer of {request.name}",
            todo="limit it with -M",
        )
    tokens, more = prompt_count(request, body).most, 2 * longest + _REASON
    prompts = (tokens + turn * more for turn in range(repairs + 1))
    answers, tier = longest * request.n, request.service_tier
    return sum((worst_cost(price, prompt, answers, tier) for prompt in prompts), Decimal(0))


def prompt_count(request: Request, body: Mapping[str, Any]) -> Count:
    """The prompt's tokens."""
    from llmcli.tokens.count import counted_request  # here, since most prompts are surely short enough

    return counted_request(request.provider, request.model, body)


def check_window(request: Request, size: int | None = None) -> None:
    """Raise ContextOverflow where the prompt cannot fit the model's window, if that is known.

    A token is at least one byte of text, so only a prompt of more bytes than the window has tokens is counted.
    `size`: bytes of the body, where that is known.
    """
    model = find_model(request.provider, request.model)
    window = model.context_window if model else None
    if window is None:
        return
    size = len(jsonl.dumps(dict(request.fields))) if size is None else size
    if (
        size <= window or _size(request.fields) <= window
    ):  # the one is quick, the other knows what an image is
        return
    tokens = prompt_count(request, request.fields).tokens
    if tokens > window:
        raise ContextOverflow(
            f"the prompt has {tokens} tokens and {request.name} takes {window}",
            todo="shorten it (llmcli count --truncate) or choose another model",
        )


def _size(value: Any) -> int:
    """Bytes that the value's text may be tokens of, and a little for what holds it together."""
    if isinstance(value, str):
        return _length(value)
    if isinstance(value, list):
        return 8 * len(value) + sum(map(_size, value))
    if isinstance(value, dict | Mapping):  # that it is a dict is seen sooner
        return 8 * len(value) + sum(map(_size, value)) + sum(map(_size, value.values()))
    return 8


def _length(text: str) -> int:
    if text.startswith("data:"):
        return 1_000 + len(text) // 1_000
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
