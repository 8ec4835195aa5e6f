"""`llmcli serve`, running, and what comes back from it."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.conftest import Process

HI = [{"role": "user", "content": "hello there"}]


class Got(NamedTuple):
    """A reply."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/json"
        assert set(self.json["error"]) == {"message", "type", "param", "code"}
        return self.json["error"]

    @property
    def events(self) -> list[Any]:
        assert self.headers["content-type"].startswith("text/event-stream")
        data = [line.removeprefix("data: ") for line in self.body.decode().split("\n\n") if line]
        return [line if line == "[DONE]" else json.loads(line) for line in data]

    @property
    def text(self) -> str:
        chunks = [event for event in self.events if event != "[DONE]" and event.get("choices")]
        return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)


class Running(NamedTuple):
    """A `serve` that prints its address, and its process."""

    url: str
    child: subprocess.Popen[bytes]

    def send(self, method: str, path: str, body: object = None, **headers: str) -> Got:
        """A request; the path is below /v1, or `//` and the whole."""
        place = urlsplit(self.url)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        whole = path[1:] if path.startswith("//") else f"/v1{path}"
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)) as connection:
            connection.request(method, whole, data, said)
            reply = connection.getresponse()
            return Got(
                reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
            )

    def chat(self, messages: object = HI, **fields: object) -> Got:
        return self.send("POST", "/chat/completions", {"messages": messages, **fields})

    def end(self, number: int = signal.SIGTERM) -> tuple[int, bytes]:
        """The exit status and stderr."""
        self.child.send_signal(number)
        _, err = self.child.communicate(timeout=60)
        code = self.child.returncode
        return code if code >= 0 else 128 - code, err


Serve = Callable[..., Running]


@contextmanager
def serving(process: Process, *argv: str, **env: str) -> Iterator[Running]:
    child = process.start("serve", *argv, env=env or None)
    try:
        yield Running(child.stdout.readline().decode().strip(), child)
    finally:
        child.kill()
        child.communicate()
