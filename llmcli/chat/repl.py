"""The REPL: a person's turns at a terminal. The only importer of prompt_toolkit."""

from __future__ import annotations

import asyncio
import base64
import difflib
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmcli import files
from llmcli.chat.context import turns_of
from llmcli.chat.dialogue import LAST, Dialogue
from llmcli.chat.live import Live
from llmcli.chat.sessions.directory import session_path
from llmcli.chat.sessions.transcript import FileTranscript
from llmcli.errors import (
    Incomplete,
    LlmcliError,
    NoTurn,
    OutputFailure,
    UsageError,
)
from llmcli.lean.dataclass import dataclass
from llmcli.output.sink import text_of
from llmcli.output.status import fitted
from llmcli.output.streams import Notes
from llmcli.request.messages import SYSTEM, begins_turn
from llmcli.wire import Message

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

_SHOWN = 60  # characters of a question, where one is named
_LEAVE = {"exit", "quit", "/exit", "/quit"}

SLASH_COMMANDS = {
    "/help": "this list",
    "/system": "/system TEXT sets the system message; alone, it shows it",
    "/model": "/model NAME speaks to another model from here on; alone, it shows the one",
    "/undo": "take the last turn back",
    "/retry": "ask the last turn again",
    "/pin": "keep the last turn, however long the conversation grows",
    "/save": "/save NAME or /save FILE.jsonl copies the conversation; alone, it shows where it is kept",
    "/tokens": "how many tokens would be sent, and how many may be",
    "/copy": "copy the last answer to the clipboard, where the terminal lets a program (OSC 52)",
    "/cost": "what it has cost so far",
    "/exit": "leave, as do Ctrl-D, exit and quit",
}
_KEYS = """\
Enter sends; Esc Enter, or a backslash at its end, begins another line. Ctrl-C stops an answer, or clears the line.
A line that begins with a space is never a command.
"""


@dataclass
class Repl:
    """Turns as they are typed, until the person leaves.

    `message_of` makes the message of a typed text, `live` shows the answers, `switch` changes the model,
    `draw` sends the terminal what it does not show.
    `place` is where the conversation is kept (None: nowhere), `state` the directory of history and sessions.
    """

    dialogue: Dialogue
    live: Live
    notes: Notes
    message_of: Callable[[str], Message]
    switch: Callable[[str], None]
    draw: Callable[[str], None]
    place: Path | None
    state: Path
    _answering: asyncio.Future[Any] | None = None
    _stopped: bool = False
    _failed: list[Message] = field(default_factory=list)  # the last question, where it has no answer
    _failed_after: int | None = None  # behind how many messages it was asked; None: behind all

    async def run(self) -> int:
        """Prompt and answer until the end; 0."""
        prompt = self._prompt_session()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._stop)
        kept = f", kept in {self.place}" if self.place else ""
        self.notes.say(f"{self.dialogue.model}{kept}; /help shows what else can be typed")
        try:
            while await self._once(prompt):
                pass
        finally:
            loop.remove_signal_handler(signal.SIGINT)
        return 0

    async def _once(self, prompt: PromptSession[str]) -> bool:
        """One prompt and what comes of it; whether to go on."""
        try:
            text = await prompt.prompt_async("> ", handle_sigint=False)
        except KeyboardInterrupt:
            return True
        except EOFError:
            return False
        if text.strip() in _LEAVE:
            return False
        try:
            await self.take(text)
        except LlmcliError as error:
            if isinstance(error, LAST):
                raise
            self.notes.error(f"{error.exit_code.label}: {error}")
        return True

    async def take(self, text: str) -> None:
        """A command, or a turn."""
        if text.startswith("/"):
            name, _, rest = text.strip().partition(" ")
            await self._command(name)(rest.strip())
        elif text.strip():
            await self._ask([self.message_of(text)])

    # An answer, and how it is stopped

    def _stop(self) -> None:
        if self._answering is not None:
            self._stopped = True
            self._answering.cancel()

    async def _ask(self, new: list[Message], after: int | None = None) -> None:
        self.live.begin()
        self._failed, self._failed_after, self._stopped = new, after, False
        self._answering = asyncio.ensure_future(self.dialogue.turn(new, after=after))
        try:
            await self._answering
        except asyncio.CancelledError:
            if not self._stopped:
                raise
            self._keep_part(new, after, "stopped")
        except NoTurn as error:
            self.notes.error(f"incomplete: {error}; /retry asks again")
        except Incomplete as error:
            self._keep_part(new, after, f"incomplete: {error}")
        else:
            self._failed = []
        finally:
            self._answering = None

    def _keep_part(self, new: list[Message], after: int | None, why: str) -> None:
        """What a person has read is part of the conversation."""
        if not self.live.text:
            return self.notes.error(f"{why}; /retry asks again")
        self.dialogue.keep_part(new, self.live.text, after=after)
        self._failed = []
        return self.notes.error(f"{why}; the part that came is kept (/undo, /retry)")

    # Commands

    def _command(self, name: str) -> Callable[[str], Awaitable[None]]:
        if name not in SLASH_COMMANDS:
            close = difflib.get_close_matches(name, SLASH_COMMANDS, n=1)
            raise UsageError(
                f"there is no command {name}", todo=f"did you mean {close[0]}?" if close else "see /help"
            )
        found: Callable[[str], Awaitable[None]] = getattr(self, f"_do_{name[1:]}")
        return found

    async def _do_help(self, _rest: str) -> None:
        width = max(map(len, SLASH_COMMANDS))
        lines = (f"{name.ljust(width)}  {what}\n" for name, what in SLASH_COMMANDS.items())
        self.notes.show("".join(lines) + _KEYS)

    async def _do_system(self, rest: str) -> None:
        if rest:
            self.dialogue.set_system(rest)
        else:
            message = self.dialogue.system
            self.notes.show((text_of(message) if message else "there is no system message") + "\n")

    async def _do_model(self, rest: str) -> None:
        if rest:
            self.switch(rest)
        tell = self.notes.write if rest else self.notes.show
        tell(f"{self.dialogue.model}\n")

    async def _do_undo(self, _rest: str) -> None:
        if self._failed:
            self.notes.write(f"undone: {_short(self._failed)}\n")
            self._failed = []
            return
        start, messages = self._last_turn()
        self.dialogue.take_back(start)
        self.notes.write(f"undone: {_short(messages)}\n")

    async def _do_retry(self, _rest: str) -> None:
        if self._failed:
            return await self._ask(self._failed, self._failed_after)
        start, messages = self._last_turn()
        asked = [message for at, message in enumerate(messages) if begins_turn(messages, at)]
        return await self._ask(asked or messages[:1], after=start)

    async def _do_pin(self, _rest: str) -> None:
        start, messages = self._last_turn()
        self.dialogue.conversation.pin(start)
        self.notes.write(f"pinned: {_short(messages)}\n")

    async def _do_save(self, rest: str) -> None:
        if not rest:
            self.notes.show(f"{self.place or 'nowhere: /save NAME keeps a copy'}\n")
            return
        path = session_path(self.state / "sessions", rest)
        if files.exists(path):
            raise UsageError(f"{path} is there already", todo="save under another name")
        transcript = FileTranscript(path)
        try:
            self.dialogue.conversation.copy_to(transcript)
        finally:
            transcript.close()
        self.notes.write(f"saved: {path}\n")

    async def _do_tokens(self, _rest: str) -> None:
        tokens, limit = self.dialogue.fitting.tokens()
        may = "" if limit is None else f" of {limit:,} that may be sent"
        self.notes.show(f"{tokens:,} tokens{may}\n")

    async def _do_copy(self, _rest: str) -> None:
        _, messages = self._last_turn()
        text = next((text for message in reversed(messages) if (text := _answer_of(message))), "")
        if not text:
            raise UsageError("the last turn has no answer to copy")
        self.draw(f"\x1b]52;c;{base64.b64encode(text.encode('utf-8', 'replace')).decode()}\x07")
        self.notes.write(f"copied: {len(text):,} characters, if the terminal lets a program do so\n")

    async def _do_cost(self, _rest: str) -> None:
        self.notes.show(f"{self.dialogue.spent.shown()}\n")

    def _last_turn(self) -> tuple[int, list[Message]]:
        """(the number of its first message, its messages)."""
        messages = [entry.message for entry in self.dialogue.conversation.entries]
        turns = turns_of(messages)
        if not turns:
            raise UsageError("nothing was said yet")
        return turns[-1][0], [messages[number] for number in turns[-1]]

    # The line editor

    def _prompt_session(self) -> PromptSession[str]:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.application import get_app
        from prompt_toolkit.output import create_output

        return PromptSession(
            multiline=True,
            prompt_continuation=". ",
            history=_history(self.state / "history"),
            key_bindings=_bindings(),
            completer=_completer(),
            complete_while_typing=False,
            bottom_toolbar=lambda: self.status(get_app().output.get_size().columns),
            output=create_output(always_prefer_tty=True),
        )

    def status(self, width: int) -> str:
        """The status line of so many columns: model, tokens used of the window, cost so far."""
        used, window = self.dialogue.used()
        tokens = "no tokens yet" if used is None else f"{used:,} tokens"
        of = tokens if window is None else f"{tokens} of {window:,}"
        model, cost = self.dialogue.model, self.dialogue.spent.shown()
        forms = {"model": (model, model.rpartition("/")[2], ""), "tokens": (of, tokens, ""), "cost": (cost,)}
        return " " + fitted(forms, ("model", "tokens", "model", "tokens"), width - 2)


def _answer_of(message: Message) -> str:
    return text_of(message) if message["role"] == "assistant" else ""


def _short(messages: Sequence[Message]) -> str:
    asked = next((one for one in messages if one["role"] not in SYSTEM), messages[0])
    text = " ".join(text_of(asked).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _history(path: Path) -> Any:
    """What was typed before; of this run alone, where it cannot be kept."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    class Typed(FileHistory):
        """The same file, to which each input is added whole, or where there is no room not at all."""

        def store_string(self, string: str) -> None:
            lines = "".join(f"+{line}\n" for line in string.split("\n"))
            with suppress(OutputFailure):
                files.append_line(
                    str(path), f"\n# {datetime.now().astimezone()}\n{lines}".encode("utf-8", "replace")
                )

    with suppress(OSError):
        files.make_directory(path.parent)
        os.close(files.open_shared(path))
        return Typed(str(path))
    return InMemoryHistory()


def _bindings() -> Any:
    from prompt_toolkit.key_binding import KeyBindings

    bindings = KeyBindings()

    @bindings.add("enter")
    def _(event: Any) -> None:
        buffer = event.current_buffer
        if buffer.document.text_before_cursor.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @bindings.add("escape", "enter")
    def _(event: Any) -> None:
        event.current_buffer.insert_text("\n")

    return bindings


def _completer() -> Any:
    from prompt_toolkit.completion import Completer, Completion

    class Commands(Completer):
        """The commands that go on as the line begins."""

        def get_completions(self, document: Any, _event: Any) -> Any:
            typed = document.text_before_cursor
            if typed.startswith("/"):
                for name, what in SLASH_COMMANDS.items():
                    if name.startswith(typed):
                        yield Completion(name, start_position=-len(typed), display_meta=what)

    return Commands()
