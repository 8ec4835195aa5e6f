"""What a run could only fail at once it has paid, or would take in silence: refused before anything is sent."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Result

COMMANDS = {"ask": None, "chat": b"hi\n", "batch": b'{"prompt":"hi"}\n'}
FLAGS = [(), ("--dry-run",)]


@pytest.fixture(params=COMMANDS)
def call(request, cli, server):
    """A command that would ask the server."""

    def run(*argv: str, **more: object) -> Result:
        words = ["hi"] if request.param == "ask" else []
        there = ("--base-url", server.base_url, "-m", "tiny")
        return cli(request.param, *there, *argv, *words, stdin=COMMANDS[request.param], **more)

    return run


NOWHERE = "/proc/nowhere"  # where nobody can make anything, root neither


def test_a_directory_of_records_that_cannot_be_made_costs_nothing(call, server):
    result = call("--record", NOWHERE)
    assert (result.code, server.requests) == (74, [])
    assert (
        f"llmcli: io: cannot record in {NOWHERE}: No such file or directory; check the path\n" in result.err
    )


@pytest.mark.parametrize("rehearsed", FLAGS)
def test_a_file_in_the_place_of_records_costs_nothing(call, server, tmp_path, rehearsed):
    (tmp_path / "file").touch()
    result = call("--record", str(tmp_path / "file"), *rehearsed)
    assert (result.code, result.out, server.requests) == (74, "", [])


@pytest.mark.parametrize("rehearsed", FLAGS)
@pytest.mark.parametrize("path", ["", "/no/such/file"])
def test_a_file_of_usage_that_cannot_be_written_costs_nothing(ask, server, tmp_path, path, rehearsed):
    result = ask("--usage-file", path or str(tmp_path), *rehearsed, "hi")
    assert (result.code, result.out, server.requests) == (74, "", [])
    assert result.err.startswith(f"llmcli: io: cannot write {path or tmp_path}: ")


def test_a_rehearsal_makes_no_file_of_usage(ask, tmp_path):
    assert ask("--usage-file", str(tmp_path / "u"), "--dry-run", "hi").code == 0
    assert not (tmp_path / "u").exists()


@pytest.mark.parametrize("rehearsed", FLAGS)
@pytest.mark.parametrize(
    ("path", "reason"), [("", "Is a directory"), ("/no/such", "No such file or directory")]
)
def test_a_file_of_a_key_that_cannot_be_read(call, server, tmp_path, path, reason, rehearsed):
    result = call("--api-key-file", path or str(tmp_path), *rehearsed)
    said = f"llmcli: usage: --api-key-file cannot read {path or tmp_path}: {reason}\n"
    assert (result, server.requests) == (Result(2, "", said), [])


def test_a_key_in_a_pipe_is_read_once(ask, server, tmp_path):
    import os
    import threading

    os.mkfifo(tmp_path / "key")
    writer = threading.Thread(target=(tmp_path / "key").write_text, args=("sk-in-a-pipe",))
    writer.start()
    assert ask("--api-key-file", str(tmp_path / "key"), "hi").code == 0
    writer.join()
    assert server.requests[0].headers["authorization"] == "Bearer sk-in-a-pipe"


@pytest.mark.parametrize("rehearsed", FLAGS)
@pytest.mark.parametrize("end", ["#here", "?api-version=1#here"])
def test_an_address_with_a_fragment_is_refused(cli, server, end, rehearsed):
    address = server.base_url + end
    result = cli("ask", "--base-url", address, "-m", "tiny", *rehearsed, "hi")
    said = f"llmcli: usage: {address!r} has a #fragment, which no server gets; leave it out\n"
    assert (result, server.requests) == (Result(2, "", said), [])
    assert cli("ask", *rehearsed, "hi", env={"OPENAI_BASE_URL": address}).code == 2


def test_the_query_of_an_address_stays_behind_the_path(call, server):
    call("--base-url", f"{server.base_url}?api-version=2024-10-21")
    assert [request.path for request in server.requests] == ["/v1/chat/completions?api-version=2024-10-21"]


# --- Flags that have no effect alone ------------------------------------------------------------------------

LOOP = [("--max-turns", "3"), ("--tool-env", "X_API_KEY"), ("--tool-timeout", "3")]


@pytest.mark.parametrize("rehearsed", FLAGS)
@pytest.mark.parametrize("flag", LOOP)
def test_what_is_for_tools_that_run_is_refused_without(ask, server, flag, rehearsed):
    said = f"llmcli: usage: {flag[0]} without --exec; add --exec, or drop it\n"
    assert (ask(*flag, *rehearsed, "hi"), server.requests) == (Result(2, "", said), [])


def test_a_profile_may_hold_what_is_for_tools_that_run(ask, config):
    config.write_text("[profiles.p]\nmax-turns = 3\n")
    assert ask("--profile", "p", "hi") == Result(0, "hi\n", "")


@pytest.mark.parametrize("command", ["ask", "chat"])
def test_a_model_for_summaries_is_refused_where_none_are_made(cli, server, command):
    words, stdin = (["hi"], None) if command == "ask" else ([], b"hi\n")
    argv = ("--base-url", server.base_url, "-m", "tiny", "--summary-model", "small")
    said = "llmcli: usage: --summary-model without --context summarize; add --context summarize, or drop it\n"
    assert (cli(command, *argv, *words, stdin=stdin), server.requests) == (Result(2, "", said), [])


def test_count_takes_what_does_nothing_there(cli):
    flags = [word for flag in LOOP for word in flag]
    assert json.loads(cli("count", "-m", "gpt-4o", *flags, "hi").out) > 0


def test_a_key_file_that_is_no_text_is_no_rows_fault(cli, tmp_path):
    (tmp_path / "key").write_bytes(b"\xff\xfes\x00k\x00")
    (tmp_path / "rows").write_text('{"prompt": "a"}\n' * 3)
    argv = ["batch", str(tmp_path / "rows"), "-O", str(tmp_path / "o.jsonl"), "-m", "gpt-4o"]
    done = cli(*argv, "--api-key-file", str(tmp_path / "key"))
    assert (done.code, "--api-key-file cannot read" in done.err) == (2, True), done.err
    assert not (tmp_path / "o.errors.jsonl").exists() or not (tmp_path / "o.errors.jsonl").read_bytes()
