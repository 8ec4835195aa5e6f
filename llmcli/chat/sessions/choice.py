"""Where a conversation is kept: the file that the flags mean, opened, and the model that it remembers."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from llmcli import files
from llmcli.app import App
from llmcli.chat.sessions.directory import read_session, session_path, sessions_in
from llmcli.chat.sessions.session import Conversation
from llmcli.chat.sessions.transcript import FileTranscript, MemoryTranscript, Transcript, check_transcript
from llmcli.config import state_directory
from llmcli.errors import NoInput
from llmcli.settings.conversation import SessionSettings
from llmcli.settings.request import RequestSettings


def directory_of(app: App) -> Path:
    """Where sessions with a bare name are."""
    return state_directory(app.world.env) / "sessions"


def chosen_path(app: App, keeping: SessionSettings) -> Path | None:
    """The file of the session that is meant; None: none is. Raises NoInput where there is none to go on with."""
    directory = directory_of(app)
    if keeping.session is not None:
        return session_path(directory, keeping.session)
    if not keeping.resume:
        return None
    paths = [listed.path for listed in sessions_in(directory)[:1]]
    with suppress(OSError, ValueError):  # of a file that is not there any more
        last = Path(os.fsdecode(files.read_regular(_last(app))))
        if last.is_absolute() and files.is_file(last):
            paths = sorted([last, *paths], key=lambda path: path.stat().st_mtime_ns, reverse=True)
    if not paths:
        raise NoInput("there is no session to continue", str(directory), "begin one with --session NAME")
    return paths[0]


def _last(app: App) -> Path:
    """The file that names the last session which is not in the directory."""
    return state_directory(app.world.env) / "last-session"


def _remember(app: App, path: Path) -> None:
    """Let `-c` find a session wherever it is. Nothing is lost where that cannot be kept."""
    if path.parent != directory_of(app):
        last = _last(app)
        with suppress(OSError):
            files.make_directory(last.parent)
            files.replace(last, os.fsencode(path.absolute()), sync=False)


def new_path(app: App) -> Path:
    """The file of a new app, named for the time."""
    name = app.world.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
    directory = directory_of(app)
    path, number = directory / f"{name}.jsonl", 2
    while files.exists(path):
        path, number = directory / f"{name}-{number}.jsonl", number + 1
    return path


def open_conversation(
    app: App, path: Path | None, *, must_exist: bool = False, only_read: bool = False
) -> Conversation:
    """The conversation of a file, locked until it is closed; None: of no file. `only_read`: a copy of it."""
    transcript: Transcript
    if path is not None and not only_read:
        transcript = FileTranscript(path, must_exist=must_exist)
    elif path is not None:
        if not must_exist:
            check_transcript(path)
        is_there = must_exist or files.exists(path)
        transcript = MemoryTranscript(read_session(path) if is_there else b"")
    else:
        transcript = MemoryTranscript()
    created = app.world.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        if path is not None and not only_read:
            _remember(app, path)
        return Conversation(transcript, str(path or "the conversation"), created)
    except BaseException:
        transcript.close()
        raise


def with_model(app: App, request: RequestSettings, conversation: Conversation) -> RequestSettings:
    """The settings with the session's model, unless the command line names one."""
    if conversation.model is None or "model" in app.typed:
        return request
    name = conversation.model
    as_typed = app.addresses(request.base_url).of(name).as_typed  # there names go without the provider's
    return replace(request, model=name.partition("/")[2] if as_typed else name)
