"""Conversation: which one, what is sent of it when it has grown long, and how turns come in."""
# No `from __future__ import annotations`: the annotations are read as objects.

from typing import Literal

from llmcli.lean.annotated import Annotated
from llmcli.settings.flag import flag, settings


@settings("Conversation")
class SessionSettings:
    """The conversation that this belongs to."""

    session: Annotated[
        str | None,
        flag(
            "--session",
            metavar="FILE.jsonl|NAME",
            help="Go on with the conversation kept there, or begin it.",
            everyday=True,
        ),
    ] = None
    resume: Annotated[
        bool,
        flag(
            "--continue",
            "-c",
            help="Go on with the newest session (with --session: with that).",
            everyday=True,
        ),
    ] = False

    @property
    def wanted(self) -> bool:
        """Whether there is one."""
        return self.session is not None or self.resume


@settings("Conversation")
class ContextSettings:
    """What is sent of a conversation that has grown long."""

    context: Annotated[
        Literal["window", "summarize", "error"],
        flag(
            "--context",
            help="Where it is too long: drop the oldest turns (window), have a model summarize them, or exit 2.",
        ),
    ] = "window"
    max_context_tokens: Annotated[
        int | None,
        flag(
            "--max-context-tokens",
            low=1,
            metavar="N",
            help="Most tokens of a prompt (the model's window less the answer).",
        ),
    ] = None
    keep_turns: Annotated[
        int | None, flag("--keep-turns", low=1, metavar="N", help="Send the newest N turns at most.")
    ] = None
    summary_model: Annotated[
        str | None,
        flag(
            "--summary-model",
            metavar="[PROVIDER/]NAME",
            help="The model that summarizes (the one that answers).",
        ),
    ] = None

    @property
    def wanted(self) -> bool:
        """Whether anything is said about it."""
        return self != ContextSettings()


@settings("Conversation")
class TurnSettings:
    """How turns come in."""

    turns: Annotated[
        Literal["lines", "null", "jsonl"],
        flag(
            "--turns",
            help="What a turn on stdin is: a line, text up to NUL, or a line of JSON (a string or a message).",
            everyday=True,
        ),
    ] = "lines"
    keep_going: Annotated[
        bool, flag("--keep-going", help="Go on after a turn that failed; it is left out.")
    ] = False
    no_session: Annotated[bool, flag("--no-session", help="Keep nothing, also on a terminal.")] = False
    list_sessions: Annotated[
        bool, flag("--list", help="List the sessions of the state directory, newest first.")
    ] = False
