"""The REPL, with a person at a real pseudo-terminal."""

from __future__ import annotations

import json
import re
import shlex
import signal
import stat
from pathlib import Path

import pexpect
import pytest

from tests import server as wire

PROMPT = "\x1b[?2004h"  # the line editor has the terminal
SENT = "\x1b[?2004l"  # and has given it back
CTRL_C, CTRL_D, UP, ESC_ENTER, TAB = "\x03", "\x04", "\x1b[A", "\x1b\r", "\t"
CURSOR_ASKED, CURSOR_TOLD = "\x1b[6n", "\x1b[5;1R"


class Person:
    """Types, and looks at what comes."""

    def __init__(self, process, argv: tuple[str, ...], env: dict[str, str], before: str) -> None:
        self.screen = pexpect.spawn(
            "/bin/bash",
            [
                "-c",
                f"{before}; exec {shlex.join(process.command('chat', *argv))}",
            ],
            cwd=str(process.home),
            env={**process.env, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", **env},
            encoding="utf-8",
            codec_errors="surrogateescape",
            timeout=30,
            dimensions=(40, 300),
        )
        self.screen.delaybeforesend = None

    def press(self, keys: str) -> None:
        """Press keys at the prompt."""
        self.screen.expect_exact(PROMPT)
        self.screen.send(keys)

    def say(self, text: str, *seen: str) -> None:
        """Type a line at the prompt, and see all of this after it, in order."""
        self.press(text + "\r")
        self.sees(SENT, *seen)

    def sees(self, *seen: str) -> None:
        for one in seen:
            self.screen.expect_exact(one)

    def leaves(self) -> int:
        """The exit status, once the program has ended."""
        self.screen.expect(pexpect.EOF)
        self.screen.close()
        return (
            self.screen.exitstatus if self.screen.exitstatus is not None else 128 + self.screen.signalstatus
        )


@pytest.fixture
def person(process):
    people: list[Person] = []

    def sit_down(*argv: str, before: str = ":", **env: str) -> Person:
        plain = (
            () if "--render" in argv else ("--no-render",)
        )  # what is drawn says nothing of where it stands
        people.append(Person(process, (*argv, *plain), env, before))
        return people[-1]

    yield sit_down
    for one in people:
        one.screen.close(force=True)


@pytest.fixture
def echoed(person):
    return lambda *argv, **env: person("-m", "offline/echo", *argv, **env)


@pytest.fixture
def served(person, server):
    return lambda *argv, **env: person("--base-url", server.base_url, "-m", "tiny", *argv, **env)


def state(process) -> Path:
    return process.home / ".local" / "state" / "llmcli"


def only_session(process) -> Path:
    (path,) = (state(process) / "sessions").iterdir()
    return path


def kept(path: Path) -> list[tuple[str, str]]:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [(one["role"], one["content"]) for one in records if "role" in one]


def test_a_conversation_is_kept_without_being_asked_for(echoed, process):
    someone = echoed()
    someone.sees("llmcli: offline/echo, kept in ")
    someone.say("hello there", "hello there\r\n")
    someone.say("and?", "and?\r\n")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    session = only_session(process)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-\d{6}\.jsonl", session.name)
    assert stat.S_IMODE(session.stat().st_mode) == 0o600
    assert kept(session) == [
        *(("user", "hello there"), ("assistant", "hello there")),
        *(("user", "and?"), ("assistant", "and?")),
    ]


def test_nothing_said_is_nothing_kept(echoed, process):
    someone = echoed()
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    assert list((state(process) / "sessions").iterdir()) == []
    someone = echoed("--no-session")
    someone.say("hello", "hello\r\n")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    assert list((state(process) / "sessions").iterdir()) == []


@pytest.mark.parametrize("word", ["exit", "quit", "/exit", " quit "])
def test_words_that_leave(echoed, word):
    someone = echoed()
    someone.say(word)
    assert someone.leaves() == 0


@pytest.mark.parametrize(
    "keys",
    ["one\\\rtwo\r", f"one{ESC_ENTER}two\r", "\x1b[200~one\ntwo\x1b[201~\r"],
    ids=["backslash", "Esc Enter", "paste"],
)
def test_a_turn_of_two_lines(echoed, process, keys):
    someone = echoed()
    someone.press(keys)
    someone.sees(SENT, "one\r\ntwo\r\n")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    assert kept(only_session(process))[0] == ("user", "one\ntwo")


def test_history_is_kept_for_the_next_time(echoed, process):
    someone = echoed()
    someone.say("the first", "the first\r\n")
    someone.say("exit")
    assert someone.leaves() == 0
    assert stat.S_IMODE((state(process) / "history").stat().st_mode) == 0o600
    someone = echoed()
    someone.press(UP)
    someone.sees("exit")
    someone.screen.send(UP)
    someone.sees("the first")
    someone.screen.send("!\r")
    someone.sees(SENT, "the first!\r\n")


def test_ctrl_c_stops_the_answer_and_keeps_what_came(served, server, process):
    hold = wire.Hold()
    server.script = [wire.ok("Hello there", hold=hold, after=2), wire.ok("Bye")]
    someone = served()
    someone.say("hi", "Hello th")
    assert hold.reached.wait(30)
    someone.screen.send(CTRL_C)
    someone.sees("llmcli: stopped; the part that came is kept (/undo, /retry)\r\n")
    assert server.requests[0].finished.wait(10)
    assert server.requests[0].gone
    someone.say("go on", "Bye\r\n")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    assert [message["content"] for message in server.requests[1].json["messages"]] == [
        "hi",
        "Hello th",
        "go on",
    ]
    assert '"content":"Hello th","llmcli":{"cut":true}' in only_session(process).read_text()


def test_ctrl_c_before_the_first_word_keeps_nothing(served, server, process):
    hold = wire.Hold()
    server.script = [wire.held(wire.ok("Hello"), hold), wire.ok("Again"), wire.ok("Bye")]
    someone = served()
    someone.say("hi")
    assert hold.reached.wait(30)
    someone.screen.send(CTRL_C)
    someone.sees("llmcli: stopped; /retry asks again\r\n")
    someone.say("/retry", "Again\r\n")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    assert kept(only_session(process)) == [("user", "hi"), ("assistant", "Again")]


def test_ctrl_c_at_the_prompt_clears_the_line(echoed, process):
    someone = echoed()
    someone.press("half a thou")
    someone.sees("half a thou")
    someone.screen.send(CTRL_C)
    someone.say("whole", "whole\r\n")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    assert kept(only_session(process))[0] == ("user", "whole")


def test_sigterm_ends_it_with_143(echoed):
    someone = echoed()
    someone.screen.expect_exact(PROMPT)
    someone.screen.kill(signal.SIGTERM)
    someone.sees("llmcli: terminated: SIGTERM arrived\r\n")
    assert someone.leaves() == 143


def test_a_failed_turn_is_said_and_does_not_end_it(served, server):
    server.script = [wire.status(400), wire.ok("Fine")]
    someone = served()
    someone.say("hi", "llmcli: rejected: The server says 400.")
    someone.say("/retry", "Fine\r\n")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    assert len(server.requests[1].json["messages"]) == 1


def test_the_system_message_outlives_a_first_turn_that_failed(served, server):
    server.script = [wire.status(400), wire.ok("Fine")]
    someone = served("-s", "Be brief")
    someone.say("hi", "llmcli: rejected: ")
    someone.say("there", "Fine\r\n")
    assert [one["content"] for one in server.requests[1].json["messages"]] == ["Be brief", "there"]


def test_an_answer_cut_at_the_limit_is_kept(served, server):
    server.script = [wire.ok("Once upon", finish_reason="length"), wire.ok(" a time")]
    someone = served()
    someone.say("tell", "Once upon\r\n", "llmcli: incomplete: ", "the part that came is kept")
    someone.say("go on", " a time\r\n")
    assert len(server.requests[1].json["messages"]) == 3


def test_an_answer_whose_ending_nobody_knows_is_not_kept(served, server):
    server.script = [wire.ok("Once upon", finish_reason="weird"), wire.ok("Fine")]
    someone = served()
    someone.say("tell", "Once upon\r\n", "llmcli: incomplete: ", "weird", "/retry asks again")
    someone.say("go on", "Fine\r\n")
    assert [one["content"] for one in server.requests[1].json["messages"]] == ["go on"]


def test_no_escape_sequence_of_a_model_reaches_the_terminal(served, server):
    server.script = wire.ok("\x1b]0;owned\x07\x1b[2J\x9b31m red\r over")
    someone = served()
    someone.say("hi", "^[]0;owned^G^[[2J<U+009B>31m red^M over\r\n")


def test_tools_run(served, server, process):
    calls = [wire.call("upper", {"text": "ada"})]
    server.script = [wire.ok("Let me see", tool_calls=calls), wire.ok("ADA")]
    tools = '{"name":"upper","parameters":{"type":"object"}}'
    someone = served("--tools", tools, "--exec", "upper=tr a-z A-Z")
    someone.say("Shout", "Let me see\r\nADA\r\n")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    assert [role for role, _ in kept(only_session(process))] == ["user", "assistant", "tool", "assistant"]


# --- Commands ------------------------------------------------------------------------------------------------


def test_help_names_every_command(echoed):
    from llmcli.chat.repl import SLASH_COMMANDS

    someone = echoed()
    someone.say("/help", *SLASH_COMMANDS, "Ctrl-C stops an answer")


def test_what_was_asked_for_is_shown_to_the_quiet(echoed):
    someone = echoed("-q")
    someone.say("one", "one\r\n")
    someone.say("/help", "this list\r\n")
    someone.say("/model", "offline/echo\r\n")
    someone.say("/system", "there is no system message\r\n")
    someone.say("/tokens", "13 tokens of ")
    someone.say("/cost", "$0.000000\r\n")
    someone.say("/save", "/sessions/2")


def test_commands_are_completed(echoed):
    someone = echoed()
    someone.press("/cos" + TAB)
    someone.sees("/cost")
    someone.screen.send("\r")
    someone.sees(SENT, "$0.000000\r\n")


def test_a_command_that_is_none(echoed):
    someone = echoed()
    someone.say("/tokns", "llmcli: usage: there is no command /tokns; did you mean /tokens?\r\n")
    someone.say(" /tokns", "/tokns\r\n")  # behind a space it is said to the model


def test_undo_takes_the_last_turn_back(echoed, process):
    someone = echoed()
    someone.say("/undo", "llmcli: usage: nothing was said yet\r\n")
    someone.say("one", "one\r\n")
    someone.say("two", "two\r\n")
    someone.say("/undo", "undone: two\r\n")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    assert kept(only_session(process)) == [("user", "one"), ("assistant", "one")]


def test_retry_replaces_the_last_answer(served, server, process):
    server.script = [wire.ok("first"), wire.ok("second")]
    someone = served()
    someone.say("hi", "first\r\n")
    someone.say("/retry", "second\r\n")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    assert server.requests[0].json == server.requests[1].json
    assert kept(only_session(process)) == [("user", "hi"), ("assistant", "second")]


def test_a_retry_that_fails_keeps_the_answer_there_was(served, server, process):
    server.script = [wire.ok("first"), wire.status(400)]
    someone = served()
    someone.say("hi", "first\r\n")
    someone.say("/retry", "llmcli: rejected: ")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    assert kept(only_session(process)) == [("user", "hi"), ("assistant", "first")]


def test_a_retry_after_a_retry_that_failed_asks_the_same(served, server, process):
    server.script = [wire.ok("first"), wire.status(400), wire.ok("third")]
    someone = served()
    someone.say("hi", "first\r\n")
    someone.say("/retry", "llmcli: rejected: ")
    someone.say("/retry", "third\r\n")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    assert server.requests[2].json == server.requests[0].json
    assert kept(only_session(process)) == [("user", "hi"), ("assistant", "third")]


def test_system_sets_and_shows_the_system_message(served, server):
    someone = served()
    someone.say("/system", "there is no system message\r\n")
    someone.say("/system Be brief")
    someone.say("hi", "hi\r\n")
    someone.say("/system Be long")
    someone.say("/system", "Be long\r\n")
    someone.say("more", "more\r\n")
    systems = [
        [one["content"] for one in request.json["messages"] if one["role"] == "system"]
        for request in server.requests
    ]
    assert systems == [["Be brief"], ["Be long"]]


@pytest.mark.parametrize("command", ["/retry", "/undo"])
def test_a_system_message_outlives_the_turn_before_it(served, server, process, command):
    someone = served("-s", "Be brief")
    someone.say("hi", "hi\r\n")
    someone.say("/system Be long")
    someone.say(command, "hi\r\n")
    someone.say("/system", "Be long\r\n")
    someone.say("more", "more\r\n")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    systems = [
        [one["content"] for one in request.json["messages"] if one["role"] == "system"]
        for request in server.requests
    ]
    assert systems == [["Be brief"], *[["Be long"]] * (len(systems) - 1)]
    left = [("user", "hi"), ("assistant", "hi")] if command == "/retry" else []
    assert kept(only_session(process)) == [
        *(("system", "Be brief"), ("system", "Be long")),
        *left,
        *(("user", "more"), ("assistant", "more")),
    ]


def test_a_turn_that_is_asked_again_stays_pinned(served, server, process):
    server.script = [wire.ok("first"), wire.ok("second")]
    someone = served()
    someone.say("hi", "first\r\n")
    someone.say("/pin", "pinned: hi\r\n")
    someone.say("/retry", "second\r\n")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    assert '{"role":"user","content":"hi","llmcli":{"pin":true}}\n' in only_session(process).read_text()


def test_a_system_message_that_is_typed_wins(served, server):
    someone = served("-s", "Be brief")
    someone.say("/system Be long")
    someone.say("hi", "hi\r\n")
    assert [one["content"] for one in server.requests[0].json["messages"]] == ["Be long", "hi"]


def test_model_speaks_to_another_from_there_on(echoed, process):
    someone = echoed()
    someone.say("one", "one\r\n")
    someone.say("/model offline/flaky?rate=0", "offline/flaky?rate=0\r\n")
    someone.say("two", "two\r\n")
    someone.say("/model gemini/", "llmcli: usage: ")
    someone.say("/model", "offline/flaky?rate=0\r\n")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    assert '{"llmcli":{"model":"offline/flaky?rate=0"}}\n' in only_session(process).read_text()


def test_the_model_outlives_a_turn_that_is_taken_back(echoed, process):
    someone = echoed()
    someone.say("one", "one\r\n")
    someone.say("/model offline/flaky?rate=0", "offline/flaky?rate=0\r\n")
    someone.say("/system Be brief")
    someone.say("/undo", "undone: one\r\n")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    *_, note, system = only_session(process).read_text().splitlines()
    assert note == '{"llmcli":{"model":"offline/flaky?rate=0"}}'
    assert json.loads(system)["content"] == "Be brief"


def test_pin_save_and_tokens(echoed, process):
    someone = echoed()
    someone.say("one", "one\r\n")
    someone.say("/pin", "pinned: one\r\n")
    someone.say("/tokens", "13 tokens of 75,000,000 that may be sent\r\n")
    someone.say("/save ada", f"saved: {state(process)}/sessions/ada.jsonl\r\n")
    someone.say("/save ada", "llmcli: usage: ", " is there already; save under another name\r\n")
    someone.say("/save", f"{state(process)}/sessions/2")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    copy = (state(process) / "sessions" / "ada.jsonl").read_text()
    assert '{"llmcli":{"pin":0}}\n' in copy
    done = process("ask", "--session", "ada", "--no-stdin", "and?")
    assert (done.code, done.out) == (0, "and?\n")


def test_the_status_line(served, server):
    server.script = wire.ok("Hello", usage=wire.usage(1_000, 234), model="gpt-4o-mini")
    someone = served("-m", "gpt-4o-mini", PROMPT_TOOLKIT_NO_CPR="", OPENAI_API_KEY="sk-test")
    someone.sees(CURSOR_ASKED)
    someone.screen.send(CURSOR_TOLD)
    someone.sees("openai/gpt-4o-mini  no tokens yet of 128,000  $0.000000")
    someone.screen.send("hi\r")
    someone.sees("Hello\r\n", CURSOR_ASKED)
    someone.screen.send(CURSOR_TOLD)
    someone.sees("openai/gpt-4o-mini  1,234 tokens of 128,000  $0.000290")


def test_answers_may_go_to_a_pipe(process):
    command = " ".join([*process.command("chat", "-m", "offline/echo"), "> answers.txt"])
    screen = pexpect.spawn(
        "/bin/sh",
        ["-c", command],
        cwd=str(process.home),
        env={**process.env, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
        encoding="utf-8",
        timeout=30,
    )
    screen.expect_exact(PROMPT)
    screen.send("hello\r")
    screen.expect_exact(PROMPT)
    screen.send(CTRL_D)
    screen.expect(pexpect.EOF)
    screen.close()
    assert screen.exitstatus == 0
    assert (process.home / "answers.txt").read_text() == "hello\n"


def test_a_session_is_gone_on_with(echoed, process):
    process("ask", "-m", "offline/echo", "--session", "ada", "--no-stdin", "I am Ada")
    someone = echoed("-c")
    someone.say("and?", "and?\r\n")
    someone.say("exit")
    assert someone.leaves() == 0
    assert [content for _, content in kept(state(process) / "sessions" / "ada.jsonl")] == [
        "I am Ada",
        "I am Ada",
        "and?",
        "and?",
    ]


def test_a_history_that_finds_no_room_ends_no_conversation(echoed, process):
    history = state(process) / "history"
    history.parent.mkdir(parents=True)
    history.write_text("\n# before\n+" + "y" * 1000 + "\n")
    before = history.read_bytes()
    someone = echoed(before="ulimit -f 1", PYTHONDONTWRITEBYTECODE="1")
    someone.say("the first", "the first\r\n")
    someone.say("the second", "the second\r\n")
    someone.press(UP)
    someone.sees("the second")
    someone.screen.send("\x03")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    assert history.read_bytes() == before


def test_a_label_is_shown_as_it_was_spelled(echoed):
    person = echoed("--choices", "Bug,Question")
    person.say("is it a question?", "Question\r\n")
    person.say("/exit")
    assert person.leaves() == 0


def test_an_answer_is_laid_out_unless_that_is_not_wanted(echoed):
    someone = echoed("--render", TERM="xterm-256color")
    someone.say("Some **bold** words and &#27;]0;owned.", "\x1b[1mbold\x1b[0m words and \ufffd]0;owned.")
    someone.press(CTRL_D)
    assert someone.leaves() == 0
    someone = echoed()
    someone.say("Some **bold** words.", "Some **bold** words.\r\n")


def test_an_answer_is_copied_to_the_clipboard(echoed):
    someone = echoed()
    someone.say("/copy", "nothing was said yet")
    someone.say("Bread", "Bread\r\n")
    someone.say("/copy", "\x1b]52;c;QnJlYWQ=\x07", "copied: 5 characters")


@pytest.mark.parametrize(("flags", "seen"), [("--render", "\x1b[1mbold\x1b[0m"), ("", "**bold**")])
def test_ask_lays_an_answer_out_where_that_is_wanted(process, flags, seen):
    ask = shlex.join(process.command("ask", "--no-stdin", "-m", "offline/echo", "**bold**", *flags.split()))
    env = {**process.env, "TERM": "xterm-256color"}
    at_a_terminal = pexpect.spawn(
        "/bin/bash", ["-c", f"{ask}; {ask} | cat"], env=env, encoding="utf-8", timeout=60
    )
    shown = at_a_terminal.read()
    at_a_terminal.close()
    assert seen in shown
    assert shown.endswith("\r\n**bold**\r\n")
