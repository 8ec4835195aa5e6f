"""Calls go down: whatever command runs, no function of a lower floor enters one of a higher.

What a lower floor was handed, as a method of a protocol or a function to call back, is named here with the reason.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from types import FrameType

import pytest

from tests import server as wire
from tests.unit.test_floors import FLOORS, room

THROUGH = {
    "contextlib",
    "functools",
    "dataclasses",
    "llmcli.lean.dataclass",
    "llmcli.lean.once",
}  # what stands between a caller and what it calls

RUNS = "a coroutine that it was given to run"
TOLD = "an answer tells those who asked to be told, as it comes and at its end"
HANDED = {
    (
        "habits.understood.understood",
        "cli.line.options",
    ): "the door alone knows the options of all commands",
    ("settings.profiles.taken", "cli.line._anywhere"): (
        "a profile may hold what other commands take, and the door alone knows all of them"
    ),
    ("loop.runner._supervised", "exchange.client.Client._to_the_end"): RUNS,
    ("loop.runner.run_at_once", "exchange.client.Client._to_the_end"): RUNS,
    ("loop.runner._supervised", "batch.program.Program.execute"): RUNS,
    ("exchange.client.Client._to_the_end", "chat.dialogue.Dialogue.turn"): RUNS,
    ("exchange.client.Client._to_the_end", "chat.script.Script.play"): RUNS,
    ("transport.answer.Answer._next", "exchange.layers.awaited.Awaited.ask.<locals>.note"): TOLD,
    ("transport.answer.Answer._ended", "exchange.layers.store.Store._keep.<locals>.keep"): TOLD,
    ("transport.answer.Answer._ended", "exchange.layers.window.Window._paid.<locals>.<lambda>"): TOLD,
    ("transport.answer.Answer._ended", "exchange.layers.budget.Budget.reserve.<locals>.settle"): TOLD,
    ("transport.answer.Answer._ended", "exchange.exchange._show.<locals>.end"): TOLD,
    ("transport.answer.Answer.aclose", "exchange.layers.store.Locks.held"): TOLD,
    ("transport.answer.Answer._next", "rehearsal.offline.Offline.ask.<locals>.chunks"): (
        "the chunks that an answer is made of are those of its transport"
    ),
    ("transport.sdk.Sdk._sent", "exchange.authorization._remembered.<locals>.key_of"): (
        "KeyOf: only the command knows who may have which key"
    ),
    ("transport.pooled.Pooled.ask", "exchange.authorization._remembered.<locals>.key_of"): "KeyOf",
    ("transport.wire.exchange.Wire._ended", "batch.engine.engine.Engine._came"): (
        "who does not wait for an answer is called when it has come"
    ),
    (
        "lean.turns.Turns.end",
        "batch.engine.engine.Engine._turn",
    ): "what is put off is called at the end of a turn",
    ("exchange.layers.repair.Repair.ask", "batch.pacing.pace.Pace.next"): (
        "a further request of a row waits for its turn, which the batch alone knows"
    ),
    ("wire.Request.body", "request.responses.sent.responses_body"): (
        "a request is sent as its Api has it, and only the requests' room knows how"
    ),
    ("output.sink.TextSink._answer", "exchange.shown.sink_of.<locals>.read"): (
        "a sink shows an answer as it was judged, and judging is not its business"
    ),
}


def floor(frame: FrameType | None) -> int | None:
    """The floor of the module that a function is of; None where that is not ours, or made for a dataclass."""
    if frame is None or frame.f_code.co_filename.startswith("<"):
        return None
    name = frame.f_globals.get("__name__", "")
    return FLOORS[room(name)] if name.split(".")[0] == "llmcli" else None


def caller_of(frame: FrameType) -> FrameType | None:
    caller = frame.f_back
    while caller is not None and caller.f_globals.get("__name__") in THROUGH:
        caller = caller.f_back
    return caller


def spelled(frame: FrameType) -> str:
    return f"{frame.f_globals['__name__'].removeprefix('llmcli.')}.{frame.f_code.co_qualname}"


@contextmanager
def watched() -> Iterator[set[tuple[str, str]]]:
    """(caller, called) of each call that goes up, in every thread; none of them is made by the search for garbage."""
    seen: set[tuple[str, str]] = set()

    def profile(frame: FrameType, event: str, _arg: object) -> None:
        if event == "call" and frame.f_code.co_name != "<module>" and (here := floor(frame)) is not None:
            caller = caller_of(frame)
            there = floor(caller)
            if caller is not None and there is not None and here > there:
                seen.add((spelled(caller), spelled(frame)))

    gc.collect()
    gc.disable()
    before = sys.getprofile()
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield seen
    finally:
        sys.setprofile(before)
        threading.setprofile(before)
        gc.enable()


TOOLS = ("--tools", '[{"name": "f"}]', "--exec", "f=cat")
INVALID, VALID = wire.ok("no JSON"), wire.ok('{"name": "Ann"}')
AGAIN = [wire.status(503, headers={"retry-after": "0"}), wire.ok("Hello")]
CALL = [wire.ok(tool_calls=[wire.call("f", {"a": 1})]), wire.ok("Hello")]

# A command line, what the server does, and what is on stdin.
LINES = {
    "ask": (["ask", "Hi"], wire.echo, b""),
    "ask, whole": (["ask", "--no-stream", "-v", "--json", "Hi"], wire.echo, b""),
    "ask, in vain at first": (["ask", "--retries", "2", "Hi"], AGAIN, b""),
    "ask offline": (["ask", "-m", "offline/echo", "Hi"], wire.echo, b""),
    "ask, schema and repair": (["ask", "--schema", "name", "--repair", "1", "Hi"], [INVALID, VALID], b""),
    "ask, cache": (["ask", "--cache", "--max-cost", "1", "--price", "1,1", "-M", "9", "Hi"], wire.echo, b""),
    "ask, tools": (["ask", *TOOLS, "Hi"], CALL, b""),
    "ask, fallback": (
        ["ask", "--retries", "0", "--fallback", "other", "Hi"],
        [wire.status(503), wire.ok()],
        b"",
    ),
    "ask --profile": (["ask", "--profile", "p", "Hi"], wire.echo, b""),
    "ask --dry-run": (["ask", "--dry-run", "Hi"], wire.echo, b""),
    "ask --session": (["ask", "--session", "s.jsonl", "Hi"], wire.echo, b""),
    "chat": (["chat", "--session", "s.jsonl"], wire.echo, b"one\ntwo\n"),
    "chat, tools": (["chat", *TOOLS], CALL, b"one\n"),
    "ask --api responses": (["ask", "--api", "responses", "Hi"], wire.echo, b""),
    "batch": (["batch", "-O", "out.jsonl"], wire.echo, b'{"prompt": "a"}\n{"prompt": "b"}\n'),
    "batch, in vain at first": (["batch", "--retries", "2"], AGAIN, b'{"prompt": "a"}\n'),
    "batch, schema": (["batch", "--schema", "name", "--repair", "1"], [INVALID, VALID], b'{"prompt": "a"}\n'),
    "batch --dry-run": (["batch", "--dry-run"], wire.echo, b'{"prompt": "a"}\n'),
    "count": (["count", "-m", "gpt-4o", "-u", "Hi"], wire.echo, b""),
    "models": (["models", "gpt-4o"], wire.echo, b""),
    "help": (["help", "ask"], wire.echo, b""),
}
HERE = {"models", "help"}  # commands that ask no server


@pytest.fixture
def calls(cli, config, server, tmp_path):
    """Runs one of LINES; what goes up in it."""
    config.write_text("[profiles.p]\nrpm = 3\n")  # an option of another command

    def run(name: str) -> set[tuple[str, str]]:
        argv, server.script, stdin = LINES[name]
        at = (
            []
            if argv[0] in HERE
            else ["--base-url", server.base_url, *([] if "-m" in argv else ["-m", "tiny"])]
        )
        with chdir(tmp_path), watched() as seen:
            done = cli(argv[0], *at, *argv[1:], stdin=stdin)
        assert done.code == 0, done.err
        return seen

    return run


@pytest.mark.parametrize("name", LINES)
def test_calls_go_down(name, calls):
    assert calls(name) - HANDED.keys() == set()


def test_what_is_handed_down_is_called(calls):
    assert set().union(*(calls(name) for name in LINES)) >= HANDED.keys(), (
        "an entry that nobody needs any more"
    )
