"""What `llmcli serve` keeps: answers in the cache and in recordings, through kills, and a line a request."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import server as wire
from tests.process.served import HI, Got, Running

CITY = {
    "type": "json_schema",
    "json_schema": {"name": "city", "schema": {"type": "object", "required": ["name"]}},
}


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def opened(running: Running, body: object, **headers: str) -> http.client.HTTPConnection:
    """A connection on which a chat was asked for."""
    place = urlsplit(running.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    return connection


def token_of(running: Running) -> dict[str, str]:
    assert running.child.stderr is not None
    return {"Authorization": f"Bearer {running.child.stderr.readline().decode().split()[-1]}"}


def asked(running: Running, token: dict[str, str], **fields: object) -> Got:
    return running.send("POST", "/chat/completions", {"messages": HI, **fields}, **token)


def test_the_cache_answers_the_second_time_streamed_or_not(serve, server, tmp_path):
    server.script = wire.ok("Hello")
    usage = tmp_path / "usage.jsonl"
    flags = ("-m", "tiny", "--base-url", server.base_url, "--cache", "--usage-file", str(usage))
    for stream in (False, True):  # each of a process of its own
        running = serve(*flags)
        token = token_of(running)
        got = asked(running, token, stream=stream)
        assert (got.text if stream else got.json["choices"][0]["message"]["content"]) == "Hello"
        running.end()
    assert len(server.requests) == 1
    assert [line["cached"] for line in lines_of(usage)] == [False, True]


def test_an_answer_is_repaired_before_the_client_has_it(serve, server):
    server.script = [wire.ok("{}"), wire.ok('{"name": "Bonn"}')]
    running = serve("-m", "tiny", "--base-url", server.base_url, "--repair", "1")
    got = asked(running, token_of(running), response_format=CITY)
    assert json.loads(got.json["choices"][0]["message"]["content"]) == {"name": "Bonn"}
    assert len(server.requests) == 2


def test_who_leaves_has_a_line_in_the_usage_file_too(serve, server, tmp_path):
    usage = tmp_path / "usage.jsonl"
    running = serve("-m", "tiny", "--base-url", server.base_url, "--usage-file", str(usage))
    token = token_of(running)
    for stream in (False, True):
        hold = wire.Hold()
        server.script = wire.held(wire.ok("Hello"), hold)
        connection = opened(running, {"messages": HI, "stream": stream}, **token)
        assert hold.reached.wait(60)
        connection.close()
        assert server.requests[-1].finished.wait(60)
    running.send("GET", "/nowhere", **token)
    running.send("POST", "/chat/completions", {"messages": HI})
    code, err = running.end()
    assert (code, err.splitlines()[0]) == (
        143,
        b"served 4 requests, 0 tokens, at least $0.000000; 2 gone, 1 HTTP 404, 1 HTTP 401",
    )
    left, also, lost, unknown = lines_of(usage)
    for line in (left, also):
        assert (line["model"], line["usage"], line["cost_usd"]) == ("tiny", None, None)
        assert (line["error"]["code"], line["error"]["status"]) == ("gone", 499)
    assert (lost["error"]["code"], lost["error"]["status"], lost["cost_usd"]) == ("unknown_url", 404, 0)
    assert (unknown["error"]["code"], unknown["error"]["status"]) == ("invalid_api_key", 401)


def test_what_somebody_left_is_said_to_be_missing_in_the_cost(serve, server):
    running = serve("-m", "tiny", "--base-url", server.base_url, "--price", "1,1")
    token = token_of(running)
    hold = wire.Hold()
    server.script = wire.held(wire.ok("Hello"), hold)
    connection = opened(running, {"messages": HI}, **token)
    assert hold.reached.wait(60)
    connection.close()
    assert server.requests[-1].finished.wait(60)
    assert running.end()[1].startswith(b"served 1 request, 0 tokens, at least $0.000000; 1 gone\n")


def test_a_replay_is_what_was_recorded_streamed_first_or_last(serve, tmp_path):
    made = serve("-m", "offline/echo", "--record", str(tmp_path / "calls"))
    said = [{"role": "user", "content": "one two three"}]
    streamed = made.chat(said, stream=True)
    whole = made.chat(said)
    made.end()
    again = serve("-m", "offline/echo", "--replay", str(tmp_path / "calls"))
    for stream, first in ((True, streamed), (False, whole)):
        second = again.chat(said, stream=stream)
        assert second.events == first.events if stream else second.json == first.json
        assert second.headers["x-request-id"] == first.headers["x-request-id"]


def test_kills_leave_a_recording_whole(serve, tmp_path):
    calls = tmp_path / "calls"
    random_ = random.Random(7)
    for kill in range(5):
        running = serve("-m", "offline/echo", "--record", str(calls))
        wanted, answered = random_.randrange(20, 200), threading.Semaphore(0)
        clients = [
            threading.Thread(target=many, args=(running, f"{kill} {number}", answered)) for number in range(4)
        ]
        for client in clients:
            client.start()
        for _ in range(wanted):
            answered.acquire()
        running.child.kill()
        for client in clients:
            client.join()
    # what begins with a dot is a file that a kill left half written, and nobody reads
    kept = [path for path in calls.rglob("*") if path.is_file() and not path.name.startswith(".")]
    for path in kept:
        json.loads(path.read_bytes())
    assert len(kept) > 100
    replayed = serve("-m", "offline/echo", "--replay", str(calls))
    said = [{"role": "user", "content": "0 0 0"}]
    assert replayed.chat(said).json["choices"][0]["message"]["content"] == "0 0 0"


def many(running: Running, name: str, answered: threading.Semaphore) -> None:
    """Ask one thing after the other until nobody answers."""
    number = 0
    try:
        while running.chat([{"role": "user", "content": f"{name} {number}"}]).status == 200:
            answered.release()
            number += 1
    except (OSError, http.client.HTTPException):
        pass


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 here")
def test_an_address_of_ipv6(shell):
    done = shell(
        "llmcli serve -q -m offline/echo --host ::1 -- sh -c 'curl -gs $OPENAI_BASE_URL/models; echo; echo $no_proxy'"
    )
    model, no_proxy = done.out.splitlines()
    assert json.loads(model)["data"][0]["id"] == "offline/echo"
    assert no_proxy == "127.0.0.1,localhost,::1"


def test_an_address_that_is_not_ours_and_a_port_that_is_taken(shell, serve):
    done = shell("llmcli serve -m offline/echo --host no-such-host.invalid -- true; echo $?")
    assert (done.out, done.err.startswith("llmcli: usage: --host no-such-host.invalid: ")) == ("2\n", True)
    port = urlsplit(serve("-m", "offline/echo").url).port
    done = shell(f"llmcli serve -m offline/echo --port {port} -- true; echo $?")
    assert done.out == "75\n"
    assert f"port {port} is taken" in done.err


@pytest.mark.parametrize(
    "model", ["offline/nope", "offline/flaky?rat=1", "offline/echo?x=1", "local/no.gguf"]
)
def test_a_model_that_cannot_be_is_refused_before_anything_runs(shell, model):
    done = shell(f"llmcli serve -m '{model}' -- echo it ran; echo $?")
    assert done.out in {"2\n", "65\n"}
    assert done.err.startswith(("llmcli: usage: ", "llmcli: rejected: "))


@pytest.mark.parametrize(("said", "code"), [("kill -9 $$", 137), ("kill -INT $$", 130), ("exit 65", 65)])
def test_the_end_of_the_command_is_ours(shell, said, code):
    assert shell(f"llmcli serve -q -m offline/echo -- sh -c '{said}'; echo $?").out == f"{code}\n"


def test_an_interrupt_ends_it_with_130(serve):
    running = serve("-q", "-m", "offline/echo")
    assert running.chat().status == 200
    assert running.end(2) == (130, b"llmcli: interrupted: SIGINT arrived\n")


def test_an_upstream_needs_the_token_whatever_the_path_and_hears_of_no_page(serve, server):
    running = serve("-m", "tiny", "--base-url", server.base_url)
    token = token_of(running)
    for method, path in (("GET", "/models"), ("POST", "/chat/completions"), ("POST", "/responses")):
        body = b"{}" if method == "POST" else None
        assert running.send(method, path, body).status == 401
        assert running.send(method, path, body, Authorization="Bearer wrong").status == 401
        assert running.send(method, path, body, Origin="null", **token).status == 403
    key = token["Authorization"].removeprefix("Bearer ")
    assert running.send("GET", "/models", api_key=key).status == 200
    assert server.requests == []


def test_the_token_is_no_part_of_what_is_recorded_or_told(serve, server, tmp_path):
    server.script = wire.ok("Hello")
    usage, calls = tmp_path / "usage.jsonl", tmp_path / "calls"
    running = serve(
        *("-m", "tiny", "--base-url", server.base_url, "--record", str(calls), "--usage-file", str(usage)),
        OPENAI_API_KEY="sk-upstream",
    )
    token = token_of(running)
    assert asked(running, token).status == 200
    assert running.end()[0] == 143
    assert server.requests[0].headers["authorization"] == "Bearer sk-upstream"
    secrets = (b"sk-upstream", token["Authorization"].removeprefix("Bearer ").encode())
    for folder, _, names in os.walk(tmp_path):
        for name in names:
            data = (Path(folder) / name).read_bytes()
            assert not any(secret in data for secret in secrets)
