"""Piped turns, one after the other: read, asked, answered; the first failure's exit code."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import field

from llmcli import jsonl
from llmcli.app import App
from llmcli.chat.dialogue import LAST, Dialogue
from llmcli.chat.turns import message_of, turns
from llmcli.errors import LlmcliError, UsageError
from llmcli.exchange.client import Client
from llmcli.lean.dataclass import dataclass
from llmcli.request.messages import SYSTEM
from llmcli.request.prompt import Prompt
from llmcli.settings.conversation import TurnSettings
from llmcli.wire import Message


def not_here() -> bytes:
    """Stdin, where it holds the turns: raises UsageError."""
    raise UsageError("stdin cannot be read here: the turns come from it", todo="name a file")


@dataclass
class Opening:
    """The prompt around each turn's text: all of it around the first turn, the template alone around later ones."""

    prompt: Prompt

    def __post_init__(self) -> None:
        self.messages = self.prompt.opening
        self.prompt.text("x")  # a broken template is said before the first turn

    def user(self, text: str) -> Message:
        """The user's message."""
        message = self.prompt.user(self.prompt.text(text))
        self.prompt = self.prompt.later()
        return message


@dataclass
class Script:
    """The turns of stdin."""

    app: App
    dialogue: Dialogue
    client: Client
    opening: Opening
    talk: TurnSettings
    _waiting: list[Message] = field(default_factory=list)  # what is said, but asks for no answer yet

    async def play(self) -> int:
        """Answer each turn. The exit code is that of the first turn that failed; raises it, unless to keep going.

        A turn whose exit code is accepted has not failed.
        """
        code = number = 0
        async for number, data in turns(self.app.stdin.piece, self.talk.turns):
            failed = await self._tried(number, self._turn(number, data))
            code = code or failed
        failed = await self._tried(number, self._end(number))
        return code or failed

    async def _tried(self, number: int, work: Awaitable[None]) -> int:
        """The exit code of a failure that does not end it all; 0 where there is none."""
        try:
            await work
        except LlmcliError as error:
            goes_on = self.talk.keep_going or error.exit_code in self.app.accepted
            if not goes_on or isinstance(error, LAST):
                raise
            return self._failed(number, error)
        return 0

    async def _turn(self, number: int, data: bytes) -> None:
        said = message_of(data, self.talk.turns, number)
        if said is None:
            return
        message = self.opening.user(said) if isinstance(said, str) else said
        self._check_place(message, f"turn {number}")
        self._waiting.append(message)
        if message["role"] in SYSTEM or self.dialogue.open_calls(self._waiting):
            return
        new, self._waiting = self._waiting, []
        if self.client.unsent:
            self.client.show(self.dialogue.preview(new))
        else:
            await self.dialogue.turn(new, accepted=self.app.accepted)

    def _check_place(self, message: Message, where: str) -> None:
        """Tool messages answer calls that wait; nothing else comes between them. Raises UsageError."""
        calls = self.dialogue.open_calls(self._waiting)
        if message["role"] != "tool":
            if any(one["role"] == "tool" for one in self._waiting):
                raise _unanswered(calls, where)
        elif (identity := message["tool_call_id"]) not in calls:
            others = f"{' and '.join(calls)} {'does' if len(calls) == 1 else 'do'}" if calls else ""
            raise UsageError(f"no call {identity!r} waits for a tool message", where, others)

    async def _end(self, number: int) -> None:
        """Keep what asks for no answer. Raises UsageError where calls wait for one."""
        if not self._waiting:
            return
        if calls := self.dialogue.open_calls(self._waiting):
            raise _unanswered(calls, f"after turn {number}")
        if not self.client.unsent:
            self.dialogue.keep(self._waiting)

    def _failed(self, number: int, error: LlmcliError) -> int:
        """Say it, and give the exit code that it is for this command line."""
        label = error.exit_code.label
        self.app.notes.error(f"{label}: turn {number}: {error}")
        if self.client.output.shape != "text" and not self.client.shown:
            record = {"error": {"code": label, "message": str(error)}, "llmcli": {"turn": number}}
            self.client.out.write_bytes(jsonl.line(record))
        return 0 if error.exit_code in self.app.accepted else int(error.exit_code)


def _unanswered(calls: list[str], where: str) -> UsageError:
    one = len(calls) == 1
    named = f"the tool call{'' if one else 's'} {' and '.join(calls)} wait{'s' if one else ''}"
    return UsageError(f"{named} for a tool message", where)
