"""A real nginx that closes idle connections after a second, and takes no more than 1 MB."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

WHERE = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
COMPLETION = {"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}]}
CONF = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off; keepalive_timeout 1s; default_type application/json; client_max_body_size 1m;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 '{reply}'; }} }}
}}
"""


@pytest.fixture
def nginx(tmp_path) -> Iterator[int]:
    """The port of one that answers each request alike."""
    if WHERE is None:
        pytest.skip("nginx is not installed")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (tmp_path / "nginx.conf").write_text(
        CONF.format(folder=tmp_path, port=port, reply=json.dumps(COMPLETION))
    )
    command = [WHERE, "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")]
    with subprocess.Popen(command) as running:
        try:
            opened(port).close()
            yield port
        finally:
            running.terminate()


def opened(port: int) -> socket.socket:
    """A connection, as soon as there is one."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=30)
        except ConnectionRefusedError:
            continue
    raise AssertionError("nginx does not listen")


def until_idle_ones_are_closed(port: int) -> None:
    """Keep a connection idle that was used after all others, until it is closed: they were before it."""
    with opened(port) as last:
        last.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        while last.recv(10_000):
            pass


@pytest.mark.parametrize("flags", [(), ("--no-stream",)])
def test_turns_of_a_chat_with_a_pause_between_them(process, nginx, flags):
    argv = ("chat", "--base-url", f"http://127.0.0.1:{nginx}/v1", "-m", "tiny", "--retries", "0", *flags)
    with process.start(*argv, stdin=subprocess.PIPE, env={"OPENAI_API_KEY": "sk-test"}) as chat:
        for _ in range(2):
            chat.stdin.write(b"Hi\n")
            chat.stdin.flush()
            assert chat.stdout.readline() == b"Hello\n"
            until_idle_ones_are_closed(nginx)
        out, err = chat.communicate(b"Hi\n", timeout=60)
    assert (chat.returncode, out, err) == (0, b"Hello\n", b"")


@pytest.mark.parametrize("flags", [(), ("--stream",)])
def test_rows_of_a_batch_with_a_pause_between_them(process, nginx, flags):
    argv = (
        "batch",
        "--base-url",
        f"http://127.0.0.1:{nginx}/v1",
        "-m",
        "tiny",
        "--retries",
        "0",
        "-q",
        *flags,
    )
    row = b'{"prompt":"Hi"}\n'
    with process.start(*argv, stdin=subprocess.PIPE, env={"OPENAI_API_KEY": "sk-test"}) as batch:
        for _ in range(2):
            batch.stdin.write(row)
            batch.stdin.flush()
            assert json.loads(batch.stdout.readline())["error"] is None
            until_idle_ones_are_closed(nginx)
        out, _ = batch.communicate(row, timeout=60)
    assert batch.returncode == 0
    assert json.loads(out)["error"] is None


@pytest.mark.parametrize("flags", [(), ("--no-stream",)])
def test_a_prompt_that_it_does_not_take(process, nginx, flags):
    argv = ("ask", "--base-url", f"http://127.0.0.1:{nginx}/v1", "-m", "tiny", *flags)
    result = process(*argv, stdin=b"x" * 5_000_000, env={"OPENAI_API_KEY": "sk-test"})
    assert (result.code, result.out) == (65, "")
    assert "413" in result.err
