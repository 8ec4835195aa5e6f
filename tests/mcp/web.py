"""A real MCP server behind HTTP, of the SDK; `python web.py TRANSPORT PORT {...}`, with uvicorn's own options in JSON.

Tools: `add`, `die` (it ends), `big` (a text of so many characters), `seen` (a header of the request).
"""

# No `from __future__ import annotations`: the SDK reads those of the tools.

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def serving(transport: str, **options: object) -> Iterator[str]:
    """The URL of one that runs until the block is left. `transport`: `sse`, `streamable-http` or `json`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, __file__, transport, str(port), json.dumps(options)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
        for line in running.stderr:
            if b"running on" in line:
                break
        scheme = "https" if "ssl_certfile" in options else "http"
        try:
            yield f"{scheme}://127.0.0.1:{port}/{'sse' if transport == 'sse' else 'mcp'}"
        finally:
            running.kill()


def main(transport: str, port: str, options: str) -> None:
    import uvicorn

    from mcp.server.mcpserver import Context, MCPServer

    server = MCPServer("web")

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    @server.tool()
    def die() -> str:
        os._exit(1)

    @server.tool()
    def big(size: int) -> str:
        return "x" * size

    @server.tool()
    def seen(name: str, ctx: Context) -> str:
        return str(ctx.request_context.request.headers.get(name))

    app = server.sse_app() if transport == "sse" else None
    app = app or server.streamable_http_app(json_response=transport == "json")
    uvicorn.run(app, port=int(port), **json.loads(options))


if __name__ == "__main__":
    main(*sys.argv[1:])
