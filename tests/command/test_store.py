"""Answers that are kept: `--cache`, `--record` and `--replay`."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmcli.exchange.layers.folder import Folder, kept_under
from llmcli.exchange.layers.store import Cache, Locks, Replay
from llmcli.transport.answer import Answer
from llmcli.wire import Completion, Meta, Request
from tests import server as wire
from tests.conftest import Result

BOTH = pytest.mark.parametrize("how", ["--stream", "--no-stream"])
NO_ANSWER = "record it with --record; any change of the request makes another answer of it"


@pytest.fixture
def folder(cli, tmp_path) -> Path:
    """The directory of the cache."""
    cli.env["LLMCLI_CACHE"] = f"{tmp_path}/cache"
    return tmp_path / "cache"


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.json"))


def without_key(record: str) -> dict:
    return {key: value for key, value in json.loads(record).items() if key != "llmcli"}


# --- The cache ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("folder")
@BOTH
def test_the_second_call_is_a_hit(ask, server, how):
    first = ask(how, "--cache", "hi")
    assert first == ask(how, "--cache", "hi") == Result(0, "hi\n", "")
    assert len(server.requests) == 1


@pytest.mark.usefixtures("folder")
def test_a_hit_says_so_and_costs_nothing(ask, server):
    server.script = wire.ok("Hello!", usage=wire.usage(10, 5))
    argv = ["--cache", "--json", "--price", "1,1", "-u", "-v", "hi"]
    first, second = ask(*argv), ask(*argv)
    assert without_key(first.out) == without_key(second.out)
    assert json.loads(first.out)["llmcli"]["cost_usd"] == 0.000015
    said = json.loads(second.out)["llmcli"]
    assert (said["cached"], said["cost_usd"], said["attempts"]) == (True, 0.0, 0)
    assert said["usage"] == json.loads(first.out)["llmcli"]["usage"]
    assert second.err == (
        "llmcli: answered from the store\n"
        "usage: 10 in (0 cached) + 5 out (0 reasoning) = 15 tokens, $0.000000, 0.00 s, openai/tiny\n"
    )


@pytest.mark.usefixtures("folder")
def test_streamed_and_whole_share_an_answer(ask, server):
    server.script = wire.ok("Hello there")
    streamed = ask("--cache", "--format", "events", "hi").out.splitlines()
    assert ask("--cache", "hi").out == "Hello there\n"
    whole = ask("--cache", "--json", "hi").out
    assert without_key(whole) == without_key(streamed[-1])
    assert len(server.requests) == 1


@pytest.mark.usefixtures("folder")
def test_a_whole_answer_is_streamed_in_one_piece(ask, server):
    ask("--cache", "--no-stream", "hi")
    chunk, record = ask("--cache", "--format", "events", "hi").out.splitlines()
    assert json.loads(chunk)["choices"][0]["delta"]["content"] == "hi"
    assert json.loads(record)["llmcli"]["cached"]
    assert len(server.requests) == 1


@pytest.mark.usefixtures("folder")
def test_another_request_is_another_answer(ask, server):
    for argv in ([], ["--seed", "1"], ["-s", "x"], ["-o", "x=1"], ["-M", "9"], ["-m", "big"]):
        assert ask("--cache", *argv, "hi").code == 0
    assert len(server.requests) == 6


@pytest.mark.usefixtures("folder")
def test_two_addresses_never_share(cli, server):
    with wire.Server() as other:
        other.script = wire.ok("other")
        for url in (server.base_url, other.base_url, f"{server.base_url}/x"):
            cli("ask", "--cache", "--base-url", url, "-m", "tiny", "hi")
        assert (len(server.requests), len(other.requests)) == (2, 1)


def test_a_password_in_the_address_is_neither_key_nor_kept(cli, server, folder):
    for user in ("", "ada:secret@"):
        url = server.base_url.replace("//", f"//{user}")
        assert cli("ask", "--cache", "--base-url", url, "-m", "tiny", "hi").out == "hi\n"
    shutil.rmtree(folder)
    url = server.base_url.replace("//", "//ada:secret@")
    cli("ask", "--cache", "--base-url", url, "-m", "tiny", "hi", env={"OPENAI_API_KEY": "sk-test"})
    assert len(server.requests) == 2
    assert "secret" not in files(folder)[0].read_text()
    assert "sk-test" not in files(folder)[0].read_text()


def test_a_key_in_the_query_of_the_address_is_neither_key_nor_kept(cli, server, tmp_path):
    def run(query: str, *argv: str) -> Result:
        return cli("ask", "--base-url", server.base_url + query, "-m", "tiny", *argv, "hi")

    tape = tmp_path / "tape"
    run("?api-version=7&api-key=sk-SECRET", "--record", str(tape))
    assert server.requests[0].path == "/v1/chat/completions?api-version=7&api-key=sk-SECRET"
    (file,) = files(tape)
    assert "SECRET" not in file.read_text()
    assert json.loads(file.read_text())["url"] == server.base_url + "/chat/completions?api-version=7"
    assert run("?api-key=sk-OTHER&api-version=7", "--replay", str(tape)).out == "hi\n"
    assert run("?api-version=8", "--replay", str(tape)).code == 66


@BOTH
def test_what_a_fallback_answered_is_not_cached(ask, server, folder, how):
    down = True

    def model(request):
        return (
            wire.status(404) if down and request.json["model"] == "tiny" else wire.ok(request.json["model"])
        )

    server.script = model
    assert ask("--cache", how, "--fallback", "other", "hi").out == "other\n"
    assert files(folder) == []
    down = False
    assert ask("--cache", how, "--fallback", "other", "hi").out == "tiny\n"
    assert len(files(folder)) == 1


@pytest.mark.usefixtures("folder")
@BOTH
def test_an_answer_that_does_not_fit_what_is_asked_now_is_no_hit(ask, server, how):
    def with_schema(**more: object) -> Result:
        schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], **more}
        return ask("--cache", how, "--schema", json.dumps(schema), "hi")

    closed = {"additionalProperties": False}
    server.script = [wire.ok('{"a": "x", "b": 1}'), wire.ok('{"a": "x"}')]
    assert with_schema() == Result(0, '{"a": "x", "b": 1}\n', "")
    assert with_schema(**closed) == with_schema(**closed) == with_schema() == Result(0, '{"a": "x"}\n', "")
    assert len(server.requests) == 2


def test_files_are_private_and_nothing_is_left_beside_them(ask, folder):
    ask("--cache", "hi")
    [file] = files(folder)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@BOTH
@pytest.mark.parametrize(
    ("scenario", "code"),
    [
        (wire.ok("Hel", finish_reason="length"), 3),
        (wire.ok(refusal="No."), 4),
        (wire.ok("x", finish_reason="content_filter"), 4),
        (wire.ok("no JSON"), 5),
        (wire.status(400), 65),
        (wire.ok(error={"message": "broken"}, after=1), 75),
    ],
    ids=["cut", "refused", "filtered", "invalid", "rejected", "broken"],
)
def test_an_answer_that_is_not_usable_is_not_kept(ask, server, folder, how, scenario, code):
    server.script = scenario
    for _ in range(2):
        assert ask("--cache", how, "--json-mode", "--retries", "0", "hi").code in {code, 3}
    assert len(server.requests) == 2
    assert files(folder) == []


def test_a_stream_that_broke_off_is_not_kept(ask, server, folder):
    server.script = wire.cut(wire.ok("Hello there"), 700)
    assert ask("--cache", "hi").code == 3
    assert files(folder) == []


def test_a_stream_whose_reader_went_away_is_not_kept(process, server, tmp_path):
    hold = wire.Hold()
    server.script = wire.ok("Hello there", hold=hold, after=1)
    child = process.start(
        "ask", "--cache", "--base-url", server.base_url, "-m", "tiny", "hi", env={"LLMCLI_CACHE": f"{tmp_path}/cache"}
    )  # fmt: skip
    assert child.stdout.read(1) == b"H"
    child.stdout.close()
    hold.release()
    assert child.wait(timeout=30) == 141
    child.stderr.close()
    assert files(tmp_path / "cache") == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"half",
        b"[]",
        b"null",
        b'{"provider": "openai"}',
        b'{"provider":"p","model":"m","response":{"choices":[7]},"chunks":null}',
        b'{"provider":"p","model":"m","response":{"choices":[{"message":null}]},"chunks":null}',
        b'{"provider":"p","model":"m","response":{"choices":[{"message":{}}]},"chunks":[7]}',
        b'{"provider":"p","model":"m","response":{"choices":[]},"chunks":null}',
        b"[" * 100_000,
    ],
)
def test_a_broken_file_is_a_miss_and_is_replaced(ask, server, folder, content):
    ask("--cache", "hi")
    [file] = files(folder)
    whole = json.loads(file.read_bytes())
    file.write_bytes(file.read_bytes()[:100] if content == b"half" else content)
    assert ask("--cache", "hi") == Result(0, "hi\n", "")
    assert len(server.requests) == 2
    assert json.loads(file.read_bytes())["request"] == whole["request"]
    assert ask("--cache", "hi") == Result(0, "hi\n", "")
    assert len(server.requests) == 2


def test_a_ttl(ask, server, folder):
    ask("--cache", "--cache-ttl", "60", "hi")
    ask("--cache", "--cache-ttl", "60", "hi")
    assert len(server.requests) == 1
    [file] = files(folder)
    os.utime(file, (time.time() - 61, time.time() - 61))
    ask("--cache", "--cache-ttl", "60", "hi")
    assert len(server.requests) == 2
    ask("--cache", "--cache-ttl", "60", "hi")
    ask("--cache", "hi")
    assert len(server.requests) == 2
    ask("--cache", "--cache-ttl", "0", "hi")
    assert len(server.requests) == 3


@BOTH
def test_an_answer_that_cannot_be_kept_is_not_lost(ask, folder, how):
    folder.write_text("no directory")
    assert ask("--cache", how, "hi") == Result(
        0, "hi\n", f"llmcli: warning: cannot keep the answer in {folder}: File exists; check the path\n"
    )


@pytest.mark.usefixtures("folder")
@BOTH
def test_a_repaired_answer_is_a_hit_the_next_time(ask, server, how):
    server.script = [wire.ok("no"), wire.ok('{"a": "x"}')]
    argv = ["--cache", how, "--schema", "a", "--repair", "1", "hi"]
    assert ask(*argv) == ask(*argv) == Result(0, '{"a": "x"}\n', "")
    assert len(server.requests) == 2


@pytest.mark.usefixtures("folder")
def test_calls_and_several_choices_are_kept(ask, server):
    server.script = [wire.ok(tool_calls=[wire.call("a", {"b": "c"})]), wire.ok(["x", "y"])]
    for argv in (["--tools", '{"name": "a"}'], ["--n", "2"]):
        assert ask("--cache", *argv, "hi") == ask("--cache", *argv, "hi")
    assert len(server.requests) == 2


def test_the_cache_is_in_the_users_directory(process, tmp_path):
    env = {"XDG_CACHE_HOME": f"{tmp_path}/mine"}
    assert process("ask", "-m", "offline/echo", "--cache", "hi", env=env).out == "hi\n"
    assert len(files(tmp_path / "mine" / "llmcli" / "answers")) == 1


def test_a_ttl_without_a_cache(ask):
    assert ask("--cache-ttl", "1", "hi") == Result(
        2, "", "llmcli: usage: --cache-ttl without --cache; add --cache\n"
    )


# --- Record and replay --------------------------------------------------------------------------------------


@pytest.fixture
def recorded(cli, tmp_path):
    """A command line, recorded while the server was there, then replayed when it is gone, without a key."""

    def run(scenario: wire.Scenario, *argv: str) -> tuple[Result, Result]:
        with wire.Server() as server:
            server.script = wire.echo_auth("sk-test", scenario)
            argv = ("ask", "--base-url", server.base_url, "-m", "tiny", *argv)
            first = cli(*argv, "--record", f"{tmp_path}/tape", env={"OPENAI_API_KEY": "sk-test"})
        return first, cli(*argv, "--replay", f"{tmp_path}/tape")

    return run


@pytest.mark.parametrize(
    "argv",
    [["hi"], ["--no-stream", "hi"], ["--n", "2", "hi"], ["-0", "hi"], ["--schema", "a", "hi"]],
    ids=" ".join,
)
def test_a_replay_gives_the_same_bytes_with_the_server_gone(recorded, argv):
    first, again = recorded(wire.ok('{"a": "é😀\\n"}', size=1), *argv)
    assert first == again
    assert first.code == 0


@pytest.mark.parametrize("form", ["json", "jsonl", "events"])
@BOTH
def test_a_replay_gives_the_same_records(recorded, form, how):
    first, again = recorded(
        wire.ok("Hello there", logprobs=True, reasoning="Hm."), how, "--format", form, "hi"
    )
    if form == "events":
        *deltas, record = first.out.splitlines()
        *same_deltas, same_record = again.out.splitlines()
        assert deltas == same_deltas
    else:
        record, same_record = first.out, again.out
    assert without_key(record) == without_key(same_record)
    assert json.loads(same_record)["llmcli"]["cached"]


def test_a_replay_of_a_tool_loop(recorded):
    def model(request):
        answered = request.json["messages"][-1]["role"] == "tool"
        return (
            wire.ok("It rains.") if answered else wire.ok(tool_calls=[wire.call("weather", {"city": "Oslo"})])
        )

    first, again = recorded(model, "--tools", '{"name": "weather"}', "--exec", "weather=cat", "hi")
    assert first == again == Result(0, "It rains.\n", "")


def test_a_replay_of_a_repaired_answer(recorded):
    def model(request):
        return wire.ok('{"a": "b"}' if len(request.json["messages"]) > 1 else "no")

    first, again = recorded(model, "--schema", "a", "--repair", "1", "hi")
    assert first == again == Result(0, '{"a": "b"}\n', "")


def test_a_replay_of_what_a_fallback_answered_says_so(recorded):
    def model(request):
        return wire.ok("Hello!") if request.json["model"] == "other" else wire.status(404)

    first, again = recorded(model, "--fallback", "other", "--json", "hi")
    assert json.loads(first.out)["llmcli"]["model"] == json.loads(again.out)["llmcli"]["model"] == "other"


@pytest.mark.usefixtures("folder")
def test_what_the_cache_answers_is_recorded_too(ask, tmp_path, server):
    ask("--cache", "hi")
    assert ask("--cache", "--record", f"{tmp_path}/tape", "hi").out == "hi\n"
    assert ask("--replay", f"{tmp_path}/tape", "hi").out == "hi\n"
    assert len(server.requests) == 1


def test_a_recording_always_asks(ask, tmp_path, server):
    for _ in range(2):
        ask("--record", f"{tmp_path}/tape", "hi")
    assert len(server.requests) == 2
    assert len(files(tmp_path / "tape")) == 1


def test_an_answer_that_was_not_recorded_is_exit_66(ask, server, tmp_path):
    ask("--record", f"{tmp_path}/tape", "hi")
    result = ask("--replay", f"{tmp_path}/tape", "hello")
    assert (result.code, result.out) == (66, "")
    assert result.err.startswith("llmcli: no input: no such answer was recorded: ")
    assert result.err.endswith(f" (openai/tiny, {tmp_path}/tape); {NO_ANSWER}\n")
    assert len(server.requests) == 1


def test_a_broken_recording_is_exit_66(ask, tmp_path):
    ask("--record", f"{tmp_path}/tape", "hi")
    [file] = files(tmp_path / "tape")
    file.write_bytes(file.read_bytes()[:100])
    assert ask("--replay", f"{tmp_path}/tape", "hi").code == 66


def test_a_directory_that_does_not_exist_is_exit_66(ask):
    assert ask("--replay", "/nowhere", "hi") == Result(
        66,
        "",
        "llmcli: no input: --replay /nowhere: there is no such directory; record answers with --record first\n",
    )


@pytest.mark.parametrize("flags", [[], ["--dry-run"], ["--curl"]])
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("file", "File exists"),
        ("file/tape", "Not a directory"),
        ("nowhere", "File exists"),
        ("x" * 300, "File name too long"),
    ],
    ids=["a file", "in a file", "a link that leads nowhere", "a long name"],
)
def test_a_directory_that_cannot_be_made_is_said_before_anything_is_sent(
    path, why, flags, ask, server, tmp_path
):
    (tmp_path / "file").write_text("no directory")
    (tmp_path / "nowhere").symlink_to(tmp_path / "not there")
    assert ask("--record", f"{tmp_path}/{path}", *flags, "hi") == Result(
        74, "", f"llmcli: io: cannot record in {tmp_path}/{path}: {why}; check the path\n"
    )
    assert server.requests == []


def test_a_rehearsal_makes_no_directory(cli, tmp_path):
    tape = tmp_path / "some" / "tape"
    at = ["-m", "offline/echo", "--record", str(tape)]
    assert cli("ask", *at, "--dry-run", "hi").code == 0
    assert cli("batch", *at, "--dry-run", stdin=b'{"prompt": "hi"}\n').code == 0
    assert cli("chat", *at, "--dry-run", stdin=b"hi\n").code == 0
    assert not tape.parent.exists()
    assert cli("ask", *at, "hi").code == 0
    assert tape.stat().st_mode & 0o777 == 0o700
    assert len(list(tape.iterdir())) == 1


@pytest.mark.parametrize("other", [["--cache"], ["--record", "tape"]])
def test_flags_that_exclude_each_other(ask, other):
    assert ask("--replay", "tape", *other, "hi") == Result(
        2, "", "llmcli: usage: --replay excludes --cache and --record; drop one of them\n"
    )


# --- One request for many that are the same -----------------------------------------------------------------


class Slow:
    """A transport that answers when it is told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.came = asyncio.Semaphore(0)
        self.go = asyncio.Event()

    async def ask(self, request: Request) -> Answer:
        self.calls += 1
        self.came.release()
        await self.go.wait()
        message = {"role": "assistant", "content": "Hello"}
        body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        return Answer.of(Completion(body, Meta(request.provider, request.model)))

    async def aclose(self) -> None:
        pass


def asked(prompt: str) -> Request:
    return Request(
        "openai", "tiny", "http://x/v1", {"model": "tiny", "messages": [{"role": "user", "content": prompt}]}
    )


def test_many_in_one_process_send_one_request(tmp_path):
    async def work() -> tuple[int, list[Answer]]:
        slow, folder = Slow(), Folder(tmp_path)
        locks = Locks(tmp_path, asyncio.sleep)
        store = Cache(slow, folder, lambda *_: True, pytest.fail, locks)
        tasks = [asyncio.ensure_future(store.ask(asked(str(number % 2)))) for number in range(24)]
        await slow.came.acquire()
        await slow.came.acquire()
        slow.go.set()
        answers = await asyncio.gather(*tasks)
        return slow.calls, answers

    calls, answers = asyncio.run(work())
    assert calls == 2
    assert sum(not answer.meta.cached for answer in answers) == 2


def test_one_who_gives_up_lets_the_next_ask(tmp_path):
    async def work() -> int:
        slow = Slow()
        store = Cache(slow, Folder(tmp_path), lambda *_: True, pytest.fail, Locks(tmp_path, asyncio.sleep))
        first, second = (asyncio.ensure_future(store.ask(asked("x"))) for _ in range(2))
        await slow.came.acquire()
        first.cancel()
        await slow.came.acquire()
        slow.go.set()
        await second
        return slow.calls

    assert asyncio.run(work()) == 2


def test_the_key_is_of_the_body_and_the_address_alone():
    plain = asked("x")
    streamed = Request(
        "groq", "big", "http://u:p@x/v1/", {**plain.fields, "stream": True, "stream_options": {}}
    )
    assert kept_under(plain) == kept_under(streamed)
    assert kept_under(asked("y")) != kept_under(plain)


def test_a_replay_has_nothing_beneath_it(tmp_path):
    assert not hasattr(Replay(Folder(tmp_path)), "_inner")


# --- What is not imported -----------------------------------------------------------------------------------

PROBE = """
import json, sys
from llmcli.cli.main import main
code = main(sys.argv[1:])
sys.stderr.write(json.dumps([code, sorted(sys.modules)]))
"""


ENGINES = {"jsonschema_rs", "minijinja"}
CLIENTS = {"openai", "httpx2", "pycurl", "tiktoken", "tenacity"}


def modules_after(*argv: str, **env: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, "ask", "--no-stdin", *argv],
        capture_output=True,
        env={"PATH": "", **env},
        timeout=60,
        check=True,
    )
    code, names = json.loads(done.stderr)
    assert code == 0
    return set(names)


@pytest.mark.parametrize("kept", [["--cache"], ["--replay", "{}/cache"]], ids=["cache", "replay"])
def test_a_hit_imports_no_client_and_no_engine(cli, server, folder, tmp_path, kept):
    argv = ["--base-url", server.base_url, "-m", "tiny", "hi"]
    cli("ask", "--no-stdin", *argv, "--cache")
    flags = [word.format(tmp_path) for word in kept]
    names = modules_after(*argv, *flags, HOME=str(tmp_path), LLMCLI_CACHE=str(folder))
    assert len(server.requests) == 1
    assert names & (CLIENTS | ENGINES) == set()


@pytest.mark.parametrize(
    ("argv", "engines"),
    [
        (["hi"], set()),
        (["--json-mode", "hi"], set()),
        (["--schema", "a", "hi"], {"jsonschema_rs"}),
        (["-t", "hi there"], {"minijinja"}),
    ],
)
def test_engines_load_only_when_they_are_used(tmp_path, argv, engines):
    assert modules_after("-m", "offline/echo", *argv, HOME=str(tmp_path)) & ENGINES == engines
