"""A hostile or failing world, in this process: numbers, names, floods, secrets, links and full disks."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from tests import server as wire
from tests.conftest import KEY, Result

LONG = "x" * 300
TOOL = json.dumps([{"type": "function", "function": {"name": "env", "parameters": {"type": "object"}}}])
DONE = b"data: [DONE]\n\n"
HUGE = [10**400, 1e308, -(10**400), "1e400", 1 << 60]


def rows(tmp_path: Path, *prompts: str) -> str:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts or ("a", "b")))
    return str(path)


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def usage_of(count: object) -> dict[str, object]:
    return {"prompt_tokens": 3, "completion_tokens": count, "total_tokens": count}


# --- Numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", HUGE, ids=lambda count: str(count)[:8])
@pytest.mark.parametrize("shape", ["text", "json", "events"])
def test_a_usage_that_nobody_can_count_is_no_usage(ask, server, count, shape):
    server.script = wire.ok("Hi", usage=usage_of(count))
    done = ask("--format", shape, "-u", "hi", "-m", "gpt-4o", env=KEY)
    assert done.code == 0
    assert "Infinity" not in done.out


@pytest.mark.parametrize("count", HUGE, ids=lambda count: str(count)[:8])
def test_a_usage_that_nobody_can_count_does_not_end_a_batch(cli, server, tmp_path, count):
    server.script = wire.ok("Hi", usage=usage_of(count))
    argv = ["batch", rows(tmp_path), "-O", f"{tmp_path}/o.jsonl", "-m", "openai/gpt-4o"]
    for _ in range(2):  # nor does what it left
        done = cli(*argv, "--base-url", server.base_url, env=KEY)
        assert done.code == 0, done.err
    assert len(server.requests) == 2


def test_a_number_without_words_beside_half_a_character_is_valid_json(ask, server):
    body = b'{"choices":[{"index":0,"delta":{"content":"\\ud800","n":1e400}}]}'
    server.script = wire.events(
        [b"data: " + body + b"\n\n", wire.chunk(finish_reason="stop"), b"data: [DONE]\n\n"]
    )
    for shape in ("events", "json", "jsonl"):
        done = ask("--format", shape, "hi")
        assert (done.code, "Infinity" in done.out) == (0, False)


def test_half_a_character_is_a_turn(cli):
    done = cli("chat", "-m", "offline/echo", "--turns", "jsonl", stdin=b'"\\ud800"\n"b"\n')
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("\nb\n")


# --- Names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        ["batch", LONG],
        ["batch", "IN", "-O", LONG],
        ["batch", "IN", "-O", "x" * 250],
        ["count", "--rows", LONG],
        ["ask", "--replay", LONG, "hi"],
        ["ask", "--record", LONG, "hi"],
        ["ask", "--session", LONG, "hi"],
        ["chat", "--session", f"{LONG}.jsonl"],
        ["ask", "-O", LONG, "hi"],
        ["ask", "-f", LONG],
        ["ask", "-a", LONG, "hi"],
        ["ask", "--schema", f"{LONG}.json", "hi"],
        ["ask", "--usage-file", LONG, "hi"],
        ["ask", "--budget-file", LONG, "hi"],
    ],
    ids=lambda argv: " ".join(word[:12] for word in argv),
)
def test_a_name_too_long_for_the_file_system_is_an_error_of_ours(cli, tmp_path, monkeypatch, argv):
    monkeypatch.chdir(tmp_path)
    words = [rows(tmp_path) if word == "IN" else word for word in argv]
    done = cli(*words, "-m", "offline/echo", stdin=b"", env={"LLMCLI_STATE": str(tmp_path)})
    assert done.code in {2, 66, 74}
    assert done.err.startswith("llmcli: ")
    assert done.err.count("\n") == 1


def test_a_name_in_a_directory_that_is_a_file(cli, tmp_path):
    (tmp_path / "file").touch()
    assert cli("batch", f"{tmp_path}/file/in.jsonl", "-m", "offline/echo").code == 66


@pytest.mark.parametrize("profile", ['ok = ""', 'ok = ["", "bogus"]', "temperature = 0.5"])
def test_a_profile_beside_an_exit_that_does_not_exist(cli, config, profile):
    config.write_text(f"[profiles.p]\n{profile}\n")
    done = cli(
        "ask", "--profile", "p", "-m", "offline/echo", "hi", *(["--ok", "bogus"] if "=" in profile else [])
    )
    assert done.code in {2, 78}
    assert done.err.count("\n") == 1


# --- Bounds -------------------------------------------------------------------------------------------------


def test_100_000_newlines_take_linear_time(ask, server):
    delta = b'data: {"choices":[{"index":0,"delta":{"content":"\\n"}}]}\n\n'
    server.script = wire.events(
        [delta * 100_000, wire.chunk("x"), wire.chunk(finish_reason="stop"), b"data: [DONE]\n\n"]
    )
    began = time.process_time()
    done = ask("hi")
    assert done == Result(0, "\n" * 100_000 + "x\n", "")
    assert time.process_time() - began < 10


def test_a_refusal_of_blanks_takes_linear_time(ask, server):
    server.script = wire.ok(refusal=" " * 400_000 + "no")
    began = time.process_time()
    assert ask("--no-stream", "hi").code == 4
    assert time.process_time() - began < 5


def test_a_fence_that_never_ends_takes_linear_time(ask, server):
    server.script = wire.ok("~" * 50_000)
    began = time.process_time()
    assert ask("-x", "--no-stream", "hi").code == 0
    assert time.process_time() - began < 5


# --- Time ---------------------------------------------------------------------------------------------------

PINGS = {
    "comments": b": ping\n\n",
    "events without data": b"event: ping\n\n",
    "no choices": b'data: {"choices":[]}\n\n',
    "an empty delta": b'data: {"choices":[{"index":0,"delta":{}}]}\n\n',
    "an empty text": b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n',
    "one byte of an event": b"d",
}


@pytest.mark.parametrize("ping", PINGS.values(), ids=PINGS.keys())
@pytest.mark.parametrize("begun", [False, True], ids=["before the answer", "behind its first word"])
def test_what_says_nothing_is_silence_for_the_timeout(ask, server, ping, begun):
    first = [wire.chunk("Hi")] if begun else []
    server.script = wire.slow(wire.events([*first, *[ping] * 400]), 0.05)
    began = time.monotonic()
    done = ask("--timeout", "0.5", "--retries", "0", "hi")
    assert time.monotonic() - began < 15  # of 20
    assert (done.code, done.out) == ((3, "Hi\n") if begun else (75, ""))
    assert ("nothing more came" if begun else "no answer") + " within 0.5 s" in done.err


def test_a_long_event_that_comes_slowly_is_no_silence(ask, server):
    text = "word " * 4000
    whole = b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"
    pieces = [whole[at : at + 2000] for at in range(0, len(whole), 2000)]
    server.script = wire.slow(wire.events([*pieces, wire.chunk(finish_reason="stop"), DONE]), 0.1)
    assert ask("--timeout", "0.6", "--retries", "0", "hi").out == text + "\n"


def test_an_entry_of_the_cache_that_is_a_pipe_is_none(cli, server, tmp_path):
    argv = ["ask", "--cache", "--base-url", server.base_url, "-m", "tiny", "hi"]
    env = {"LLMCLI_CACHE": str(tmp_path / "cache")}
    assert cli(*argv, env=env).code == 0
    (entry,) = (tmp_path / "cache").glob("*/*.json")
    entry.unlink()
    os.mkfifo(entry)
    assert cli(*argv, env=env) == Result(0, "hi\n", "")
    assert entry.is_file()  # the answer has taken its place


@pytest.mark.parametrize(
    ("name", "argv"),
    [
        ("s.jsonl", ["ask", "-m", "offline/echo", "hi", "--session"]),
        ("s.jsonl", ["chat", "-m", "offline/echo", "--session"]),
        ("b", ["ask", "-m", "offline/echo", "hi", "--budget-file"]),
        ("o.jsonl", ["batch", "IN", "-m", "offline/echo", "-O"]),
        ("o.errors.jsonl", ["batch", "IN", "-m", "offline/echo", "-O"]),
    ],
    ids=["session", "chat", "budget", "journal", "errors"],
)
def test_a_pipe_is_no_place_to_keep_things(cli, tmp_path, name, argv):
    os.mkfifo(tmp_path / name)
    words = [rows(tmp_path) if word == "IN" else word for word in argv]
    done = cli(*words, f"{tmp_path}/{name.replace('.errors', '')}", stdin=b"")
    assert done.code in {2, 74}
    assert "regular file" in done.err


# --- Secrets ------------------------------------------------------------------------------------------------

SECRET = "http://ann:hunter2pass@{host}/v1?key=sesame123&api-version=7"


def test_curl_shows_no_password_and_no_key_of_the_address(cli):
    done = cli("ask", "--curl", "--base-url", SECRET.format(host="h.example"), "-m", "tiny", "hi")
    assert "curl 'http://***@h.example/v1/chat/completions?key=***&api-version=7'" in done.out
    assert done.err == "llmcli: *** stands for what is secret in the address: put it in again\n"


@pytest.mark.parametrize("form", [["--base-url", SECRET], ["--base-url=" + SECRET]], ids=["two words", "one"])
def test_the_command_to_resume_shows_no_secret_of_the_address(cli, server, tmp_path, form):
    server.script = wire.status(400)
    host = server.base_url.removeprefix("http://").removesuffix("/v1")
    words = [word.format(host=host) for word in form]
    done = cli("batch", rows(tmp_path), "-O", f"{tmp_path}/o.jsonl", "-m", "tiny", *words)
    assert done.code == 7
    assert "to try them again: llmcli batch" in done.err
    assert not re.search("hunter2|sesame", done.out + done.err + (tmp_path / "o.errors.jsonl").read_text())


MALFORMED = [
    "http://ann:hunter2pass@h:99999/v1",
    "http://ann:hunter2pass/@h/v1",
    "ann:hunter2pass@h/v1",
    "htp://ann:hunter2pass@h/v1",
    "http:///v1?key=hunter2pass",
    "http://ann:hunter2pass@@/v1",
]


@pytest.mark.parametrize("address", MALFORMED)
@pytest.mark.parametrize("way", ["flag", "variable", "config"])
def test_an_error_about_an_address_shows_no_secret_of_it(cli, config, address, way):
    if way == "config":
        config.write_text(f'[providers.mine]\nbase_url = "{address}"\n')
    flag = ["--base-url", address] if way == "flag" else []
    env = {**KEY, **({"OPENAI_BASE_URL": address} if way == "variable" else {})}
    done = cli("ask", *flag, "-m", "mine/x" if way == "config" else "gpt-4o", "hi", env=env)
    assert done.code in {2, 78}
    assert "hunter2" not in done.err


@pytest.mark.parametrize("command", ["ask", "batch"])
def test_an_address_that_cannot_be_reached_shows_no_secret(cli, tmp_path, command):
    url = SECRET.format(host="127.0.0.1:1")
    what = [rows(tmp_path, "a")] if command == "batch" else ["hi"]
    done = cli(command, "--base-url", url, "-m", "tiny", "--retries", "0", *what)
    assert done.code in {7, 75}
    assert not re.search("hunter2|sesame", done.out + done.err)


ENV = {
    "OPENAI_API_KEY": "sk-secret-one",
    "MY_OWN_KEY": "secret-two",
    "WEATHER_API_KEY": "secret-three",
    "GROQ_API_KEY": "secret-four",
    "HARMLESS": "kept",
    "PATH": os.environ["PATH"],
}


class TestToolEnvironment:
    """A tool is not given the keys of this program."""

    @pytest.fixture
    def told(self, ask, server, config):
        config.write_text('[providers.mine]\nbase_url = "http://h/v1"\napi_key_env = "MY_OWN_KEY"\n')

        def run(command: str, *argv: str) -> tuple[Result, str]:
            server.script = [wire.ok(tool_calls=[wire.call("env", {})]), wire.ok("Done")]
            done = ask("--tools", TOOL, "--exec", f"env={command}", *argv, "hi", env=ENV)
            return done, server.requests[-1].json["messages"][-1]["content"]

        return run

    def test_it_has_no_key(self, told):
        done, seen = told("env")
        assert done == Result(0, "Done\n", "")
        assert "HARMLESS=kept" in seen
        assert "secret" not in seen

    def test_it_has_what_it_was_given(self, told):
        _, seen = told("env", "--tool-env", "WEATHER_API_KEY")
        assert "WEATHER_API_KEY=secret-three" in seen
        assert seen.count("secret") == 1

    def test_one_that_fails_is_told_of_once(self, told, tmp_path):
        done, _ = told(script(tmp_path / "tool", "exit 3"))
        assert done.err == (
            "llmcli: tool env failed; tools are not given GROQ_API_KEY, MY_OWN_KEY, OPENAI_API_KEY,"
            " WEATHER_API_KEY (--tool-env NAME gives one to them)\n"
        )


# --- Files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fresh", [[], ["--fresh"]], ids=["resumed", "fresh"])
def test_a_linked_errors_file_leaves_what_it_leads_to_as_it_is(cli, tmp_path, fresh):
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    (tmp_path / "o.errors.jsonl").symlink_to(victim)
    done = cli("batch", rows(tmp_path), "-O", f"{tmp_path}/o.jsonl", "-m", "offline/echo", *fresh)
    assert done == Result(
        74,
        "",
        f"llmcli: io: {tmp_path}/o.errors.jsonl is a symbolic link; take it away, or choose another -O\n",
    )
    assert victim.read_text() == "precious\n"


def test_a_link_where_a_rewrite_is_made_leaves_what_it_leads_to_as_it_is(cli, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    argv = ["batch", rows(tmp_path, "a", "b", "c"), "-O", f"{tmp_path}/o.jsonl", "-m", "offline/echo"]
    assert cli(*argv, "--limit", "1").code == 0
    (tmp_path / ".o.jsonl.new").symlink_to(victim)
    assert cli(*argv, "--ordered").code == 0
    assert victim.read_text() == "precious\n"


def test_a_recording_that_cannot_be_kept_is_exit_74_behind_the_answer(cli, tmp_path):
    tape = tmp_path / "tape"
    tape.mkdir()
    argv = ["ask", "-m", "offline/echo", "--record", str(tape), "hi"]
    cli(*argv)
    (folder,) = tape.iterdir()
    for entry in folder.iterdir():
        entry.unlink()
    folder.rmdir()
    folder.write_text("a file where a directory is wanted")
    done = cli(*argv)
    assert (done.code, done.out) == (74, "hi\n")
    assert done.err == f"llmcli: io: cannot keep the answer in {tape}: File exists; check the path\n"


def test_a_batch_that_cannot_record_says_so_once(cli, tmp_path):
    tape = tmp_path / "tape"
    argv = ["batch", rows(tmp_path, "a", "a", "a"), "-m", "offline/echo", "-q", "--record", str(tape)]
    cli(*argv)
    for folder in tape.iterdir():
        for entry in folder.iterdir():
            entry.unlink()
        folder.rmdir()
        folder.touch()
    done = cli(*argv)
    assert (done.code, done.out.count("\n"), done.err.count("\n")) == (74, 3, 1)


def test_a_call_that_another_process_holds_up_says_what_it_waits_for(cli, server, tmp_path):
    from llmcli.files import locks

    env = {"LLMCLI_CACHE": str(tmp_path)}
    argv = ["ask", "--cache", "--base-url", server.base_url, "-m", "tiny", "hi"]
    cli(*argv, env=env)
    (entry,) = tmp_path.glob("*/*.json")
    entry.unlink()
    held = os.open(tmp_path / "lock", os.O_RDWR)
    locks.byte(held, int(entry.stem[:15], 16))

    async def sleep(_seconds: float) -> None:
        if cli.clock.now > 1003:
            os.close(held)
        cli.clock.now += 0.05

    cli.clock.sleep = sleep
    assert cli(*argv, env=env) == Result(
        0,
        "hi\n",
        "llmcli: waiting for another process that asks the same, to have its answer from the cache\n",
    )
