"""A server of objects on loopback that answers what is not so: it acts and says 500, or nothing, or heeds no condition.

It speaks S3 and what is like it, the XML API of GCS that obstore speaks to Google, and that of Azure.
"""

from __future__ import annotations

import hashlib
import json
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


def generation_of(tag: str) -> str:
    """What Google calls the version that an e-tag is of."""
    return tag.strip('"').rpartition("-")[2]


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
        self._tags = count(1)

    def put(self, key: str, data: bytes, headers: dict[str, str]) -> int:
        """The status of a put."""
        with self.lock:
            before = self.kept.get(key)
            if self.heeds_conditions:
                generation = headers.get("x-goog-if-generation-match")
                if (generation == "0" or headers.get("if-none-match") == "*") and before is not None:
                    return 412
                if (tag := headers.get("if-match")) and (before is None or before[1] != tag):
                    return 404 if before is None else 412
                if generation not in {None, "0"} and (
                    before is None or generation_of(before[1]) != generation
                ):
                    return 412
            digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
            self.kept[key] = data, f'"{digest}-{next(self._tags)}"', time()
            return 200

    def pass_by(self, seconds: float) -> None:
        """Let all that is kept grow older."""
        with self.lock:
            self.kept = {key: (data, tag, at - seconds) for key, (data, tag, at) in self.kept.items()}


def _environment(url: str) -> dict[str, str]:
    account = {"gcs_base_url": url, "disable_oauth": True, "client_email": "", "private_key": ""}
    azure = {"ACCOUNT_NAME": "rows", "ACCOUNT_KEY": "c2VjcmV0", "ENDPOINT": url}
    return {
        **KEYS,
        "AWS_ENDPOINT_URL": url,
        "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps({**account, "private_key_id": ""}),
        **{f"AZURE_STORAGE_{name}": value for name, value in azure.items()},
        "AZURE_ALLOW_HTTP": "true",
    }


@contextmanager
def serving() -> Iterator[tuple[Objects, dict[str, str]]]:
    """The server's objects, and the environment in which `s3://rows`, `gs://rows` and `az://rows` are there."""
    objects = Objects()

    class Handler(_Handler):
        pass

    Handler.objects = objects
    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield objects, _environment(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()


def _versions(tag: str) -> dict[str, str]:
    return {"ETag": tag, "x-goog-generation": generation_of(tag)}


_S3_LIST = (
    "<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>",
    "<Contents><Key>{key}</Key><LastModified>2026-11-27T00:00:00.000Z</LastModified>"
    "<ETag>{tag}</ETag><Size>{size}</Size></Contents>",
)
_AZURE_LIST = (
    "<EnumerationResults><Blobs>{rows}</Blobs></EnumerationResults>",
    "<Blob><Name>{key}</Name><Properties><Last-Modified>Fri, 27 Nov 2026 00:00:00 GMT</Last-Modified>"
    "<Etag>{tag}</Etag><Content-Length>{size}</Content-Length><Content-Type>text/plain</Content-Type>"
    "</Properties></Blob>",
)


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that was killed is no fault."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes: 0.04 s, where the second waits
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
        if status == 412 and headers.get("if-none-match") and "x-ms-version" in headers:
            return self._answer(409, b"<Error><Code>BlobAlreadyExists</Code></Error>")
        return self._answer(status, b"", _versions(self.objects.kept[key][1]) if status == 200 else {})

    def do_DELETE(self) -> None:
        """Take an object away."""
        key, _, _ = self._begin()
        with self.objects.lock:
            self.objects.kept.pop(key, None)
        self._answer(204, b"")

    def do_POST(self) -> None:
        """Take objects away."""
        _, query, body = self._begin()
        azure = "comp" in query  # a request for each, in one
        pattern = r"DELETE \S*?/rows/(\S+)" if azure else r"<Key>(.*?)</Key>"
        keys = re.findall(pattern, body.decode())
        with self.objects.lock:
            for key in keys:
                self.objects.kept.pop(unquote(key), None)
        if azure:
            gone = (
                f"--b\r\ncontent-id: {at}\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n" for at in range(len(keys))
            )
            mixed = {"Content-Type": "multipart/mixed; boundary=b"}
            return self._answer(202, f"{''.join(gone)}--b--\r\n".encode(), mixed)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        return self._answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def do_GET(self) -> None:
        """An object, or a list of them."""
        key, query, _ = self._begin()
        if self._lies(lambda: None, key):
            return None
        if not key:
            return self._list(query.get("prefix", [""])[0], azure="comp" in query)
        found = self.objects.kept.get(key)
        if found is None:
            return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        data, tag, at = found
        headers = {**_versions(tag), "Last-Modified": formatdate(at, usegmt=True)}
        if span := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", "")):
            start, end = int(span[1]), min(int(span[2] or len(data)) + 1, len(data))
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
            return self._answer(206, data[start:end], headers)
        return self._answer(200, data, headers)

    do_HEAD = do_GET  # noqa: N815 - so it is called

    def _list(self, prefix: str, *, azure: bool) -> None:
        with self.objects.lock:
            kept = sorted(item for item in self.objects.kept.items() if item[0].startswith(prefix))
        listed = _AZURE_LIST if azure else _S3_LIST
        rows = "".join(
            listed[1].format(key=escape(key), tag=tag, size=len(data)) for key, (data, tag, _) in kept
        )
        self._answer(200, listed[0].format(rows=rows).encode())

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
