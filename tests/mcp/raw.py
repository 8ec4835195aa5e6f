"""A raw MCP server on stdio, of the standard library alone; `python -S raw.py '{...}'` says how it behaves.

`tools`: its list (MCP's own shape), or `pages`: lists of them. `results`: what a call of each gives; `{"error": ...}`
is a JSON-RPC error. `say`: lines on stderr at the start, `banner`: a line on stdout. `exit`: end with this code at
the start. `silent`: answer nothing. `die`: end in a call of this tool. `hang`: never answer a call of this tool.
`deaf`: ignore the end of stdin, and SIGTERM. `child`: start a child that sleeps, in a group of its own where it says
"away". `started`: a file that gets a line with our pid. `env`: the tool `env` tells these variables. `modern`: refuse
`initialize`. `endless`: the list never ends. `verbatim`: what stands beside the id in the answer to a method; null: it
closes its stdout. `meet`: files; a call writes the first and waits for all.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HOW = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
MODERN = "2026-07-28"
ECHO = {"name": "echo", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}}


def send(message: dict) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def call(name: str, arguments: dict) -> dict:
    if name == HOW.get("die"):
        sys.stderr.write("it hit a wall\n")
        sys.stderr.flush()
        os._exit(3)
    if name == HOW.get("hang"):
        time.sleep(1000)
    if "meet" in HOW:
        meet([Path(each) for each in HOW["meet"]])
    if name in HOW.get("results", {}):
        return HOW["results"][name]
    if name == "env":
        text = "\n".join(f"{key}={os.environ.get(key)}" for key in HOW["env"])
    elif name == "big":
        text = "x" * int(arguments.get("size") or HOW["big"])
    else:
        text = str(arguments.get("text", arguments))
    return {"content": [{"type": "text", "text": text}]}


def meet(files: list[Path]) -> None:
    files[0].touch()
    while not all(each.exists() for each in files):
        time.sleep(0.01)


def initialized(params: dict) -> dict:
    if HOW.get("modern"):
        data = {"supported": [MODERN], "requested": params["protocolVersion"]}
        return {"error": {"code": -32022, "message": "Too old", "data": data}}
    info = {"name": "raw", "version": "1"}
    good = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
    return HOW.get("initialize", good)


def page(params: dict) -> dict:
    pages = HOW.get("pages") or [HOW.get("tools", [ECHO])]
    at = int(params.get("cursor") or 0)
    if HOW.get("endless"):
        return {"tools": pages[0], "nextCursor": "0"}
    return {"tools": pages[at], **({"nextCursor": str(at + 1)} if at + 1 < len(pages) else {})}


def answer(method: str, params: dict) -> dict:
    if method == "initialize":
        return initialized(params)
    if method == "server/discover":
        return {"supportedVersions": [MODERN], "capabilities": {"tools": {}}}
    if method == "tools/list":
        return page(params)
    if method == "tools/call":
        return call(params["name"], params.get("arguments") or {})
    return {"error": {"code": -32601, "message": f"Method not found: {method}"}}


def note(pid: int) -> None:
    with Path(HOW["started"]).open("a") as file:
        file.write(f"{pid}\n")


def start() -> None:
    if "started" in HOW:
        note(os.getpid())
    if "child" in HOW:
        child = subprocess.Popen(["/bin/sleep", "1000"], start_new_session=HOW["child"] == "away")
        note(child.pid)
    if HOW.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in HOW.get("say", []):
        sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
    if "exit" in HOW:
        sys.exit(HOW["exit"])
    if "banner" in HOW:
        sys.stdout.write(f"{HOW['banner']}\n")


def main() -> None:
    start()
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or HOW.get("silent"):
            continue
        if message["method"] in HOW.get("verbatim", {}):
            if (verbatim := HOW["verbatim"][message["method"]]) is None:
                os.close(1)
                continue
            send({"id": message["id"], **verbatim})
            continue
        got = answer(message["method"], message.get("params") or {})
        if HOW.get("modern"):
            got = (
                got
                if "error" in got
                else {**got, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
            )
        send({"id": message["id"], **(got if "error" in got else {"result": got})})
    while HOW.get("deaf"):
        time.sleep(1000)


main()
