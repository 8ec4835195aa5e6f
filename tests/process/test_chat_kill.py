"""A conversation survives whatever ends its process: the file always loads, and goes on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess

import pytest

from tests import server as wire
from tests.process.conftest import status

TURNS = 60
KILLS = 25


def kept(path) -> list[str]:
    """The questions that are kept, each with its answer."""
    if not path.exists():
        return []
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    messages = [record for record in records if "role" in record]
    pairs = list(zip(messages[::2], messages[1::2], strict=True))
    assert all((one["role"], other["role"]) == ("user", "assistant") for one, other in pairs)
    assert all(one["content"] == other["content"] for one, other in pairs)
    return [one["content"] for one, _ in pairs]


def test_sigkill_at_any_moment_costs_at_most_the_unfinished_turn(process):
    """The program is killed while it reads, answers and writes; what it left is gone on with."""
    chance = random.Random(5)
    session, done, asked = process.home / "s.jsonl", [], 0
    for _ in range(KILLS):
        questions = [f"{asked + number} " + "word " * chance.randrange(200) + "." for number in range(TURNS)]
        child = process.start("chat", "-m", "offline/echo", "--session", "s.jsonl", stdin=subprocess.PIPE)
        child.stdin.write("".join(question + "\n" for question in questions).encode())
        child.stdin.flush()
        seen = child.stdout.read(chance.randrange(1, 4_000))
        for _ in range(chance.randrange(200)):
            os.sched_yield()
        child.kill()
        rest, _ = child.communicate(timeout=60)
        answered = (seen + rest).count(b"\n")
        before = len(done)
        # A turn that was being written may be torn: the next run cuts it off.
        assert process("ask", "-m", "offline/echo", "--session", "s.jsonl", "--no-stdin", "on").code == 0
        now = kept(session)
        assert now[-1] == "on"
        assert now[:before] == done
        fresh = now[before:-1]
        assert fresh == questions[: len(fresh)]
        assert answered - 1 <= len(fresh) <= answered + 1
        done, asked = now, asked + TURNS
    assert process("count", "--messages", "s.jsonl", "--no-stdin").code == 0


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_is_stopped_in_the_middle_of_an_answer_keeps_the_turns_before(process, server, stop):
    hold = wire.Hold()
    server.script = [wire.ok("one"), wire.ok("Hello there", hold=hold, after=2)]
    child = process.start(
        *("chat", "--base-url", server.base_url, "-m", "tiny", "--session", "s.jsonl"), stdin=subprocess.PIPE
    )
    child.stdin.write(b"one\ntwo\n")
    child.stdin.flush()
    assert hold.reached.wait(30)
    child.send_signal(stop)
    child.communicate(timeout=60)
    assert status(child) == 128 + stop
    assert kept(process.home / "s.jsonl") == ["one"]


def test_a_signal_while_a_turn_is_awaited_ends_it(process):
    child = process.start("chat", "-m", "offline/echo", stdin=subprocess.PIPE)
    child.stdin.write(b"one\n")
    child.stdin.flush()
    assert child.stdout.readline() == b"one\n"
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=60)[1] == b"llmcli: interrupted: SIGINT arrived\n"
    assert status(child) == 130


def test_a_turn_is_answered_as_soon_as_its_line_is_there(process):
    child = process.start("chat", "-m", "offline/echo", stdin=subprocess.PIPE)
    for word in (b"one\n", b"two\n", b"three\n"):
        child.stdin.write(word[:2])
        child.stdin.flush()
        child.stdin.write(word[2:])
        child.stdin.flush()
        assert child.stdout.readline() == word
    child.stdin.write(b"without an end")
    out, err = child.communicate(timeout=60)
    assert (out, err, status(child)) == (b"without an end\n", b"", 0)


def test_turns_from_a_file(shell):
    done = shell("printf 'one\\ntwo\\n' > turns; llmcli chat -m offline/echo < turns")
    assert (done.code, done.out) == (0, "one\ntwo\n")


def test_a_reader_that_leaves_ends_it_silently(shell):
    done = shell("seq 100000 | llmcli chat -m offline/echo --keep-going | head -1; echo ${PIPESTATUS[1]}")
    assert (done.out, done.err) == ("1\n141\n", "")


def test_a_full_disk_is_exit_74_and_the_session_stays_whole(shell, process):
    turn = "word " * 300
    fill = f"llmcli ask -m offline/echo --session s.jsonl --no-stdin '{turn}'"
    done = shell(f"{fill} && {fill} && wc -c < s.jsonl && ulimit -f 8 && {fill} && {fill} && {fill}")
    assert done.code == 74
    assert done.err == "llmcli: io: cannot write s.jsonl: the disk is full; make room\n"
    assert process("ask", "-m", "offline/echo", "--session", "s.jsonl", "--no-stdin", "on").code == 0
    assert kept(process.home / "s.jsonl")[-1] == "on"


def test_two_at_once_take_no_turn_from_each_other(shell):
    done = shell(
        'ask() { llmcli ask -m offline/echo --session s.jsonl --no-stdin "$1" >"$1.out" 2>>err; };'
        " for n in $(seq 12); do ask turn-$n & done; wait;"
        " sort -u err | grep -cv 'is using the session'; grep -c '\"role\":\"user\"' s.jsonl; wc -l < err"
    )
    strange, kept_turns, refused = map(int, done.out.split())
    assert strange == 0
    assert kept_turns + refused == 12
    assert kept_turns >= 1
