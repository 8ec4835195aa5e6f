"""`llmcli serve -m offline/echo` beside the empty handler of the same server library, on one core; 500 at once.

    python tests/bench/serve.py [--requests 4000]

Requests per second of CPU time of the server's process, since machines are shared: what one core would give. Runs are
interleaved, medians are shown.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

EMPTY = """
import asyncio, json, socket, sys, uvicorn, uvloop
async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    head = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"{}"})
sock = socket.create_server(("127.0.0.1", 0), backlog=2048)
print(f"http://127.0.0.1:{sock.getsockname()[1]}/v1", flush=True)
config = uvicorn.Config(app, http="h11", ws="none", lifespan="off", log_config=None, access_log=False,
                        proxy_headers=False, server_header=False, date_header=False)
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(uvicorn.Server(config).serve([sock]))
"""
HEAD = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
NUMBERS = itertools.count()


def question() -> bytes:
    """A request, no two of which ask the same."""
    said = f"Say in one sentence why the sky is blue, for the {next(NUMBERS)}th time."
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": said}]}).encode()
    return HEAD.format(length=len(body)).encode() + body


def started(*command: str) -> tuple[subprocess.Popen[bytes], str]:
    env = {**os.environ, "LLMCLI_CONFIG": os.devnull, "HOME": tempfile.gettempdir()}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)
    assert child.stdout is not None
    return child, child.stdout.readline().decode().strip()


def cpu(pid: int) -> float:
    """Seconds of CPU time, of all threads."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


async def ask(url: str, count: int) -> list[int]:
    """Statuses of requests one behind the other over one connection."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    statuses = []
    for _ in range(count):
        writer.write(question())
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        length = next(
            int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length")
        )
        await reader.readexactly(length)
        statuses.append(int(lines[0].split()[1]))
    writer.close()
    return statuses


async def crowd(url: str, connections: int, each: int) -> list[int]:
    found = await asyncio.gather(*(ask(url, each) for _ in range(connections)))
    return [status for statuses in found for status in statuses]


def rate(pid: int, url: str, requests: int) -> float:
    before = cpu(pid)
    statuses = asyncio.run(crowd(url, 20, requests // 20))
    assert set(statuses) == {200}
    return len(statuses) / (cpu(pid) - before)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=4000)
    requests = parser.parse_args().requests
    servers = {
        "empty handler": started(sys.executable, "-c", EMPTY),
        "offline/echo": started(sys.executable, "-m", "llmcli", "serve", "-m", "offline/echo"),
    }
    try:
        rates: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(20):
            for name, (child, url) in servers.items():
                rates[name].append(rate(child.pid, url, requests // 10))
        for name, found in rates.items():
            print(f"{name:15} {statistics.median(found):8.0f} requests/s of one core")
        empty, echo = (statistics.median(found) for found in rates.values())
        print(f"{'share':15} {echo / empty:8.2f} (at least 0.5)")
        statuses = asyncio.run(crowd(servers["offline/echo"][1], 500, 4))
        print(f"{'500 at once':15} {statuses.count(200):8} of {len(statuses)} answered")
        sys.exit(0 if echo / empty >= 0.5 and statuses == [200] * 2000 else 1)
    finally:
        for child, _ in servers.values():
            child.kill()
            child.communicate()


if __name__ == "__main__":
    main()
