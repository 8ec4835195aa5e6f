"""An S3 server on loopback that answers what is not so: it acts and says 500, or nothing, or heeds no condition."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from time import time
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.stores import KEYS

Lie = Callable[[str, str], str | None]
"""What becomes of a request, by its method and key: None, or the name of one of LIES."""

LIES = ("acts-500", "acts-503", "acts-409", "acts-closes", "500", "503", "409", "429", "closes")


def honest(_method: str, _key: str) -> None:
    return None


class Objects:
    """What the server has. `age` is by how many seconds all seems older than it is; see Lie."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[bytes, str, float]] = {}
        self.lie: Lie = honest
        self.heeds_conditions = True
        self.is_writable = True
        self.age = 0.0
        self.requests: list[str] = []
        self.lock = threading.Lock()
        self._tags = count()

    def put(self, key: str, data: bytes, headers: dict[str, str]) -> int:
        """The status of a put."""
        with self.lock:
            before = self.kept.get(key)
            if self.heeds_conditions:
                if headers.get("if-none-match") == "*" and before is not None:
                    return 412
                if (tag := headers.get("if-match")) and (before is None or before[1] != tag):
                    return 404 if before is None else 412
            digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
            self.kept[key] = data, f'"{digest}-{next(self._tags)}"', time()
            return 200

    def pass_by(self, seconds: float) -> None:
        """Let all that is kept grow older."""
        with self.lock:
            self.kept = {key: (data, tag, at - seconds) for key, (data, tag, at) in self.kept.items()}


@contextmanager
def serving() -> Iterator[tuple[Objects, dict[str, str]]]:
    """The server's objects, and the environment in which `s3://rows` is there."""
    objects = Objects()

    class Handler(_Handler):
        pass

    Handler.objects = objects
    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield objects, {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that was killed is no fault."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects: Objects

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _begin(self) -> tuple[str, dict[str, list[str]], bytes]:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        key = unquote(parts.path).removeprefix("/rows").lstrip("/")
        return key, parse_qs(parts.query, keep_blank_values=True), body

    def _lies(self, act: Callable[[], object], key: str) -> bool:
        """Whether the answer is one that is not so; some are given after acting."""
        self.objects.requests.append(f"{self.command} {key}")
        lie = self.objects.lie(self.command, key)
        if lie is None:
            return False
        if lie.startswith("acts-"):
            act()
        what = lie.removeprefix("acts-")
        if what == "closes":
            self.close_connection = True
            self.connection.close()
        else:
            self._answer(int(what), b"<Error><Code>Lie</Code></Error>")
        return True

    def do_PUT(self) -> None:
        """Make an object."""
        key, _, body = self._begin()
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self._lies(lambda: self.objects.put(key, body, headers), key):
            return None
        if not self.objects.is_writable:
            return self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        status = self.objects.put(key, body, headers)
        tag = {"ETag": self.objects.kept[key][1]} if status == 200 else {}
        return self._answer(status, b"", tag)

    def do_POST(self) -> None:
        """Take objects away."""
        _, _, body = self._begin()
        with self.objects.lock:
            keys = re.findall(r"<Key>(.*?)</Key>", body.decode())
            for key in keys:
                self.objects.kept.pop(key, None)
        gone = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{gone}</DeleteResult>".encode())

    def do_GET(self) -> None:
        """An object, or a list of them."""
        key, query, _ = self._begin()
        if self._lies(lambda: None, key):
            return None
        if not key:
            return self._list(query.get("prefix", [""])[0])
        found = self.objects.kept.get(key)
        if found is None:
            return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        data, tag, at = found
        headers = {"ETag": tag, "Last-Modified": formatdate(at, usegmt=True)}
        if span := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", "")):
            start, end = int(span[1]), min(int(span[2] or len(data)) + 1, len(data))
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
            return self._answer(206, data[start:end], headers)
        return self._answer(200, data, headers)

    do_HEAD = do_GET  # noqa: N815 - so it is called

    def _list(self, prefix: str) -> None:
        with self.objects.lock:
            kept = sorted(item for item in self.objects.kept.items() if item[0].startswith(prefix))
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-27T00:00:00.000Z</LastModified>"
            f"<ETag>{tag}</ETag><Size>{len(data)}</Size></Contents>"
            for key, (data, tag, _) in kept
        )
        self._answer(
            200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode()
        )

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
