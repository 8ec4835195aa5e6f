"""MCP with servers that people use: what each offers and gives; what a loop costs; what a long answer costs.

    python -m tests.bench.mcp_servers                # npm packages are installed into a folder that is thrown away
    python -m tests.bench.mcp_servers --npm FOLDER   # or into this one, which is kept

It wants the extra `test-all`, node with npm, a registry that npm reaches, git, and for the browser server `chromium`.
The first table: tools that the server lists (`task` tools are not offered), kB of their definitions as listed and as
sent, seconds of a dry run, what the calls gave, and kB of images that went to the model. The second: CPU and wall time
of the whole command, with a model in this process that calls each tool once, beside a program of the SDK's own client
that starts the same server and makes the same calls: at most 1.2 times as much. The third: CPU and the most memory of
a loop with one answer that is long: both grow with its length, and no faster.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tests import server as wire
from tests.bench.mcp_kills import RAW
from tests.bench.measured import cpu_ms, environment, peak_mb, seconds

PACKAGES = (
    "@modelcontextprotocol/server-everything",
    "@modelcontextprotocol/server-filesystem",
    "@playwright/mcp",
    "chrome-devtools-mcp",
    "@notionhq/notion-mcp-server",
)
HERE = Path(__file__).parents[2]
MOST = 1.2  # times the cost of the SDK's own client
ROUNDS = 7
SIZES = (0.001, 1.0, 2.5, 5.0, 10.0, 20.0)  # MB of an answer
SDK = """
import asyncio, json, sys
from mcp import Client, StdioServerParameters
async def main(command, *args):
    server = StdioServerParameters(command=command, args=args)
    async with Client(server, mode="legacy", read_timeout_seconds=60) as client:
        for tool in (await client.list_tools()).tools:
            await client.call_tool(tool.name, {})
asyncio.run(main(*sys.argv[1:]))
"""
WEB = """
import sys
from mcp.server.mcpserver import MCPServer
server = MCPServer("web")
@server.tool()
def big(size: int) -> str:
    return "x" * size
server.run(transport="streamable-http", port=int(sys.argv[1]), json_response=sys.argv[2] == "json")
"""


@dataclass(frozen=True)
class Tried:
    """A server to try: its command, and calls of its tools."""

    name: str
    command: list[str]
    calls: list[tuple[str, dict]]


def tried(npm: Path, folder: Path) -> Iterator[Tried]:
    """The servers, and what is called of them."""
    (folder / "a.txt").write_text("It is here.\n")
    subprocess.run([shutil.which("git") or "git", "init", "-q", str(folder)], check=True)
    zones = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    time_, git = ([sys.executable, "-m", f"mcp_server_{name}"] for name in ("time", "git"))
    yield Tried("time", time_, [("convert_time", zones)])
    yield Tried("git", [*git, "--repository", str(folder)], [("git_status", {"repo_path": str(folder)})])
    everything = [("echo", {"message": "hi"}), ("get-tiny-image", {}), ("get-resource-links", {"count": 2})]
    yield Tried("everything", [program(npm, "mcp-server-everything"), "stdio"], everything)
    files = [("read_text_file", {"path": str(folder / "a.txt")}), ("list_directory", {"path": str(folder)})]
    yield Tried("filesystem", [program(npm, "mcp-server-filesystem"), str(folder)], files)
    browser = shutil.which("chromium") or "chromium"
    page = {"url": "data:text/html,<h1>Here</h1>"}
    play = ["--headless", "--no-sandbox", "--isolated", "--executable-path", browser]
    shot = [("browser_navigate", page), ("browser_take_screenshot", {})]
    yield Tried("playwright", [program(npm, "playwright-mcp"), *play], shot)
    tools = ["--headless", "--isolated", "--executablePath", browser, "--chromeArg=--no-sandbox"]
    shot = [("navigate_page", {"pageId": 1, "type": "url", **page}), ("take_screenshot", {"pageId": 1})]
    yield Tried("chrome-devtools", [program(npm, "chrome-devtools-mcp"), *tools], shot)
    yield Tried("notion", [program(npm, "notion-mcp-server")], [])


def program(npm: Path, name: str) -> str:
    return str(npm / "node_modules" / ".bin" / name)


def ours(model: str, server: list[str] | str, *more: str) -> list[str]:
    """A command with one server."""
    words = server if isinstance(server, str) else shlex.join(server)
    return [sys.executable, "-m", "llmcli", "ask", "--no-stdin", "-m", model, "--mcp", words, *more, "hi"]


async def listed_kb(command: list[str], unread: TextIO) -> tuple[int, float]:
    """(the tools, kB of their definitions) as the server lists them."""
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    server = StdioServerParameters(command=command[0], args=command[1:])
    stdio = stdio_client(server, errlog=unread)
    async with Client(stdio, mode="legacy", read_timeout_seconds=60) as client:
        tools = (await client.list_tools()).tools
    keys = ("name", "description", "inputSchema")
    plain = [each.model_dump(by_alias=True, exclude_none=True, mode="json") for each in tools]
    return len(tools), kb([{key: each[key] for key in keys if key in each} for each in plain])


def kb(data: object) -> float:
    return len(json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()) / 1000


def show(each: Tried, env: dict[str, str]) -> None:
    """One line of the first table. Raises AssertionError where a call fails, or base64 goes as text."""
    with Path(os.devnull).open("w") as unread:
        count, before = asyncio.run(listed_kb(each.command, unread))
    command = ours("offline/echo", each.command, "--dry-run")
    run(command, env)  # until all is in the cache
    began = time.perf_counter()
    dry = run(command, env)
    took = time.perf_counter() - began
    sent = json.loads(dry)["tools"]
    figures = f"{count:5} {len(sent):8} {before:8.1f} {kb(sent):8.1f} {took:8.2f}"
    print(f"{each.name:16} {figures}  {'; '.join(given(each, env)) or '-'}", flush=True)


def given(each: Tried, env: dict[str, str]) -> list[str]:
    """What the calls of a server gave, one after the other."""
    if not each.calls:
        return []
    with wire.Server() as server:
        turns = [wire.ok(tool_calls=[wire.call(name, arguments)]) for name, arguments in each.calls]
        server.script = [*turns, wire.ok("Done.")]
        run(ours("tiny", each.command, "--base-url", server.base_url), env)
        messages = server.requests[-1].json["messages"]
    told = [message["content"] for message in messages if message["role"] == "tool"]
    assert len(told) == len(each.calls), messages
    assert not any(text.startswith("error:") or len(text) > 20_000 for text in told), told
    parts = [
        part for message in messages if isinstance(message["content"], list) for part in message["content"]
    ]
    images = [part for part in parts if part["type"] == "image_url"]
    seen = [f"{len(images)} image, {kb(images):.0f} kB"] if images else []
    return [*(f"{name} {len(text)}" for (name, _), text in zip(each.calls, told, strict=True)), *seen]


def run(command: list[str], env: dict[str, str]) -> str:
    """What a command prints. It runs in a folder of the bench: browser servers write there."""
    quiet = {"stdin": subprocess.DEVNULL, "capture_output": True, "cwd": env["PYTHONPYCACHEPREFIX"]}
    done = subprocess.run(command, env=env, check=False, **quiet)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def beside(tools: int, env: dict[str, str]) -> float:
    """Print what a loop costs beside the SDK's own client, and return the larger of the ratios."""
    plain = {"inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}}
    how = {"tools": [{"name": f"tool{at}", **plain} for at in range(tools)]}
    server = [sys.executable, "-S", str(RAW), json.dumps(how)]
    pair = (ours("offline/echo?tools=each", server), [sys.executable, "-c", SDK, *server])
    cpu: list[list[float]] = [[], []]
    wall: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for at, command in enumerate(pair):
            cpu[at].append(cpu_ms(command, env))
            wall[at].append(1000 * seconds(command, env))
    our_cpu, its_cpu, our_wall, its_wall = map(statistics.median, (*cpu, *wall))
    print(
        f"{tools:5} {our_cpu:9.0f} {its_cpu:9.0f} {our_cpu / its_cpu:6.2f}"
        f" {our_wall:9.0f} {its_wall:9.0f} {our_wall / its_wall:6.2f}",
        flush=True,
    )
    return max(our_cpu / its_cpu, our_wall / its_wall)


@contextmanager
def web(kind: str) -> Iterator[str]:
    """The URL of a server behind HTTP, that answers in `json` or in events."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", WEB, str(port), kind]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if b"running on" in line:
                break
        try:
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            running.kill()


def long_answers(name: str, server: list[str] | str, env: dict[str, str]) -> None:
    """One line of the third table."""
    cells = []
    with wire.Server() as model:
        for size in SIZES:
            call = wire.call("big", {"size": int(size * 1e6)})
            command = ours("tiny", server, "--base-url", model.base_url)
            took = []
            for _ in range(3):
                model.script = [wire.ok(tool_calls=[call]), wire.ok("Done.")]
                took.append(cpu_ms(command, env))
                assert len(model.requests[-1].json["messages"][-1]["content"]) == int(size * 1e6)
            model.script = [wire.ok(tool_calls=[call]), wire.ok("Done.")]
            cells.append(f"{statistics.median(took):6.0f} ms {peak_mb(command, env, '/dev/null'):4.0f} MB")
    print(f"{name:10} {' '.join(f'{cell:>15}' for cell in cells)}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--npm", type=Path)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        env = {**environment(folder), "OPENAI_API_KEY": "sk-bench-0000", "PYTHONPATH": str(HERE)}
        Path(env["PYTHONPYCACHEPREFIX"]).mkdir()
        npm = (told.npm or Path(folder, "npm")).absolute()
        npm.mkdir(exist_ok=True)
        quietly = ["--no-audit", "--no-fund", "--silent"]
        subprocess.run(["npm", "install", *quietly, *PACKAGES], cwd=npm, check=True)
        place = Path(folder, "place")
        place.mkdir()
        print(f"{'server':16} tools  offered  kB list  kB sent  seconds  what calls gave, in characters")
        for each in tried(npm, place):
            show(each, env)
        print("\ntools  CPU ours  CPU SDK  ratio  wall ours  wall SDK  ratio")
        worst = max(beside(tools, env) for tools in (1, 20, 100))
        heads = " ".join(f"{size:>12g} MB" for size in SIZES)
        print(f"\n{'answer':10} {heads}")
        raw = [sys.executable, "-S", str(RAW), json.dumps({"tools": [{"name": "big", "inputSchema": {}}]})]
        long_answers("stdio", raw, env)
        for kind in ("json", "events"):
            with web(kind) as url:
                long_answers(f"HTTP {kind}", url, env)
    return 0 if worst <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
