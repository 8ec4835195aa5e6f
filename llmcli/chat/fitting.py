"""What of a conversation is sent: all of it, or what stays when the oldest turns are dropped or summarized."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import field, replace

from llmcli import jsonl
from llmcli.chat.context import Fit, Rules, Weighed, fit, limit_of, overflow, turns_of
from llmcli.chat.sessions.session import Conversation, KeptMessage, Summary
from llmcli.chat.summary import Summarizer, opening_of
from llmcli.chat.windows import MATTERS, Windows
from llmcli.errors import ContextOverflow, PromptTooLong, UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.request.messages import SYSTEM
from llmcli.tokens.count import prompt_tokens
from llmcli.tokens.encodings import Encoder, encoding_for, load
from llmcli.wire import Completion, Json, Message, Request

_LONGEST = 1_000  # tokens of a summary, where nothing limits the prompt
_LEAST = 10  # tokens that a summary must be allowed to have
_ENOUGH = 40  # and that it may have, however small the room is, where they are there

Build = Callable[[Sequence[Message]], Request]


@dataclass
class Fitting:
    """Fits a conversation, and what is new to it, into a request.

    `build` makes the request for some messages. `price` gives the $ of an answer (None: not known). `say` tells
    people something, `detail` those who asked for more.
    """

    conversation: Conversation
    rules: Rules
    build: Build
    summarizer: Summarizer
    price: Callable[[Completion], float | None]
    say: Callable[[str], None]
    detail: Callable[[str], None]
    windows: Windows = field(default_factory=Windows)
    _encoder: Encoder | None = None
    _said: int = 0  # turns that were dropped when we last spoke of it

    @property
    def model(self) -> str:
        """The model that is spoken to, as `provider/name`, the name as it is sent."""
        request = self.build([{"role": "user", "content": ""}])
        return f"{request.provider}/{request.model}"

    async def fitted(self, entries: list[KeptMessage], after: int) -> tuple[Request, list[Completion]]:
        """The request for the first `after` messages and new ones, and the completions that were needed to make it.

        A server whose window matters, and is not known, is asked for it. Raises ContextOverflow, and what is wrong
        with a summary.
        """
        await self._learn_window(entries, after)
        request, view, found = self._found(entries, after)
        if found is None or not found.dropped:
            return request, []
        if self.rules.strategy == "summarize" and (
            made := await self._summarized(request, view, found, after)
        ):
            request, view, found = self._found(entries, after)
            if found is None or not found.dropped:
                return request, made
            return self._without(found, view, request), made
        return self._without(found, view, request), []

    async def fewer(
        self, error: PromptTooLong, request: Request, entries: list[KeptMessage], after: int
    ) -> tuple[Request, list[Completion]]:
        """What `fitted` gives once it is known that the server takes no such request.

        Raises `error` where no turn can go, or none may.
        """
        counted = prompt_tokens(request.fields, self._load(request))
        window = self.windows.learn(request, error, counted)
        if self.rules.strategy == "error":
            raise error
        self.say(f"context: the prompt is too long for the server, whose window has {window} tokens")
        try:
            shorter, made = await self.fitted(entries, after)
        except ContextOverflow:
            raise error from None
        if len(jsonl.dumps(shorter.fields)) >= len(jsonl.dumps(request.fields)):
            raise error
        return shorter, made

    async def _learn_window(self, entries: list[KeptMessage], after: int) -> None:
        """Ask for the window, where there are turns that may go and as much text as a small one might not hold.

        Who said how many tokens may be sent knows it.
        """
        if self.rules.max_tokens is not None or not after:
            return
        said = [*self.conversation.entries[:after], *entries]
        if sum(entry.bound for entry in said if math.isfinite(entry.bound)) > MATTERS:
            await self.windows.ask(self._whole(entries, after)[0])

    def _limit(self, request: Request, rules: Rules) -> int | None:
        windows = self.windows
        return limit_of(request, rules.max_tokens, windows.of(request), windows.stretch(request))

    def preview(self, entries: list[KeptMessage], after: int) -> Request:
        """The same request; where a summary would be needed, the oldest turns are dropped."""
        request, view, found = self._found(entries, after)
        return request if found is None else _with(request, [view[number].message for number in found.kept])

    def tokens(self) -> tuple[int, int | None]:
        """(tokens of the conversation as it would be sent, the most that may be)."""
        entries = self.conversation.entries
        request, view = self._whole([], len(entries))
        encoder = self._load(request)
        counted = self._fixed(request, encoder) + sum(self._counted(view, encoder))
        return counted, self._limit(request, self.rules)

    def count(self, entries: Sequence[KeptMessage]) -> None:
        """Count new entries, where counting has begun."""
        if self._encoder is not None:
            self._count(entries, self._encoder)

    def _found(self, entries: list[KeptMessage], after: int) -> tuple[Request, list[KeptMessage], Fit | None]:
        """The request, its entries, and what of them stays. A summary goes before the newest turn does."""
        request, view = self._whole(entries, after)
        try:
            return request, view, self._fit(request, view, self.rules)
        except ContextOverflow:
            if self._summary is None:
                raise
        self.say("context: there is no room for the summary of the oldest turns")
        request, view = self._whole(entries, after, summary=False)
        return request, view, self._fit(request, view, self.rules)

    def _without(self, found: Fit, view: list[KeptMessage], request: Request) -> Request:
        """The request without what is dropped, which is said."""
        self._tell(found, view, request)
        return _with(request, [view[number].message for number in found.kept])

    def _whole(
        self, entries: list[KeptMessage], after: int, *, summary: bool = True
    ) -> tuple[Request, list[KeptMessage]]:
        view = self._view([*self.conversation.entries[:after], *entries], summary=summary)
        if not view:
            raise UsageError("the conversation is empty", todo="say something first")
        return self.build([entry.message for entry in view]), view

    @property
    def _summary(self) -> Summary | None:
        return self.conversation.summary if self.rules.strategy == "summarize" else None

    def _view(self, entries: list[KeptMessage], *, summary: bool) -> list[KeptMessage]:
        """The entries as they are sent: the newest system message in front, the summary for what it stands for.

        Without `summary`, what it stands for is left out all the same.
        """
        changes = [number for number, entry in enumerate(entries) if entry.replaces]
        if changes:
            newest = changes[-1]
            kept = [entry for entry in entries[:newest] if entry.message["role"] not in SYSTEM]
            entries = [entries[newest], *kept, *entries[newest + 1 :]]
        told = self._summary
        if told is None:
            return entries
        old = {id(entry) for entry in self.conversation.entries[: told.of]}
        turns = turns_of([entry.message for entry in entries])
        pinned = {number for turn in turns if any(entries[one].pinned for one in turn) for number in turn}
        left = [
            entry
            for number, entry in enumerate(entries)
            if id(entry) not in old or number in pinned or entry.message["role"] in SYSTEM
        ]
        if not summary:
            return left
        head = opening_of([entry.message for entry in left])
        return [*left[:head], KeptMessage.of(self.summarizer.message(told.text)), *left[head:]]

    def _fit(self, request: Request, view: list[KeptMessage], rules: Rules) -> Fit | None:
        """What stays; None where all does, as can be seen without counting."""
        limit = self._limit(request, rules)
        turns = len(turns_of([entry.message for entry in view]))
        if limit is not None and self._surely_fits(request, view, limit):
            limit = None
        if limit is None and (rules.keep_turns is None or turns <= rules.keep_turns):
            return None
        encoder = self._load(request) if limit is not None else None
        tokens = self._counted(view, encoder) if encoder is not None else [0] * len(view)
        fixed = self._fixed(request, encoder) if encoder is not None else 0
        if rules.strategy == "error":
            self._refuse(fixed + sum(tokens), limit, turns)
        pinned = {number for number, entry in enumerate(view) if entry.pinned}
        weighed = Weighed([entry.message for entry in view], tokens, pinned, fixed)
        return fit(weighed, limit, rules.keep_turns)

    def _refuse(self, tokens: int, limit: int | None, turns: int) -> None:
        if limit is not None and tokens > limit:
            raise overflow(tokens, limit, "the conversation has")
        if self.rules.keep_turns is not None and turns > self.rules.keep_turns:
            raise ContextOverflow(
                f"the conversation has {turns} turns, and --keep-turns is {self.rules.keep_turns}",
                todo="raise it, or choose --context window",
            )

    def _tell(self, found: Fit, view: list[KeptMessage], request: Request) -> None:
        """Say what is left out: once to everybody, each further turn to those who asked for more."""
        if len(found.dropped) == self._said:
            return
        tell = self.detail if self._said else self.say
        self._said = len(found.dropped)
        turns = len(turns_of([entry.message for entry in view]))
        why = self._why(request, turns - self._said)
        tell(f"context: the oldest {_turns(self._said)} of {turns} left out{why}")

    def _why(self, request: Request, left: int) -> str:
        """Why no more than so many turns are `left`."""
        limit, most = self._limit(request, self.rules), self.rules.keep_turns
        by_turns = limit is None or (most is not None and left >= most)
        return "" if by_turns else f", to stay within {limit} tokens"

    async def _summarized(
        self, request: Request, view: list[KeptMessage], found: Fit, after: int
    ) -> list[Completion]:
        """Let a summary stand for the oldest turns, so many that some can follow before the next one.

        The completions that it took; none where there is no room for a summary.
        """
        encoder, limit = self._load(request), self._limit(request, self.rules)
        if limit is not None:
            try:
                found = self._fit(request, view, replace(self.rules, max_tokens=limit // 2)) or found
            except ContextOverflow:  # what must stay has more than half of the room
                found = self._fit(request, view, replace(self.rules, keep_turns=1)) or found
        gone = [view[number] for turn in found.dropped for number in turn]
        of = self._number_behind(gone, after)
        room = self._room(request, limit, found, encoder)
        if not of or room < _LEAST:
            return []
        before = self._summary.text if self._summary else None
        told = [entry.message for entry in gone]
        text, completions = await self.summarizer.summarize(told, before, room, limit, encoder)
        costs = [self.price(completion) for completion in completions]
        cost = None if None in costs else sum(cost for cost in costs if cost is not None)
        self.conversation.summarize(Summary(text, of, cost))
        left = len(turns_of([entry.message for entry in view])) - len(found.dropped)
        self.say(f"context: the oldest {_turns(len(found.dropped))} summarized{self._why(request, left)}")
        return completions

    def _number_behind(self, gone: list[KeptMessage], after: int) -> int:
        """The number of the first message behind those that are gone."""
        wanted = {id(entry) for entry in gone}
        numbers = [
            number for number, entry in enumerate(self.conversation.entries[:after]) if id(entry) in wanted
        ]
        return numbers[-1] + 1 if numbers else 0

    def _room(self, request: Request, limit: int | None, found: Fit, encoder: Encoder) -> int:
        """Tokens that a summary may have."""
        if limit is None:
            return _LONGEST
        return min(
            max(limit // 8, _ENOUGH), limit - found.tokens - self.summarizer.overhead(request, encoder)
        )

    # Counting

    def _load(self, request: Request) -> Encoder:
        self._encoder = load(encoding_for(request.provider, request.model)[0])
        return self._encoder

    def _surely_fits(self, request: Request, view: list[KeptMessage], limit: int) -> bool:
        """Whether the bytes alone show that it fits, counts where there are some."""
        name = encoding_for(request.provider, request.model)[0]
        bounds = (
            entry.tokens if entry.tokens is not None and entry.encoding == name else entry.bound
            for entry in view
        )
        rest = {key: value for key, value in request.fields.items() if key != "messages"}
        return sum(bounds) + len(jsonl.dumps(rest)) * 2 + 100 <= limit

    def _fixed(self, request: Request, encoder: Encoder) -> int:
        return prompt_tokens({**request.fields, "messages": []}, encoder)

    def _counted(self, view: list[KeptMessage], encoder: Encoder) -> list[int]:
        """The tokens of each; what the session has no counts of is counted and kept there, once."""
        missing = self._count(view, encoder)
        entries = self.conversation.entries
        known = {id(entry): number for number, entry in enumerate(entries)}
        numbers = sorted(known[id(entry)] for entry in missing if id(entry) in known)
        if numbers:
            self._count(entries, encoder)
            counts = [entry.tokens or 0 for entry in entries[numbers[0] :]]
            self.conversation.keep_counts(numbers[0], counts, encoder.name)
        return [entry.tokens or 0 for entry in view]

    def _count(self, entries: Sequence[KeptMessage], encoder: Encoder) -> list[KeptMessage]:
        """Count those that are not counted in this encoding, and give them back."""
        missing = [entry for entry in entries if entry.tokens is None or entry.encoding != encoder.name]
        model = self.model.partition("/")[2]
        empty = prompt_tokens({"model": model, "messages": []}, encoder) if missing else 0
        for entry in missing:
            body: Json = {"model": model, "messages": [entry.message]}
            entry.tokens = prompt_tokens(body, encoder) - empty
            entry.encoding = encoder.name
        return missing


def _with(request: Request, messages: list[Message]) -> Request:
    return replace(request, fields={**request.fields, "messages": messages})


def _turns(count: int) -> str:
    return "turn" if count == 1 else f"{count} turns"
