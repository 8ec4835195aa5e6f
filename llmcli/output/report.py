"""What a call was: usage, cost and times, as the `llmcli` key of a record and as a line for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from llmcli.lean.dataclass import dataclass
from llmcli.lean.maker import maker
from llmcli.registry.prices import charged, cost
from llmcli.wire import CHAT, MOST_COUNTED, Completion, Json, usage_count

_OWN_NAMES = {"cached_tokens": "prompt_cache_hit_tokens"}  # deepseek's

PriceOf = Callable[[str, str], Mapping[str, Any] | None]


@dataclass(slots=True)
class Report:
    """A completion and what it cost in $ (None: not known); `priced`: the price at least is known."""

    completion: Completion
    cost: Decimal | None
    priced: bool = False

    @classmethod
    def of(cls, completion: Completion, price_of: PriceOf) -> Report:
        """Price a completion, and the answers before it that were asked on."""
        meta = completion.meta
        if not meta.earlier:
            price = price_of(meta.provider, meta.model)
            return _report(completion, _cost(completion, price), price is not None)
        answers = (*completion.meta.earlier, completion)
        prices = [price_of(answer.meta.provider, answer.meta.model) for answer in answers]
        costs = [_cost(answer, price) for answer, price in zip(answers, prices, strict=True)]
        known = [amount for amount in costs if amount is not None]
        priced = None not in prices
        return cls(completion, sum(known, Decimal(0)) if len(known) == len(costs) else None, priced)

    def envelope(self) -> Json:
        """The `llmcli` key. Times are in milliseconds, the cost in $; null is what is not known."""
        meta = self.completion.meta
        api = None if meta.api == CHAT.name else meta.api
        beside = {"api": api, "recovered": meta.recovered, "choice": meta.choice}
        return {
            "provider": meta.provider,
            "model": meta.model,
            "usage": usage_of(self.completion),
            "cost_usd": None if self.cost is None else float(self.cost),
            "latency_ms": round(meta.latency * 1000, 3),
            "ttft_ms": None if meta.ttft is None else round(meta.ttft * 1000, 3),
            "attempts": attempts_of(self.completion),
            "cached": meta.cached,
            **{name: told for name, told in beside.items() if told is not None},
        }

    def record(self) -> Json:
        """The Chat Completion object as the API sent it, plus the `llmcli` key."""
        return {**self.completion.body, "llmcli": self.envelope()}

    def line(self) -> str:
        """`usage: 12 in (0 cached) + 34 out (0 reasoning) = 46 tokens, $0.000022, 0.82 s, openai/gpt-4o-mini`."""
        meta = self.completion.meta
        other = self.completion.answered_by
        name = meta.name + (f" (answered by {other})" if other else "")
        return f"usage: {self._tokens()}, {self._dollars()}, {meta.latency:.2f} s, {name}"

    def _tokens(self) -> str:
        """The counts; of cached and of reasoning tokens only where the server counted them."""
        usage = usage_of(self.completion)
        if usage is None:
            return "tokens unknown"
        cached = self._counted("prompt_tokens_details", "cached_tokens", "cached")
        reasoning = self._counted("completion_tokens_details", "reasoning_tokens", "reasoning")
        return (
            f"{usage['prompt_tokens']} in{cached} + {usage['completion_tokens']} out{reasoning}"
            f" = {usage['total_tokens']} tokens"
        )

    def _counted(self, details: str, name: str, word: str) -> str:
        """` (3 cached)`, where the server counted them in any of the answers."""
        usages = [answer.usage or {} for answer in (*self.completion.meta.earlier, self.completion)]
        counts = [_detail(usage, details, name) for usage in usages]
        known = [count for count in counts if count is not None]
        return f" ({sum(known)} {word})" if known else ""

    def _dollars(self) -> str:
        """What it cost; where the server counted nothing, a known price does not say it."""
        return "cost unknown" if self.cost is None and self.priced else dollars(self.cost)


_report = maker(Report)


def citations(completion: Completion) -> Iterator[str]:
    """`cited: TITLE, URL` of each page of the web that an answer cites, each once, in their order."""
    messages = (choice.get("message") or {} for choice in completion.choices)
    said = (one for message in messages for one in message.get("annotations") or ())
    pages = {str(page["url"]): page.get("title") for one in said if (page := _cited(one))}
    yield from (f"cited: {f'{title}, ' if title else ''}{url}" for url, title in pages.items())


def _cited(annotation: Any) -> Json | None:
    page = annotation.get("url_citation") if isinstance(annotation, dict) else None
    return page if isinstance(page, dict) and page.get("url") else None


def joined_answers(answers: Sequence[Completion]) -> Completion:
    """The last of some answers, as one that the others were asked on to."""
    last = answers[-1]
    return replace(last, meta=replace(last.meta, earlier=answers[:-1]))


def _cost(completion: Completion, price: Mapping[str, Any] | None) -> Decimal | None:
    """$: a cached answer costs nothing; where no price is known, what the server says that it charged."""
    if completion.meta.cached:
        return Decimal(0)
    if price is None:
        told = completion.body.get("usage")
        return charged(told) if told else None
    usage = completion.usage
    return None if usage is None else cost(price, usage, completion.service_tier)


def dollars(amount: Decimal | None) -> str:
    """`$0.000022`, or `price unknown`; what six decimals would show as nothing has two digits: `$0.00000015`."""
    if amount is None:
        return "price unknown"
    shown = f"{amount:.6f}"
    return f"${shown if float(shown) or not amount else format(Decimal(f'{amount:.1e}').normalize(), 'f')}"


def attempts_of(completion: Completion) -> int:
    """The requests that an answer took, those of repairs and tools included."""
    return sum(answer.meta.attempts for answer in (*completion.meta.earlier, completion))


def trace(completion: Completion, attempts: int) -> str:
    """What `-v` says of an answer: `request req_123, 2 attempts`, and the model where it is another than was asked."""
    meta, other = completion.meta, completion.answered_by
    if meta.cached:
        return "answered from the store"
    by = f", answered by {other}" if other else ""
    return (
        f"request {meta.request_id or 'without an id'}, {attempts} attempt{'' if attempts == 1 else 's'}{by}"
    )


def tokens_of(completion: Completion) -> tuple[int, int] | None:
    """Prompt and completion tokens, as `usage_of` has them; None where no usage is known."""
    usage = completion.body.get("usage")
    if type(usage) is dict and not completion.meta.earlier:
        prompt, answer = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if type(prompt) is int is type(answer) and prompt | answer >= 0 and prompt + answer <= MOST_COUNTED:
            return prompt, answer  # what most have, in few steps
    prompt = answer = 0
    for each in (*completion.meta.earlier, completion):
        if (counted := each.usage) is None:
            return None
        prompt += usage_count(counted, "prompt_tokens") or 0
        answer += usage_count(counted, "completion_tokens") or 0
    return prompt, answer


def usage_of(completion: Completion) -> Json | None:
    """The API's usage object with every count in place: what the server left out is 0, no usage is None.

    Where answers before it were asked on, it is the sum over all.
    """
    usages = [answer.usage for answer in (*completion.meta.earlier, completion)]
    if any(usage is None for usage in usages):
        return None
    return _sum([_whole(usage) for usage in usages if usage is not None])


def _sum(usages: list[Json]) -> Json:
    total = usages[-1]
    for usage in usages[:-1]:
        total = {key: _added(value, usage.get(key)) for key, value in total.items()}
    return total


def _added(value: Any, other: Any) -> Any:
    if isinstance(value, dict) and isinstance(other, dict):
        return {key: _added(part, other.get(key)) for key, part in value.items()}
    return value + other if isinstance(value, int) and isinstance(other, int) else value


def _whole(usage: Json) -> Json:
    prompt, answer = usage_count(usage, "prompt_tokens") or 0, usage_count(usage, "completion_tokens") or 0
    details, more = _details(usage, "prompt_tokens_details"), _details(usage, "completion_tokens_details")
    cached = _detail(usage, "prompt_tokens_details", "cached_tokens") or 0
    return {
        **usage,
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": usage_count(usage, "total_tokens") or prompt + answer,
        "prompt_tokens_details": {**details, "cached_tokens": cached},
        "completion_tokens_details": {**more, "reasoning_tokens": usage_count(more, "reasoning_tokens") or 0},
    }


def _details(usage: Json, name: str) -> Json:
    details = usage.get(name)
    return details if isinstance(details, dict) else {}


def _detail(usage: Json, details: str, name: str) -> int | None:
    """A part of a total, such as the cached tokens, where the server says it: some have a name of their own."""
    count = usage_count(_details(usage, details), name)
    return usage_count(usage, _OWN_NAMES[name]) if count is None and name in _OWN_NAMES else count
