"""Sessions: the file that a conversation is kept in, and everything that goes on with it."""

from __future__ import annotations

import fcntl
import json
import os
import stat

import pytest

from tests import server as wire
from tests.conftest import Result

ECHO = ("-m", "offline/echo")
HEADER = '{"llmcli":{"version":1,"model":"offline/echo","created":"2026-11-20T12:00:00Z"}}\n'


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def cli(cli, state):
    cli.env["LLMCLI_STATE"] = str(state)
    return cli


def said(request) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in request.json["messages"]]


def line(role, content, **extra) -> str:
    message = {"role": role, "content": content} | ({"llmcli": extra} if extra else {})
    return json.dumps(message, separators=(",", ":")) + "\n"


ADA = HEADER + line("user", "I am Ada") + line("assistant", "I am Ada", cost_usd=0.0)


def test_a_conversation_is_kept_a_message_a_line(cli, session):
    done = cli("chat", *ECHO, "--session", str(session), "-s", "Be brief", stdin=b"one\ntwo\n")
    assert done == Result(0, "one\ntwo\n", "")
    assert session.read_text() == (
        HEADER
        + line("system", "Be brief")
        + line("user", "one")
        + line("assistant", "one", cost_usd=0.0)
        + line("user", "two")
        + line("assistant", "two", cost_usd=0.0)
    )


def test_it_is_for_the_user_alone(cli, session):
    cli("chat", *ECHO, "--session", str(session), stdin=b"one\n")
    assert stat.S_IMODE(session.stat().st_mode) == 0o600


def test_the_promise(cli, chat, server, session):
    """What the file is for: chat, ask and count go on with it."""
    server.script = [wire.ok("Hello Ada"), wire.ok("Ada"), wire.ok("Ada still")]
    kept = ("--session", str(session))
    assert chat(*kept, stdin=b"My name is Ada\nWhat is my name?\n").out == "Hello Ada\nAda\n"
    asked = cli("ask", "--base-url", server.base_url, *kept, "And again?")
    assert asked == Result(0, "Ada still\n", "")
    assert said(server.requests[2]) == [
        ("user", "My name is Ada"),
        ("assistant", "Hello Ada"),
        ("user", "What is my name?"),
        ("assistant", "Ada"),
        ("user", "And again?"),
    ]
    by_name = cli("count", "-m", "offline/echo", "--messages", str(session))
    assert by_name == cli("count", "-m", "offline/echo", *kept)
    assert by_name.code == 0


def test_ask_alone_can_begin_one(cli, session):
    assert cli("ask", *ECHO, "--session", str(session), "I am Ada") == Result(0, "I am Ada\n", "")
    assert session.read_text() == ADA


def test_count_is_of_the_request_that_ask_would_send(cli, session):
    session.write_text(ADA)
    kept = ("--session", str(session))
    shown = cli("ask", *kept, "--dry-run", "--no-stream", "and?").out
    messages = json.dumps(json.loads(shown)["messages"])
    session.with_name("m.json").write_text(messages)
    assert (
        cli("count", *kept, "and?").out
        == cli("count", *ECHO, "--messages", str(session.with_name("m.json"))).out
    )
    assert session.read_text() == ADA


def test_dry_run_leaves_no_file(cli, session):
    assert cli("ask", *ECHO, "--session", str(session), "--dry-run", "hi").code == 0
    assert not session.exists()


def test_a_bare_name_is_in_the_state_directory(cli, state):
    cli("chat", *ECHO, "--session", "ada", stdin=b"I am Ada\n")
    assert (state / "sessions" / "ada.jsonl").read_text() == ADA
    assert stat.S_IMODE((state / "sessions").stat().st_mode) == 0o700


def test_continue_takes_the_newest(cli, state):
    for number, name in enumerate(("old", "new")):
        cli("ask", *ECHO, "--session", name, f"I am {name}")
        os.utime(state / "sessions" / f"{name}.jsonl", (number, number))
    done = cli("ask", "-c", "--dry-run", "and?")
    assert [message["content"] for message in json.loads(done.out)["messages"]] == [
        "I am new",
        "I am new",
        "and?",
    ]
    assert cli("chat", "-c", stdin=b"more\n").out == "more\n"
    assert "more" in (state / "sessions" / "new.jsonl").read_text()


def test_continue_finds_a_session_wherever_it_is(cli, state, tmp_path):
    cli("ask", *ECHO, "--session", "named", "I am named")
    os.utime(state / "sessions" / "named.jsonl", (1, 1))
    path = tmp_path / "own.jsonl"
    cli("ask", *ECHO, "--session", str(path), "I am own")
    assert cli("chat", "-c", stdin=b"more\n").out == "more\n"
    assert "more" in path.read_text()
    assert (state / "last-session").stat().st_mode & 0o777 == 0o600
    os.utime(path, (0, 0))
    assert "I am named" in cli("ask", "-c", "--dry-run", "and?").out, "that is the newer one now"
    path.unlink()
    assert "I am named" in cli("ask", "-c", "--dry-run", "and?").out


@pytest.mark.parametrize("pointer", ["", "own.jsonl", "/", "/nowhere/own.jsonl", "/a\0b"])
def test_continue_takes_no_notice_of_a_pointer_to_nothing(cli, state, pointer):
    cli("ask", *ECHO, "--session", "named", "I am named")
    os.utime(state / "sessions" / "named.jsonl", (1, 1))
    (state / "last-session").write_text(pointer)
    assert "I am named" in cli("ask", "-c", "--dry-run", "and?").out


def test_a_name_that_is_not_utf8_is_remembered(cli, state, tmp_path):
    path = tmp_path / os.fsdecode(b"own\xff.jsonl")
    assert cli("ask", *ECHO, "--session", str(path), "I am own") == Result(0, "I am own\n", "")
    assert cli("ask", "-c", "more").out == "more\n"
    assert "more" in path.read_text()
    assert [one.name for one in state.iterdir()] == ["last-session"]


def test_a_session_in_which_nothing_is_yet_is_not_the_newest(cli, state):
    cli("ask", *ECHO, "--session", "ada", "I am Ada")
    (state / "sessions" / "begun.jsonl").touch()
    assert cli("chat", "--list").out.count("\n") == 1
    assert len(json.loads(cli("ask", "-c", "--dry-run", "and?").out)["messages"]) == 3


def test_there_may_be_none_to_continue(cli, state):
    assert cli("ask", "-c", "hi") == Result(
        66,
        "",
        f"llmcli: no input: there is no session to continue ({state}/sessions); begin one with --session NAME\n",
    )
    done = cli("chat", "-c", "--session", "nobody", stdin=b"hi\n")
    assert done == Result(
        66,
        "",
        f"llmcli: no input: there is no session {state}/sessions/nobody.jsonl; see llmcli chat --list\n",
    )
    assert not state.exists()


def test_the_list(cli, state):
    assert cli("chat", "--list") == Result(0, "", "")
    cli("chat", *ECHO, "--session", "ada", stdin=b"I am Ada\nStill\n")
    cli("ask", *ECHO, "--session", "long", "word " * 20)
    (state / "sessions" / "no-session.jsonl").write_text("{}\n")
    for second, name in enumerate(("ada", "long", "no-session")):
        os.utime(state / "sessions" / f"{name}.jsonl", (second, second))
    assert cli("chat", "--list") == Result(
        0,
        "long\t1970-01-01T00:00:01Z\toffline/echo\t1 turn\tword word word word word word word word word word…\n"
        "ada\t1970-01-01T00:00:00Z\toffline/echo\t2 turns\tI am Ada\n",
        "",
    )
    assert [json.loads(line) for line in cli("chat", "--list", "--format", "jsonl").out.splitlines()][1] == {
        "name": "ada",
        "path": str(state / "sessions" / "ada.jsonl"),
        "updated": "1970-01-01T00:00:00Z",
        "model": "offline/echo",
        "turns": 2,
        "first": "I am Ada",
    }


# --- Model and system message --------------------------------------------------------------------------------


def test_the_model_is_the_sessions_unless_m_names_one(cli, session, config):
    session.write_text(ADA)
    config.write_text('model = "gpt-4o"\n')
    kept = ("ask", "--session", str(session), "--dry-run", "hi")
    assert json.loads(cli(*kept).out)["model"] == "echo"
    assert json.loads(cli(*kept, env={"LLMCLI_MODEL": "gpt-4o"}).out)["model"] == "echo"
    assert json.loads(cli(*kept, "-m", "gpt-4.1").out)["model"] == "gpt-4.1"


def test_another_model_holds_from_there_on(cli, session):
    session.write_text(ADA)
    cli("ask", "-m", "offline/flaky?rate=0", "--session", str(session), "hi")
    assert session.read_text().startswith(ADA + '{"llmcli":{"model":"offline/flaky?rate=0"}}\n')
    assert json.loads(cli("ask", "--session", str(session), "--dry-run", "x").out)["model"] == "flaky?rate=0"


def test_the_same_system_message_again_changes_nothing(cli, session):
    for _ in range(2):
        cli("ask", *ECHO, "-s", "Be brief", "--session", str(session), "hi")
    assert session.read_text().count("Be brief") == 1


def test_another_system_message_is_sent_in_place_of_the_first(chat, server, session):
    chat("-s", "Be brief", "--session", str(session), stdin=b"one\n")
    chat("-s", "Be long", "--session", str(session), stdin=b"two\n")
    assert said(server.requests[1]) == [
        *(("system", "Be long"), ("user", "one")),
        *(("assistant", "one"), ("user", "two")),
    ]
    assert line("system", "Be long", replaces=True) in session.read_text()


def test_tools_and_results_are_kept(chat, server, session):
    tools = '{"name":"upper","parameters":{"type":"object"}}'
    server.script = [wire.ok(tool_calls=[wire.call("upper", {})]), wire.ok("Done")]
    chat("--session", str(session), "--tools", tools, "--exec", "upper=echo ADA", stdin=b"Shout\n")
    messages = [json.loads(one) for one in session.read_text().splitlines()][1:]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant"]
    assert messages[2]["content"] == "ADA"


# --- What must not be lost, and what must not be kept -------------------------------------------------------


def test_a_file_cut_at_any_byte_loads_with_at_most_the_last_turn_missing(cli, session):
    whole = ADA + ADA.removeprefix(HEADER).replace("Ada", "Bob")
    asked = line("user", "and?") + line("assistant", "and?", cost_usd=0.0)
    for size in range(len(ADA), len(whole) + 1):
        session.write_text(whole[:size])
        done = cli("ask", *ECHO, "--session", str(session), "and?")
        assert (done.code, done.out) == (0, "and?\n")
        missing = size < len(whole) - 1  # the last newline is no loss
        assert session.read_text() == (ADA if missing else whole) + asked
        assert cli("count", "--messages", str(session)).code == 0


def test_a_header_that_is_torn_is_written_anew(cli, session):
    session.write_text(HEADER[:20])
    assert cli("ask", *ECHO, "--session", str(session), "I am Ada").code == 0
    assert session.read_text() == ADA


def test_a_question_without_an_answer_is_left_out_and_cut_off(cli, session):
    session.write_text(ADA + line("user", "lost"))
    done = cli("ask", *ECHO, "--session", str(session), "and?")
    assert done == Result(0, "and?\n", "llmcli: the last turn of the session has no answer: it is left out\n")
    assert "lost" not in session.read_text()


def test_a_turn_that_failed_is_not_kept(chat, server, session):
    server.script = [wire.ok("fine"), wire.status(400)]
    assert chat("--session", str(session), stdin=b"one\ntwo\n").code == 65
    assert [json.loads(one).get("content") for one in session.read_text().splitlines()] == [
        None,
        "one",
        "fine",
    ]


def test_ask_keeps_a_turn_whose_exit_is_accepted(cli, server, session):
    server.script = wire.ok("cut", finish_reason="length")
    argv = ("ask", "--base-url", server.base_url, "-m", "tiny", "--session", str(session), "hi")
    assert cli(*argv).code == 3
    assert not session.exists()
    done = cli(*argv, "--ok", "incomplete")
    assert (done.code, done.out) == (0, "cut\n")
    assert session.read_text().endswith(line("user", "hi") + line("assistant", "cut", cut=True))


def test_an_answer_without_content_leaves_a_session_that_can_be_read(cli, server, session):
    choice = {"index": 0, "message": {"role": "assistant"}, "finish_reason": "stop"}
    server.script = wire.reply({"id": "x", "object": "chat.completion", "choices": [choice]})
    argv = ("ask", "--base-url", server.base_url, "-m", "tiny", "--no-stream", "--session", str(session))
    argv = (*argv, "--stop", "x")  # which an empty answer is due to
    assert [cli(*argv, "hi").code for _ in range(2)] == [0, 0]
    assert said(server.requests[1]) == [("user", "hi"), ("assistant", ""), ("user", "hi")]


def test_a_conversation_that_never_began_leaves_no_file(chat, server, session):
    server.script = wire.status(400)
    assert chat("--session", str(session), stdin=b"one\n").code == 65
    assert chat("--session", str(session), stdin=b"").code == 0
    assert not session.exists()


def test_a_line_in_the_middle_that_is_broken_is_named(cli, session):
    session.write_text(ADA + '{"role":\n' + line("user", "x"))
    done = cli("ask", "--session", str(session), "hi")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "llmcli: usage: the session is not valid JSON: Expecting value: line 2 column 1 (char 9)"
        f" ({session}, line 4); mend or remove that line\n"
    )


@pytest.mark.parametrize("nuls", ["\0" * 100, HEADER[:20] + "\0" * 100 + "\n"])
def test_nul_bytes_of_a_crash_are_a_torn_line(cli, session, nuls):
    session.write_text(nuls)
    assert cli("ask", *ECHO, "--session", str(session), "I am Ada").code == 0
    assert session.read_text() == ADA


@pytest.mark.parametrize(
    "text",
    ["[]\n", '{"a":1}\n', "17\n", "my only note", "{\"note\": 'it is mine'}", "PNG\0\0", ADA + "and a note"],
)
def test_what_is_no_session_is_not_written_to(cli, session, text):
    session.write_text(text)
    assert cli("ask", *ECHO, "--session", str(session), "hi").code == 2
    assert session.read_text() == text


def test_messages_without_a_header_and_a_last_newline_are_a_session(cli, session):
    session.write_text((line("user", "a") + line("assistant", "b")).rstrip("\n"))
    assert cli("ask", *ECHO, "--session", str(session), "c").code == 0
    assert session.read_text() == (
        line("user", "a")
        + line("assistant", "b")
        + '{"llmcli":{"model":"offline/echo"}}\n'
        + line("user", "c")
        + line("assistant", "c", cost_usd=0.0)
    )


def test_a_session_in_use_is_exit_75_with_the_pid_of_its_user(cli, process, session):
    import subprocess

    child = process.start("chat", *ECHO, "--session", str(session), stdin=subprocess.PIPE)
    child.stdin.write(b"one\n")
    child.stdin.flush()
    assert child.stdout.readline() == b"one\n"
    done = cli("ask", *ECHO, "--session", str(session), "hi")
    assert done == Result(
        75,
        "",
        f"llmcli: tempfail: process {child.pid} is using the session {session};"
        " wait for it, or name another --session\n",
    )
    child.communicate(timeout=60)
    assert cli("ask", *ECHO, "--session", str(session), "hi").code == 0


def test_a_lock_whose_holder_cannot_be_told_is_exit_75_all_the_same(cli, session):
    session.write_text(ADA)
    with session.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = cli("ask", *ECHO, "--session", str(session), "hi")
    assert (done.code, done.err[:42]) == (75, "llmcli: tempfail: another process is using")


def test_reading_it_needs_no_lock(cli, session):
    session.write_text(ADA)
    with session.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert cli("count", *ECHO, "--session", str(session)).code == 0
        assert cli("ask", *ECHO, "--session", str(session), "--dry-run", "hi").code == 0


@pytest.mark.parametrize(
    ("name", "code"),
    [("", 2), ("/dev/null/s.jsonl", 2), ("/proc/none/s.jsonl", 2), ("a\0b", 2), (".", 0)],
    ids=["empty", "no folder", "no folder can be", "NUL", "."],
)
def test_odd_names(cli, name, code):
    assert cli("ask", *ECHO, "--session", name, "hi").code == code


def test_what_is_no_file_is_no_session(cli):
    done = cli("ask", *ECHO, "--session", "/dev/zero", "hi")
    assert (
        done
        == cli("count", "--session", "/dev/zero")
        == Result(
            2, "", "llmcli: usage: cannot open the session /dev/zero: it is no regular file; check the path\n"
        )
    )
