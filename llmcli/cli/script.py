"""Piped turns, one after the other: read, asked, answered; the first failure's exit code."""

from __future__ import annotations

from dataclasses import dataclass, field

from llmcli import jsonl
from llmcli.chat.dialogue import Dialogue
from llmcli.chat.turns import message_of, turns
from llmcli.cli.compose import opening_of, parts_of, rendered, user_message
from llmcli.cli.converse import Caller
from llmcli.cli.options import ChatOptions, InputOptions
from llmcli.cli.perform import show_request
from llmcli.cli.session import Session
from llmcli.cli.stdin import pieces
from llmcli.errors import DeadlinePassed, LlmcliError, OutputFailure, ReaderGone, Terminated, UsageError
from llmcli.request.prompt import join_prompt, read_file
from llmcli.wire import Json, Message

_ENDS = (OutputFailure, ReaderGone, Terminated, DeadlinePassed)  # no further turn could do better


@dataclass
class Opening:
    """What goes before the first turn's text: system message, earlier messages, files, attachments.

    The template goes around each turn's text.
    """

    session: Session
    given: InputOptions
    messages: list[Message] = field(init=False)
    _files: list[str] = field(init=False)
    _parts: list[Json] = field(init=False)

    def __post_init__(self) -> None:
        self.messages = opening_of(self.given, self.read)
        self._files = [read_file(path, self.read) for path in self.given.file]
        self._parts = parts_of(self.given, self.read)
        rendered("x", self.given, self.read)  # a broken template is said before the first turn

    @staticmethod
    def read() -> bytes:
        """Stdin holds the turns."""
        raise UsageError("stdin cannot be read here: the turns come from it", todo="name a file")

    def user(self, text: str) -> Message:
        """The user's message; the first one has the files and attachments."""
        text = rendered(join_prompt([text], self._files, None), self.given, self.read)
        message = user_message(text, self._parts)
        self._files, self._parts = [], []
        return message

    def take(self) -> list[Message]:
        """The messages before the first turn, once."""
        messages, self.messages = self.messages, []
        return messages


@dataclass
class Script:
    """The turns of stdin."""

    session: Session
    dialogue: Dialogue
    caller: Caller
    opening: Opening
    talk: ChatOptions
    _waiting: list[Message] = field(default_factory=list)  # what is said, but asks for no answer yet

    async def play(self) -> int:
        """Answer each turn. The exit code is that of the first turn that failed; raises it, unless to keep going."""
        code = 0
        async for number, text in turns(pieces(self.session), self.talk.turns):
            try:
                await self._turn(number, text)
            except LlmcliError as error:
                if not self.talk.keep_going or isinstance(error, _ENDS):
                    raise
                failed = self._failed(number, error)
                code = code or failed
        return code

    async def _turn(self, number: int, text: str) -> None:
        said = message_of(text, self.talk.turns, number)
        message = self.opening.user(said) if isinstance(said, str) else said
        self._waiting += [*self.opening.take(), message]
        if message["role"] not in {"system", "developer"} and not self.dialogue.waits_for_tools(
            self._waiting
        ):
            new, self._waiting = self._waiting, []
            if self.caller.unsent:
                show_request(self.session, self.dialogue.preview(new), self.caller.output, self.caller.out)
            else:
                await self.dialogue.turn(new)

    def _failed(self, number: int, error: LlmcliError) -> int:
        """Say it, and give the exit code that it is for this command line."""
        label = error.exit_code.label
        self.session.notes.error(f"{label}: turn {number}: {error}")
        if self.caller.output.shape != "text" and not self.caller.shown:
            record = {"error": {"code": label, "message": str(error)}, "llmcli": {"turn": number}}
            self.caller.out.write_bytes(jsonl.line(record))
        return 0 if error.exit_code in self.session.accepted else int(error.exit_code)
