"""The log of requests: what was asked, answered and refused, as a line at the end and a line a request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal

from llmcli import jsonl
from llmcli.errors import CallFailed, LlmcliError
from llmcli.exchange.exchange import Exchanged
from llmcli.files import append_line
from llmcli.output.report import PriceOf, Report, dollars, joined_answers, usage_of
from llmcli.serving.replies import Problem
from llmcli.wire import Json, Request

_GONE = "gone"  # how a request ended that nobody waits for


class RequestLog:
    """Counts requests. `write` takes the line of each, where a file is kept; `clock` is monotonic, in seconds."""

    def __init__(
        self, path: str | None, price_of: PriceOf, clock: Callable[[], float], say: Callable[[str], None]
    ) -> None:
        self._path, self._price_of, self._clock, self._say = path, price_of, clock, say
        self.requests = self.cached = self.tokens = 0
        self._cost: Decimal | None = Decimal(0)
        self._is_least = False  # the cost: that of a request is not known
        self._ends: Counter[str] = Counter()

    def answered(self, exchanged: Exchanged) -> None:
        """Count an answer, also one that is not what was asked for."""
        if (wrong := exchanged.wrong) is not None:
            self._ends[wrong.exit_code.label] += 1
        self._count(exchanged.report)
        if self._path is not None:
            error = {} if wrong is None else {"error": _told(wrong, 200)}
            self._keep({**exchanged.report.envelope(), **error})

    def failed(self, error: LlmcliError, request: Request | None, started: float, status: int = 200) -> None:
        """Count a request that was not answered; `status` is what the client was told, 200 in a stream."""
        self._ends[error.exit_code.label] += 1
        if error.paid:
            report = Report.of(joined_answers(error.paid), self._price_of)
            self._count(report)
            line = report.envelope()
        else:
            self.requests += 1
            attempts = error.attempts if isinstance(error, CallFailed) else 0
            line = self._line(request, started, attempts)
        self._keep({**line, "error": _told(error, status)})

    def abandoned(self, request: Request | None, started: float) -> None:
        """Count a request for whose answer nobody waits any more: what it cost upstream is not known."""
        self.requests += 1
        self._ends[_GONE] += 1
        price = None if request is None else self._price_of(request.provider, request.model)
        free = request is None or (price is not None and not any(price.values()))
        self._is_least = self._is_least or not free
        line = self._line(request, started, attempts=1, cost=0 if free else None)
        what = "nobody waits for the answer any more: the client went away, or llmcli serve ended"
        self._keep({**line, "error": {"code": _GONE, "status": 499, "message": what}})

    def refused(self, problem: Problem) -> None:
        """Count what was not even looked at."""
        self.requests += 1
        self._ends[f"HTTP {problem.status}"] += 1
        told = {"code": problem.code or "usage", "status": problem.status, "message": problem.message}
        self._keep({**self._line(None, self._clock(), attempts=0), "error": told})

    def _line(self, request: Request | None, started: float, attempts: int, cost: int | None = 0) -> Json:
        """What there is to say of a request that nothing was paid for, as far as one knows."""
        took = round((self._clock() - started) * 1000, 3)
        asked = {"provider": request and request.provider, "model": request and request.model}
        beside = {"usage": None, "cost_usd": cost, "attempts": attempts, "cached": False}
        return {**asked, **beside, "latency_ms": took}

    def summary(self) -> str:
        """`12 requests, 345 tokens, $0.000012, 3 cached; 2 rejected, 1 budget`."""
        plural = "" if self.requests == 1 else "s"
        least = "at least " if self._is_least and self._cost is not None else ""
        cost = least + dollars(self._cost)
        parts = [f"{self.requests} request{plural}", f"{self.tokens} tokens", cost]
        parts += [f"{self.cached} cached"] * bool(self.cached)
        ends = ", ".join(f"{count} {label}" for label, count in self._ends.most_common())
        return ", ".join(parts) + (f"; {ends}" if ends else "")

    def _count(self, report: Report) -> None:
        self.requests += 1
        self.cached += report.completion.meta.cached
        self.tokens += _tokens(report)
        self._cost = None if self._cost is None or report.cost is None else self._cost + report.cost

    def _keep(self, line: Json) -> None:
        if self._path is None:
            return
        try:
            append_line(self._path, jsonl.line(line))
        except LlmcliError as error:
            self._path = None  # it is said once, and clients have their answers
            self._say(f"warning: {error}")


def _tokens(report: Report) -> int:
    """All tokens of an answer and of those before it, as far as they were counted."""
    completion = report.completion
    usage = completion.body.get("usage")
    total = usage.get("total_tokens") if type(usage) is dict else None
    if type(total) is int and not completion.meta.earlier:  # as nearly always
        return total
    return (usage_of(completion) or {}).get("total_tokens") or 0


def _told(error: LlmcliError, status: int) -> Json:
    return {"code": error.exit_code.label, "status": status, "message": str(error)}
