"""The exit codes and the error tree: everything that can end a command, and what a script is told.

    LlmcliError                          1  error
    ├─ UsageError                        2  usage       nothing was sent
    │  ├─ BadCommand                     2              it is the same for every row of a batch
    │  └─ ContextOverflow                2              the model cannot hold the prompt
    ├─ Incomplete                        3  incomplete  ┐
    │  └─ NoTurn                         3              │ nothing to go on with
    ├─ Refused                           4  refused     │ the call worked, the answer is not usable
    ├─ Invalid                           5  invalid     ┘
    ├─ BudgetExceeded                    6  budget
    ├─ PartialFailure                    7  partial
    ├─ ToolFailure                       8  tools
    ├─ Gated                             9  gate        (silent)
    ├─ CallFailed                           the call did not work; knows status, code, request id, attempts
    │  ├─ Rejected                      65  rejected
    │  │  └─ UnfitModel                 65              another model may take the request
    │  │     └─ PromptTooLong           65              and so may this one, if it is shorter
    │  ├─ Moderated                      4  refused     the endpoint did not let the input pass
    │  ├─ QuotaExhausted                69  quota
    │  ├─ TransientFailure              75  tempfail    the only class that is retried
    │  │  ├─ NotRunning                 75              retried only where the user says how often
    │  │  ├─ WrongWay                   75              never retried: a person must mend it
    │  │  └─ StreamCut                  75              3 (incomplete) once a part of the answer was shown
    │  └─ AuthFailure                   77  auth
    ├─ NoInput                          66  no input
    ├─ Busy                             75  tempfail    another process holds what this one needs
    ├─ OutputFailure                    74  io
    ├─ ConfigError                      78  config
    ├─ DeadlinePassed                  124  deadline
    ├─ Interrupted                     130  interrupted
    ├─ Terminated                      143  terminated
    └─ ReaderGone                      141  broken pipe (silent)

A message has three parts: what happened, where (file:line, row, request id), what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, Self

from llmcli.lean.dataclass import dataclass


class ExitCode(IntEnum):
    """A process status. `label` is the name users write in `--ok`, `reason` the row of the table."""

    label: str
    reason: str

    def __new__(cls, value: int, label: str, reason: str) -> Self:
        """A number, its name and its reason."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.label = label
        member.reason = reason
        return member

    OK = (
        0,
        "ok",
        "a complete answer: it ended whole in the server's own word; valid where a schema or labels say so",
    )
    ERROR = 1, "error", "anything not below; a bug keeps its traceback"
    USAGE = 2, "usage", "bad flag or value, empty prompt, unreadable input: nothing was sent"
    INCOMPLETE = (
        3,
        "incomplete",
        "cut, broken off, empty, or ended in a word that nobody knows; the part is printed",
    )
    REFUSED = (
        4,
        "refused",
        "a refusal, a content filter or flagged input, in any server's word; the refusal text goes to stderr",
    )
    INVALID = (
        5,
        "invalid",
        "the answer is not valid JSON, not what the schema asks for, or none of the labels",
    )
    BUDGET = 6, "budget", "the call would cost more than allowed: nothing was sent"
    PARTIAL = 7, "partial", "a batch finished and some rows failed"
    TOOLS = 8, "tools", "a tool failed to start, or too many turns were taken"
    GATE = (
        9,
        "gate",
        "the answer is complete, and none of those that `--gate` lets through: silent without -v",
    )
    REJECTED = (
        65,
        "rejected",
        "the endpoint rejected the request (400, 404, 413, 422, other 4xx, a 429 that can never pass)",
    )
    NO_INPUT = 66, "no input", "the input, or the recorded answer, does not exist"
    QUOTA = 69, "quota", "the account is out of credit, in any server's word; never retried"
    IO = 74, "io", "the output cannot be written"
    TEMPFAIL = (
        75,
        "tempfail",
        "rate limit, server or network error, no answer in the reply; after the retries",
    )
    AUTH = 77, "auth", "no key, or the key was refused (401, 403)"
    CONFIG = 78, "config", "the config file is broken"
    DEADLINE = 124, "deadline", "--deadline passed"
    INTERRUPTED = 130, "interrupted", "SIGINT; what had come is kept on stdout"
    BROKEN_PIPE = 141, "broken pipe", "the reader of stdout went away: silent"
    TERMINATED = 143, "terminated", "SIGTERM; what had come is kept on stdout"


def one_line(text: str) -> str:
    """The text without line ends: they and the blanks around them are one blank."""
    return " ".join(part for line in text.splitlines() if (part := line.strip()))


class LlmcliError(Exception):
    """A failure with a name, a place and a remedy.

    `what` happened, `where` (file:line, row, request id; may be empty), `todo`: what the user can do
    (may be empty). `str()` joins them to the one line that goes to stderr behind `llmcli: NAME: `.
    `paid` are the Completions that came, and cost money, before it: the first `earlier` of requests before the
    one that failed, then its own, where one came.
    """

    exit_code: ExitCode = ExitCode.ERROR

    def __init__(self, what: str, where: str = "", todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.todo = todo
        self.paid: list[Any] = []
        self.earlier = 0

    def __str__(self) -> str:
        parts = [self.what + (f" ({self.where})" if self.where else ""), self.todo]
        return one_line("; ".join(part for part in parts if part))


@contextmanager
def paid_before(answers: Sequence[Any]) -> Iterator[None]:
    """Have what fails here tell of the answers that came before."""
    try:
        yield
    except LlmcliError as error:
        paid_first(error, answers)
        raise


def paid_first(error: BaseException, answers: Sequence[Any]) -> None:
    """Have an error of ours tell of the answers that came before it."""
    if isinstance(error, LlmcliError):
        error.paid = [*answers, *error.paid]
        error.earlier += len(answers)


class UsageError(LlmcliError):
    """What the user said cannot be done: nothing was sent.

    `flag`, by one of its names, is what said it: the message begins with it.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, what: str, where: str = "", todo: str = "", *, flag: str | None = None) -> None:
        named = what if flag is None else f"{flag}{'' if what.startswith(':') else ' '}{what}"
        super().__init__(named, where, todo)
        self.flag = flag


class BadCommand(UsageError):
    """What the command line or the environment says is refused, whatever a row says: nothing is to be sent."""


class ContextOverflow(UsageError):
    """The prompt has more tokens than the model takes."""


class Incomplete(LlmcliError):
    """The answer was cut off: finish_reason length, or an end without finish_reason and [DONE]."""

    exit_code = ExitCode.INCOMPLETE


class NoTurn(Incomplete):
    """There is nothing in the answer, or nobody knows how it ended: no conversation goes on with it."""


class BrokenOff(Incomplete):
    """A stream ended in the middle of the answer: asked again, it may come whole."""


class Refused(LlmcliError):
    """The model refused, or a content filter did."""

    exit_code = ExitCode.REFUSED


class Invalid(LlmcliError):
    """The answer is not JSON, does not fit the schema, or is none of the labels."""

    exit_code = ExitCode.INVALID


class BudgetExceeded(LlmcliError):
    """The call would cost more than the user allowed."""

    exit_code = ExitCode.BUDGET


class PartialFailure(LlmcliError):
    """A batch finished; some of its rows failed."""

    exit_code = ExitCode.PARTIAL


class ToolFailure(LlmcliError):
    """A tool could not be started, or the turns ran out."""

    exit_code = ExitCode.TOOLS


class Gated(LlmcliError):
    """The answer is complete, and none of those that the gate lets through; nothing is said about it."""

    exit_code = ExitCode.GATE


_LONG_WAIT = 600.0  # seconds that nobody minds to be kept waiting


@dataclass(frozen=True, slots=True)
class Told:
    """What a reply told of a failure. `status` is HTTP's (None: no reply), `code` the API's own error code.

    `retry_after` is in seconds. `meant` is the status that counts: of an error in a 200, the one that its body names.
    """

    status: int | None = None
    code: str | None = None
    request_id: str | None = None
    retry_after: float | None = None
    body: object = None
    meant: int | None = None


_NOTHING = Told()


class CallFailed(LlmcliError):
    """The call did not work; it has what its reply told, as Told says.

    `may_have_cost`: an answer may have been begun, and charged for. `no_connection`: none could be made.
    `connection_broke`: before an answer was whole. `no_answer_in_time`: a time of ours was up.
    """

    may_have_cost = False
    no_connection = False
    connection_broke = False
    no_answer_in_time = False

    def __init__(self, what: str, where: str = "", todo: str = "", told: Told = _NOTHING) -> None:
        super().__init__(what, where, todo)
        self.status, self.code, self.request_id = told.status, told.code, told.request_id
        self.meant = told.status if told.meant is None else told.meant
        self.retry_after, self.body = told.retry_after, told.body
        self.attempts = 1

    @property
    def asks_too_long(self) -> bool:
        """Whether the server asks to wait so long that it is better to fail, unless the user set a deadline."""
        return self.retry_after is not None and self.retry_after > _LONG_WAIT


class Rejected(CallFailed):
    """400, 404, 413, 422 and the other 4xx: sending it again would not help."""

    exit_code = ExitCode.REJECTED


class UnfitModel(Rejected):
    """The model is not there, or never takes a request as large as this one: another may answer."""


class PromptTooLong(UnfitModel):
    """The prompt, and the room for an answer, have more tokens than the model's window."""


class Moderated(CallFailed):
    """The endpoint looked at the input and did not let it pass: other input may."""

    exit_code = ExitCode.REFUSED


class QuotaExhausted(CallFailed):
    """insufficient_quota, 402, billing: waiting does not help."""

    exit_code = ExitCode.QUOTA


class TransientFailure(CallFailed):
    """408, 409, 429, 5xx, network errors, timeouts, a reply that is no Chat Completion."""

    exit_code = ExitCode.TEMPFAIL


class NotRunning(TransientFailure):
    """Nothing listens at an address of this machine: only a person can start what should."""

    no_connection = True


class WrongWay(TransientFailure):
    """A person must mend the way to a server: a certificate, a scheme, a proxy's rule. Waiting does not help."""

    no_connection = True


class StreamCut(TransientFailure):
    """The connection broke while the answer was coming, or the server gave it up.

    `behind_the_end`: every choice had ended by then, and nothing of the answer is missing.
    """

    may_have_cost = connection_broke = True
    behind_the_end = False


class AuthFailure(CallFailed):
    """No key, 401 or 403."""

    exit_code = ExitCode.AUTH


class NoInput(LlmcliError):
    """The input file, or the recorded answer, does not exist."""

    exit_code = ExitCode.NO_INPUT


class Busy(LlmcliError):
    """Another process holds a file that this one needs."""

    exit_code = ExitCode.TEMPFAIL


class OutputFailure(LlmcliError):
    """stdout, or a file, cannot be written."""

    exit_code = ExitCode.IO


class ConfigError(LlmcliError):
    """The config file is broken."""

    exit_code = ExitCode.CONFIG


class DeadlinePassed(LlmcliError):
    """`--deadline` passed."""

    exit_code = ExitCode.DEADLINE


class OutOfTime(BaseException):
    """`--deadline` passed while no loop could end the work: no row's and no turn's failure, but the command's end."""


class Interrupted(LlmcliError):
    """SIGINT arrived."""

    exit_code = ExitCode.INTERRUPTED


class Terminated(LlmcliError):
    """SIGTERM arrived."""

    exit_code = ExitCode.TERMINATED


class ReaderGone(LlmcliError):
    """The reader of stdout went away; nothing is said about it."""

    exit_code = ExitCode.BROKEN_PIPE


def end_in(error: BaseException) -> LlmcliError | KeyboardInterrupt | OutOfTime | None:
    """Why a command ends: the error where it is of this tree, else the signal or deadline that it was raised from.

    CPython 3.11 wraps in a RuntimeError what a signal's handler raises while a class is made (`__set_name__`).
    """
    if isinstance(error, LlmcliError):
        return error
    cause: BaseException | None = error
    while not (cause is None or isinstance(cause, Terminated | KeyboardInterrupt | OutOfTime)):
        cause = cause.__cause__
    return cause
