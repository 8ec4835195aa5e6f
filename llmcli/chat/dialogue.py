"""A dialogue: one turn in, one answer out, over a conversation that is fitted, kept and never lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import field
from decimal import Decimal

from llmcli.chat.fitting import Build, Fitting
from llmcli.chat.sessions.session import Conversation, KeptMessage
from llmcli.chat.summary import Summarizer
from llmcli.errors import (
    DeadlinePassed,
    ExitCode,
    Incomplete,
    LlmcliError,
    NoTurn,
    OutputFailure,
    PromptTooLong,
    ReaderGone,
    Terminated,
)
from llmcli.exchange.exchange import Exchanged
from llmcli.finish import says
from llmcli.lean.dataclass import dataclass
from llmcli.output.calls import tool_calls
from llmcli.output.report import dollars, joined_answers
from llmcli.request.messages import SYSTEM, begins_turn, open_calls
from llmcli.wire import Completion, Message, Request

LAST = (OutputFailure, ReaderGone, Terminated, DeadlinePassed)
"""Errors after which no further turn could do better."""

_AGAIN = 2  # times that a prompt is made shorter: the first may go by a count that is an estimate
_KEPT = ("role", "content", "tool_calls", "function_call", "refusal", "name", "tool_call_id")

Send = Callable[[Request, list[Completion]], Awaitable[Exchanged]]


@dataclass
class Spent:
    """$ that a conversation has cost; `known` is False where an answer had no price."""

    amount: float
    known: bool = True

    def add(self, cost: float | None) -> None:
        """Count an answer in."""
        self.amount += cost or 0.0
        self.known = self.known and cost is not None

    def shown(self) -> str:
        """As people read it."""
        return dollars(Decimal(str(self.amount)) if self.known else None)


@dataclass
class Dialogue:
    """A conversation that goes on.

    `fitting` makes the requests; `send` sends one and shows what comes, given the completions that were needed
    before it. `opening` goes before the first turn that is kept.
    """

    fitting: Fitting
    send: Send
    opening: Sequence[Message] = ()
    spent: Spent = field(init=False)
    _chosen: bool = False  # the system message was chosen in the conversation itself
    _warned: bool = False  # that a turn without an answer is left out
    _used: int | None = None  # tokens of the last turn, as its usage says

    def __post_init__(self) -> None:
        self.spent = Spent(self.conversation.cost)

    @property
    def conversation(self) -> Conversation:
        """What was said so far."""
        return self.fitting.conversation

    async def turn(
        self, new: Sequence[Message], *, after: int | None = None, accepted: Collection[ExitCode] = ()
    ) -> Completion:
        """Ask, and keep the exchange where the answer is a good one; raise what is wrong with any other.

        `after`: how many of the messages stay (None: all whole turns); the rest is replaced by this turn. An
        answer is kept, too, where the exit code of what is wrong with it is `accepted`, unless there is nothing in
        it or nobody knows how it ended: then its question is left out with it.
        Raises ContextOverflow before anything is sent, the CallFailed family, and those of the verdict.
        """
        entries, after = self._placed(new, after)
        before, exchanged = await self._exchanged(entries, after)
        self.spent.add(self.fitting.price(exchanged.completion))
        usage = exchanged.completion.usage
        self._used = usage.get("total_tokens") if usage else None
        wrong = exchanged.wrong
        if wrong is None:
            self._keep(entries, exchanged, before, after)
            return exchanged.completion
        if wrong.exit_code in accepted and _may_go_on(exchanged.completion, wrong):
            self._keep(entries, exchanged, before, after, cut=isinstance(wrong, Incomplete))
        raise wrong

    async def _exchanged(self, entries: list[KeptMessage], after: int) -> tuple[list[Completion], Exchanged]:
        """What was needed to make a request, and what became of it.

        A server that takes no prompt so long is asked again with fewer turns, unless tools ran before.
        """
        request, before = await self.fitting.fitted(entries, after)
        for more in reversed(range(_AGAIN + 1)):
            try:
                return before, await self.send(request, before)
            except PromptTooLong as error:
                self._pay(error)
                if error.paid or not more:
                    raise
                request, made = await self.fitting.fewer(error, request, entries, after)
                before = [*before, *made]
            except LlmcliError as error:
                self._pay(error)
                raise
        raise AssertionError  # the last time raises

    def _pay(self, error: LlmcliError) -> None:
        if error.paid:
            self.spent.add(self.fitting.price(joined_answers(error.paid)))

    def _keep(
        self,
        entries: list[KeptMessage],
        exchanged: Exchanged,
        before: list[Completion],
        after: int,
        *,
        cut: bool = False,
    ) -> None:
        """Write a turn down. What was needed `before` it was priced by itself."""
        message = (
            (exchanged.completion.choices[0].get("message") or {}) if exchanged.completion.choices else {}
        )
        if message.get("tool_calls"):
            message = {**message, "tool_calls": tool_calls(message)}
        said = [KeptMessage.of(_plain(one)) for one in (*_tool_messages(exchanged.said), message)]
        said[-1].cut = cut
        costs = [self.fitting.price(completion) for completion in (exchanged.completion, *before)]
        said[-1].cost = None if None in costs else (costs[0] or 0.0) - sum(cost or 0.0 for cost in costs[1:])
        self.fitting.count([*entries, *said])
        self._append([*entries, *said], after)

    def keep_part(self, new: Sequence[Message], text: str, *, after: int | None = None) -> None:
        """Write a turn down of whose answer only a part came."""
        entries, after = self._placed(new, after)
        said = KeptMessage.of({"role": "assistant", "content": text})
        said.cut = True
        self._append([*entries, said], after)

    def keep(self, new: Sequence[Message]) -> None:
        """Write down what asks for no answer."""
        self._append(*self._placed(new, None))

    def _append(self, entries: list[KeptMessage], after: int) -> None:
        self.conversation.append(entries, self.model, after=after)
        self.opening = ()

    def take_back(self, after: int) -> None:
        """Leave out all behind the first `after` messages but a system message that was set there."""
        self.conversation.append(self._new([], after), self.model, after=after)

    def preview(self, new: Sequence[Message]) -> Request:
        """The request that a turn would send; where a summary would be needed, the oldest turns are dropped."""
        return self.fitting.preview(*self._placed(new, None))

    def set_system(self, text: str) -> None:
        """Let another system message hold from here on, whatever the next turn brings along."""
        self._chosen = False
        after = self.conversation.settled
        entries = self._new([{"role": "system", "content": text}], after)
        if entries:
            self.conversation.append(entries, self.model, after=after)
        self._chosen = True

    def turn_to(self, build: Build, summarizer: Summarizer) -> None:
        """Speak to another model: that of the requests that `build` makes."""
        self.fitting.build, self.fitting.summarizer = build, summarizer

    @property
    def system(self) -> Message | None:
        """The system message that holds."""
        return _system(self.conversation.entries)

    def used(self) -> tuple[int | None, int | None]:
        """(tokens of the window that the last turn used, as far as that is known; the window)."""
        request = self.fitting.build([{"role": "user", "content": ""}])
        counts = [entry.tokens for entry in self.conversation.entries]
        known = None if None in counts or not counts else sum(count or 0 for count in counts)
        return (known if self._used is None else self._used), self.fitting.windows.of(request)

    def open_calls(self, new: Sequence[Message]) -> list[str]:
        """The ids of the calls that wait for a tool message, once `new` is said."""
        return open_calls([*(entry.message for entry in self.conversation.entries), *self.opening, *new])

    @property
    def model(self) -> str:
        """The model that is spoken to, as `provider/name`."""
        return self.fitting.model

    # What is new

    def _placed(self, new: Sequence[Message], after: int | None) -> tuple[list[KeptMessage], int]:
        """The entries for a turn, and how many messages stay before it. What takes a pinned turn's place is pinned."""
        new = [*self.opening, *new]
        speaker = next((message["role"] for message in new if message["role"] not in SYSTEM), None)
        replaced = [] if after is None else self.conversation.entries[after:]
        if after is None:
            after = len(self.conversation.entries) if speaker == "tool" else self._standing()
        entries = self._new(new, after)
        if speaker == "tool":
            entries.sort(key=lambda entry: entry.message["role"] != "tool")  # right behind the calls
        if any(entry.pinned for entry in replaced):
            next(entry for entry in entries if entry.message["role"] not in SYSTEM).pinned = True
        return entries, after

    def _standing(self) -> int:
        """How many messages stay: all but an unanswered end."""
        whole = self.conversation.settled
        if whole < len(self.conversation.entries) and not self._warned:
            self._warned = True
            self.fitting.say("the last turn of the session has no answer: it is left out")
        return whole

    def _new(self, new: Sequence[Message], after: int) -> list[KeptMessage]:
        """The entries for new messages; a system message that holds already is none.

        One that was set behind what stays is kept: it was to hold from there on.
        """
        held = [entry for entry in self.conversation.entries[after:] if entry.replaces][-1:]
        old = [*self.conversation.entries[:after], *held]
        entries = [KeptMessage.of(message) for message in new]
        if old and entries and entries[0].message["role"] in SYSTEM:
            if self._chosen or entries[0].message == _system(old):
                return [*held, *entries[1:]]
            entries[0].replaces = True
        return [*held, *entries]


def _system(entries: Sequence[KeptMessage]) -> Message | None:
    """The system message that holds: the newest that replaced others, else the first."""
    systems = [entry for entry in entries if entry.message["role"] in SYSTEM]
    newest = next((entry for entry in reversed(systems) if entry.replaces), None)
    found = newest or (systems[0] if systems else None)
    return found.message if found else None


def _may_go_on(completion: Completion, wrong: LlmcliError) -> bool:
    """Whether a conversation may go on with an answer that is not a good one."""
    choices = completion.choices
    return bool(choices) and says(choices[0].get("message") or {}) and not isinstance(wrong, NoTurn)


def _plain(message: Message) -> Message:
    """A message as it can be sent again: what servers say beside it (annotations, reasoning) is not theirs to read."""
    plain = {
        key: message[key] for key in _KEPT if message.get(key) or (key == "content" and "content" in message)
    }
    plain.setdefault("role", "assistant")
    if isinstance(audio := message.get("audio"), dict) and "id" in audio:
        plain["audio"] = {"id": audio["id"]}
    if plain.get("content") is None and len(plain) <= 2:
        plain["content"] = ""
    return plain


def _tool_messages(said: Sequence[Message]) -> list[Message]:
    """The calls and their results, images included."""
    images = [one["role"] == "user" and not begins_turn(said, at) for at, one in enumerate(said)]
    return [
        one
        for one, image in zip(said, images, strict=True)
        if image or one.get("tool_calls") or one["role"] in {"tool", "function"}
    ]
