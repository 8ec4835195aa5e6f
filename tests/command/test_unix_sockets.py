"""Servers behind a Unix socket: http+unix addresses, in every command that calls."""

from __future__ import annotations

import json
import socket
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Result


class Relay(socketserver.BaseRequestHandler):
    """Carries bytes between a Unix socket and the loopback server."""

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.port)) as there:
            back = threading.Thread(target=carry, args=(there, self.request), daemon=True)
            back.start()
            carry(self.request, there)
            back.join()


def carry(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(2**16):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # the path of a socket has some 100 bytes
        yield Path(name)


@pytest.fixture
def listen(server, folder) -> Iterator[object]:
    relays = []

    def listening(name: str) -> Path:
        relay = socketserver.ThreadingUnixStreamServer(str(folder / name), Relay)
        relay.daemon_threads, relay.port = True, server.port
        threading.Thread(target=relay.serve_forever, args=(0.01,), daemon=True).start()
        relays.append(relay)
        return folder / name

    yield listening
    for relay in relays:
        relay.shutdown()
        relay.server_close()


def encoded(path: Path) -> str:
    return str(path).replace("/", "%2F")


@pytest.mark.parametrize(
    "url",
    [
        lambda path: f"http+unix://{path}/v1",
        lambda path: f"http+unix://{path}/v1/",
        lambda path: f"http+unix://{path}/v1/chat/completions",
        lambda path: f"http+unix://{encoded(path)}/v1",
    ],
)
@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_ask_over_a_socket(cli, server, listen, url, flag):
    place = url(listen("llama.sock"))
    result = cli(
        "ask", "--base-url", place, "-m", "tiny", flag, "hi", env={"HTTP_PROXY": "http://127.0.0.1:1"}
    )
    assert result == Result(0, "hi\n", "")
    assert (server.requests[0].path, server.requests[0].headers["host"]) == (
        "/v1/chat/completions",
        "localhost",
    )


def test_a_socket_without_an_ending_stands_before_the_last_name(cli, listen):
    place = f"http+unix://{listen('Socket')}/v1"
    assert cli("ask", "--base-url", place, "-m", "tiny", "hi") == Result(0, "hi\n", "")


def test_all_that_call_go_over_a_socket(cli, listen):
    place = f"http+unix://{listen('llama.sock')}/v1"
    rows = b'{"prompt":"a"}\n{"prompt":"b"}\n'
    for flags in ([], ["--stream"]):
        done = cli("batch", "-q", "--ordered", "--base-url", place, "-m", "tiny", *flags, stdin=rows)
        texts = [json.loads(line)["response"]["body"]["choices"][0] for line in done.out.splitlines()]
        assert (done.code, [each["message"]["content"] for each in texts]) == (0, ["a", "b"])
    assert cli("chat", "-q", "--base-url", place, "-m", "tiny", stdin=b"a\nb\n") == Result(0, "a\nb\n", "")
    assert "tiny" in cli("models", "--live", "--base-url", place).out


def test_a_socket_that_is_not_there_is_said_at_once(cli, folder):
    result = cli("ask", "--base-url", f"http+unix://{folder}/gone.sock/v1", "-m", "tiny", "hi")
    assert (result.code, result.out) == (75, "")
    assert f"http+unix://{folder}/gone.sock/v1" in result.err
    assert "No such file or directory" in result.err


@pytest.mark.parametrize("url", ["http+unix://", "http+unix://host/v1", "unix:///a/b"])
def test_what_names_no_socket_is_a_usage_error(cli, url):
    result = cli("ask", "--base-url", url, "-m", "tiny", "hi")
    assert (result.code, result.out) == (2, "")
    assert "is no http(s) URL" in result.err


def test_curl_is_told_of_the_socket(cli):
    shown = cli("ask", "--curl", "--base-url", "http+unix:///run/llama.sock/v1", "-m", "tiny", "hi")
    assert shown.out.startswith("curl http://localhost/v1/chat/completions --unix-socket /run/llama.sock -H ")
