"""Health: whether the servers of a run are well, which rows wait for one that is not, and for how long.

A server is one address with one provider's key. While nothing gets through to it, its rows wait here: one of them
is tried now and then, and the first that gets through lets all the others go on.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import field
from enum import Enum, auto

from llmcli.batch.engine.run import Job, Plan
from llmcli.batch.engine.stats import Stats
from llmcli.batch.pacing.pace import Pace
from llmcli.errors import CallFailed, LlmcliError, Rejected, Told, TransientFailure
from llmcli.lean.dataclass import dataclass

LONGEST_HOLD = 60.0  # seconds for which a server's word is taken that nothing is to be sent
_EVIDENCE = (
    4  # failures, of as many rows where others are under way, after which nothing seems to get through
)
_FIRST_GAP = 0.5  # seconds until a row is tried then,
_GROWTH = 1.5  # times that for each further one,
_LONGEST_GAP = 5.0  # and never more
_WORTH_A_WORD = 3.0  # seconds without anything getting through that a person is told of
_DENIALS = 20  # failures in a row of a key or an account that end a run


class Trouble(Enum):
    """What a failure says of the server."""

    BUSY = auto()  # it is there, and takes no more now
    SILENT = auto()  # nobody behind the gateway, or no answer in time; it may be the row's own fault
    GONE = auto()  # no connection could be made, which is no row's fault
    BROKEN = auto()  # the connection broke: the answer may have been paid for, so that it is an attempt


_BY_STATUS = {
    **dict.fromkeys((429, 503, 529), Trouble.BUSY),
    **dict.fromkeys((502, 504, *range(520, 525)), Trouble.SILENT),  # 520 to 524: Cloudflare's
}


def trouble_of(error: LlmcliError) -> Trouble | None:
    """What an error says of the server; None where it is of the row alone."""
    if not isinstance(error, TransientFailure):
        return None
    if error.meant is not None:
        return _BY_STATUS.get(error.meant)
    if error.no_connection:
        return Trouble.GONE
    if error.no_answer_in_time:
        return Trouble.SILENT
    return Trouble.BROKEN if error.connection_broke else None


@dataclass(slots=True)
class Server:
    """What is known of a server. Times are in seconds on the engine's clock."""

    name: str  # for people
    answered: bool = False  # in this run, whatever it said
    passed: int = 0  # replies that show it well
    answers: int = 0
    denied: int = 0  # failures of its key or account since the last answer
    under_way: int = 0
    failures: int = 0  # since anything got through
    rows: set[int] = field(default_factory=set)  # that they were of, up to _EVIDENCE
    since: float | None = None  # time of the first of them
    last: CallFailed | None = None
    down: float | None = None  # since when only one row is tried now and then
    fell: float = -math.inf  # when that began last
    gap: float = _FIRST_GAP
    next_try: float = 0.0
    tried: Job | None = None
    begun: deque[Job] = field(default_factory=deque)  # rows that wait, and were sent before
    fresh: deque[Job] = field(default_factory=deque)  # rows that wait, and were never sent
    told: bool = False  # a person knows of it

    def seems_down(self) -> bool:
        """Whether nothing gets through: many rows say so, or one does while no other is under way."""
        return self.failures >= _EVIDENCE and (len(self.rows) >= _EVIDENCE or not self.under_way)

    def candidate(self) -> Job | None:
        """The row to try next: those begun take turns; a few new ones where they are too few to tell."""
        if self.fresh and len(self.begun) < _EVIDENCE:
            return self.fresh.popleft()
        return (self.begun or self.fresh).popleft() if self.begun or self.fresh else None


class Health:
    """Watches the servers."""

    def __init__(self, plan: Plan, pace: Pace, stats: Stats) -> None:
        self._plan = plan
        self._pace = pace
        self._stats = stats
        self.released: list[
            Job
        ] = []  # rows that waited here, and may go on: whoever sends them takes them out
        self._servers: dict[tuple[str, str], Server] = {}
        self._last_kind: object = None  # of the requests that were looked at last, and their server
        self._last_server = Server("")
        self.ill: list[Server] = []  # those that something failed at since anything got through

    # --- What happens to requests ---------------------------------------------------------------------------------

    def server_of(self, job: Job) -> Server:
        """The server that a job is for."""
        request = job.request
        if request.kind is self._last_kind:
            return self._last_server
        place = request.base_url, request.provider
        server = self._servers.get(place)
        if server is None:
            server = self._servers[place] = Server(request.place)
        self._last_kind, self._last_server = request.kind, server
        return server

    def begins(self, job: Job) -> None:
        """A job's request goes out."""
        server = self.server_of(job)
        server.under_way += 1
        job.passed = server.passed

    def takes_back(self, job: Job) -> None:
        """Nothing was sent, or nothing was heard that says anything."""
        server = self.server_of(job)
        server.under_way -= 1
        self._no_longer_tried(server, job)

    def answered(self, job: Job, *, cached: bool) -> None:
        """An answer came; from the cache it says nothing of the server."""
        if cached:
            return self.takes_back(job)
        server = self.server_of(job)
        server.under_way -= 1
        server.answers += 1
        server.denied = 0
        if server.since is not None:
            return self._passes(server, job)
        server.answered = True
        server.passed += 1
        return None

    def failed(self, job: Job, error: LlmcliError, now: float) -> Trouble | None:
        """Take in that no answer came, for what it says of the server."""
        server, trouble = self.server_of(job), trouble_of(error)
        server.under_way -= 1
        if isinstance(error, CallFailed) and (error.status is not None or error.paid):
            server.answered = True
        if isinstance(error, Rejected):
            self._passes(server, job)
        elif trouble is not None and isinstance(error, CallFailed) and self.waits_for(job):
            self._ails(server, job, error, now)
        self._no_longer_tried(server, job)
        return trouble

    def denied(self, job: Job) -> tuple[bool, bool]:
        """A key or an account was refused: whether that is enough to stop the run, and whether it was all so far."""
        server = self.server_of(job)
        server.denied += 1
        return not server.answers or server.denied >= _DENIALS, not server.answers

    def _passes(self, server: Server, job: Job) -> None:
        server.answered = True
        server.passed += 1
        if server.since is None:
            return
        self.ill.remove(server)
        if server.down is not None:
            if job.sent_at >= server.down:
                self._pace.crowd.reopen()
            if server.told:
                self._plan.tell(f"{server.name} answers again")
        self.released += [*server.begun, *server.fresh]
        server.since = server.down = server.tried = None
        server.failures, server.gap, server.told = 0, _FIRST_GAP, False
        server.rows.clear()
        server.begun.clear()
        server.fresh.clear()
        self._stats.waiting = None

    def _ails(self, server: Server, job: Job, error: CallFailed, now: float) -> None:
        if server.since is None:
            server.since = now
            self.ill.append(server)
        server.failures += 1
        server.last = error
        if len(server.rows) < _EVIDENCE:
            server.rows.add(job.row.slot)
        if server.down is None:
            if not (server.seems_down() or _asks_for_long(error)):
                return
            server.down = server.fell = now
            server.next_try = now + server.gap
        elif server.tried is job:
            server.gap = min(_LONGEST_GAP, _GROWTH * server.gap)
            server.next_try = now + server.gap
        server.next_try = max(server.next_try, now + min(error.retry_after or 0.0, LONGEST_HOLD))
        self._tell(server, now)

    def _no_longer_tried(self, server: Server, job: Job) -> None:
        if server.tried is job:
            server.tried = None

    def _tell(self, server: Server, now: float) -> None:
        """Have a person know what is waited for, where that takes its time."""
        since, until = server.since or now, (server.since or now) + self._plan.patience
        if server.next_try - since < _WORTH_A_WORD or server.last is None:
            return
        times = f"since {self._plan.time(since - now)}, until {self._plan.time(until - now)}"
        self._stats.waiting = times
        if not server.told:
            server.told = True
            self._plan.tell(
                f"nothing gets through to {server.name}: {server.last.what}; waiting for it {times} (--patience)"
            )

    # --- What may be sent -----------------------------------------------------------------------------------------

    def waits_for(self, job: Job) -> bool:
        """Whether a job's server is waited for: not one that never answered, nor where another model is left."""
        is_last = self._plan.patience > 0 and job.models == len(self._plan.fallback)
        return is_last and self.server_of(job).answered

    def holds(self, job: Job) -> bool:
        """Whether a job is to wait for its server; it is kept until it may go on."""
        if not self.ill or not self.waits_for(job):
            return False
        server = self.server_of(job)
        if server.down is None or server.tried is job:
            return False
        (server.begun if job.sent else server.fresh).append(job)
        job.doubt = None  # what fails now is the server's
        return True

    def due(self, now: float) -> Job | None:
        """A row that is to be tried now, at a server that nothing gets through to."""
        for server in self.ill:
            if server.down is not None and server.tried is None and server.next_try <= now:
                server.tried = server.candidate()
                if server.tried is not None:
                    return server.tried
        return None

    @property
    def waiting(self) -> int:
        """The rows that wait here."""
        return sum(len(server.begun) + len(server.fresh) for server in self.ill)

    def next_try(self) -> float:
        """The time of the next try; infinity where there is none to come."""
        times = [
            server.next_try
            for server in self.ill
            if server.down is not None and server.tried is None and (server.begun or server.fresh)
        ]
        return min(times, default=float("inf"))

    def passed_since(self, job: Job) -> int:
        """How many got through to a job's server since the job was sent."""
        return self.server_of(job).passed - job.passed

    def counts(self, job: Job, error: CallFailed) -> bool:
        """Whether a failure is to be counted against a row: something got through since it was sent.

        Not where it began a time in which nothing got through, but for timeouts, which took long enough for others.
        A refusal also counts while rows get through at large, and a gateway's word or a timeout where no other row
        meets it: that may be the row's own fault.
        """
        server, trouble = self.server_of(job), trouble_of(error)
        if server.passed > job.passed and (error.no_answer_in_time or server.fell < job.sent_at):
            return True
        if not server.passed or server.fell >= job.sent_at or trouble is Trouble.GONE:
            return False
        return server.down is None if trouble is Trouble.BUSY else server.rows <= {job.row.slot}

    # --- Patience -------------------------------------------------------------------------------------------------

    def out_of_patience(self, now: float) -> TransientFailure | None:
        """The error that ends a run which has waited long enough; None: it goes on."""
        patience = self._plan.patience
        for server in self.ill:
            if server.since is not None and now - server.since >= patience:
                return _given_up(server, patience)
        held = self._pace.held_since
        if held is not None and now - held >= patience:
            return TransientFailure(
                f"{self._pace.holder} holds the run back for more than --patience, {patience:g} s",
                todo="raise --patience, or try again later",
            )
        return None

    def patience_ends(self) -> float:
        """The time when that would be; infinity where nothing is waited for."""
        begun = [server.since for server in self.ill if server.since is not None]
        if self._pace.held_since is not None:
            begun.append(self._pace.held_since)
        return min(begun, default=float("inf")) + self._plan.patience

    @property
    def only_tries(self) -> bool:
        """Whether all that is under way are rows that were tried at servers which nothing gets through to."""
        return self._stats.in_flight <= sum(server.tried is not None for server in self.ill)


def _asks_for_long(error: CallFailed) -> bool:
    return error.retry_after is not None and error.retry_after > LONGEST_HOLD


def _given_up(server: Server, patience: float) -> TransientFailure:
    last = server.last
    return TransientFailure(
        f"nothing has got through for --patience, {patience:g} s: {last.what if last else 'no answer'}",
        (last.where if last else "") or server.name,
        "raise --patience, or try again later",
        Told(status=last.status if last else None),
    )
