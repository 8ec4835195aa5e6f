"""A provider of files and batches, as an object whose time is an argument, and a door that speaks HTTP for it.

It does what providers were seen to do: lists lag, answers get lost behind what they tell of, batches expire with a part
of their work done, files come in several dresses. `created`, `billed` and `left` are for asserts.
"""

from __future__ import annotations

import email
import email.policy
import itertools
import json
import math
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

HOUR = 3600.0


@dataclass
class Script:
    """How the provider behaves. Lists of ends are for one batch after the other; the last one repeats.

    An end is `completed`, `expired`, `cancelled`, `failed`, `lines` (failed for its first row), `tokens` (beyond a
    limit) or `hangs`; `share` of its rows is done by then. `lose`: of each operation, which calls (from 0) act, and
    whose answers get lost. `refuse`: which are answered with a status before they act. `dress` are oddities of the
    files: `string`, `bare`, `unended`, `empty`, `twice`, `strange`, `zero`, `plain`; and of batches: `shouting`
    (statuses in upper case, PROGRESS, times and errors in words), `wrapped` (in `job`, with a share of work for
    counts). `cut`: bytes after which the first `cuts` downloads break off.
    """

    ends: list[str] = field(default_factory=lambda: ["completed"])
    share: float = 0.5
    dwell: float = 60.0
    cancelling: float | None = None  # seconds that a cancel takes (None: half of `dwell`)
    list_lag: float = 0.0
    file_lag: float = 0.0
    lose: Mapping[str, set[int]] = field(default_factory=dict)
    refuse: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    dress: frozenset[str] = frozenset()
    missing: int = 0  # rows of each batch that no file speaks of
    cut: int | None = None
    cuts: int = 0
    limit: int | None = None  # rows that may be enqueued at once
    steady: bool = False  # a batch tells how many rows are done while it works
    shuffled: bool = True
    answer: Callable[[dict[str, Any]], tuple[int, Any]] | None = None


class Lost(Exception):
    """The answer does not arrive; the call was carried out."""


class Refused(Exception):
    """The call is answered with a status."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code or None, "message": message or f"status {status}", "type": "x"}}


def echo_row(body: dict[str, Any]) -> tuple[int, Any]:
    """An answer that says what the user said."""
    text = str(body["messages"][-1]["content"])
    if text.startswith("status "):
        return int(text.split()[1]), {"error": {"message": text, "code": None}}
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    return 200, {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": body["model"],
        "choices": [choice],
        "usage": usage,
    }


class FakeBatches:
    """The provider. `now` gives seconds since 1970."""

    def __init__(self, now: Callable[[], float], script: Script | None = None) -> None:
        self.now, self.script = now, script or Script()
        self.files: dict[str, dict[str, Any]] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.calls: Counter[str] = Counter()
        self.created = 0
        self.billed = 0
        self.unfinished = 0  # rows of batches that ended before all were done
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        """Bytes that are stored."""
        return sum(len(file["data"]) for file in self.files.values())

    # --- Operations -----------------------------------------------------------------------------------------------

    def do(self, what: str, act: Callable[[], Any]) -> Any:
        """Carry a call out, as the script wants it."""
        with self._lock:
            number = self.calls[what]
            self.calls[what] += 1
            if (status := self.script.refuse.get(what, {}).get(number)) is not None:
                raise Refused(status)
            done = act()
            if number in self.script.lose.get(what, ()):
                raise Lost
            return done

    def upload(self, name: str, data: bytes, purpose: str = "batch") -> dict[str, Any]:
        return self.do("upload", lambda: self._upload(name, data, purpose))

    def _upload(self, name: str, data: bytes, purpose: str) -> dict[str, Any]:
        identity = f"file-{next(self._ids)}"
        self.files[identity] = {"name": name, "data": data, "created": self.now(), "purpose": purpose}
        return self._file(identity)

    def _file(self, identity: str) -> dict[str, Any]:
        file = self.files[identity]
        told = {"id": identity, "object": "file", "filename": file["name"], "bytes": len(file["data"])}
        return told | {"created_at": int(file["created"]), "purpose": file["purpose"]}

    def create(self, file: str, metadata: dict[str, str] | None = None) -> dict[str, Any]:
        return self.do("create", lambda: self._create(file, metadata))

    def _create(self, file: str, metadata: dict[str, str] | None) -> dict[str, Any]:
        known = self.files.get(file)
        if known is None or self.now() < known["created"] + self.script.file_lag:
            raise Refused(400, "invalid_request", f"Cannot find file {file}")
        identity = f"batch_{next(self._ids)}"
        ends = self.script.ends
        end = ends[min(self.created, len(ends) - 1)]
        rows = known["data"].count(b"\n")
        active = sum(
            each["total"] for each in self.batches.values() if each["status"] in {"in_progress", "validating"}
        )
        if self.script.limit is not None and active + rows > self.script.limit:
            end = "tokens"
        self.created += 1
        self.batches[identity] = {
            "id": identity, "status": "in_progress", "end": end, "file": file, "created": self.now(),
            "metadata": metadata or {}, "total": rows, "output": None, "errors": None, "faults": [],
            "completed": 0, "failed": 0, "until": self.now() + self.script.dwell,
        }  # fmt: skip
        return self._told(identity)

    def batch(self, identity: str) -> dict[str, Any]:
        return self.do("batch", lambda: self._told(self._known(identity)))

    def cancel(self, identity: str) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            batch = self.batches[self._known(identity)]
            self._advance(batch)
            if batch["status"] != "in_progress":
                raise Refused(400, "", f"Cannot cancel a batch that is {batch['status']}")
            batch["status"], batch["end"], batch["until"] = (
                "cancelling",
                "cancelled",
                self.now()
                + (self.script.dwell / 2 if self.script.cancelling is None else self.script.cancelling),
            )
            return self._told(identity)

        return self.do("cancel", act)

    def list_batches(self, after: str | None = None, limit: int = 20) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            ids = [
                i for i, each in self.batches.items() if self.now() >= each["created"] + self.script.list_lag
            ]
            return self._page([self._told(i) for i in reversed(ids)], after, limit)

        return self.do("batches", act)

    def list_files(self, after: str | None = None, limit: int = 20) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            ids = [
                i for i, each in self.files.items() if self.now() >= each["created"] + self.script.file_lag
            ]
            return self._page([self._file(i) for i in reversed(ids)], after, limit)

        return self.do("files", act)

    @staticmethod
    def _page(items: list[dict[str, Any]], after: str | None, limit: int) -> dict[str, Any]:
        start = next((i + 1 for i, item in enumerate(items) if item["id"] == after), 0)
        page = items[start : start + limit]
        return {"object": "list", "data": page, "has_more": start + limit < len(items)}

    def content(self, identity: str) -> tuple[bytes, bool]:
        """The bytes of a file, and whether they are whole."""

        def act() -> tuple[bytes, bool]:
            if identity not in self.files:
                raise Refused(404, "", f"No such file: {identity}")
            data, number = self.files[identity]["data"], self.calls["content"] - 1
            if self.script.cut is not None and number < self.script.cuts:
                return data[: self.script.cut], len(data) <= self.script.cut
            return data, True

        return self.do("content", act)

    def delete(self, identity: str) -> dict[str, Any]:
        def act() -> dict[str, Any]:
            if self.files.pop(identity, None) is None:
                raise Refused(404, "", f"No such file: {identity}")
            return {"id": identity, "object": "file", "deleted": True}

        return self.do("delete", act)

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        """A live request."""
        self.calls["live"] += 1
        status, told = (self.script.answer or echo_row)(body)
        if status != 200:
            raise Refused(status)
        return told

    # --- Time -----------------------------------------------------------------------------------------------------

    def _known(self, identity: str) -> str:
        if identity not in self.batches:
            raise Refused(404, "", f"No batch found with id '{identity}'.")
        return identity

    def _told(self, identity: str) -> dict[str, Any]:
        batch = self.batches[identity]
        self._advance(batch)
        counts = {name: batch[name] for name in ("total", "completed", "failed")}
        if self.script.steady and batch["status"] == "in_progress":
            left = (batch["until"] - self.now()) / (self.script.dwell or 1)
            counts["completed"] = math.floor(batch["total"] * (1 - left))
        told = {
            "id": identity, "object": "batch", "endpoint": "/v1/chat/completions", "status": batch["status"],
            "input_file_id": batch["file"], "output_file_id": batch["output"], "error_file_id": batch["errors"],
            "created_at": int(batch["created"]), "expires_at": int(batch["created"] + 24 * HOUR),
            "metadata": batch["metadata"], "request_counts": counts,
            "errors": {"object": "list", "data": batch["faults"]} if batch["faults"] else None,
        }  # fmt: skip
        return self._dressed(told)

    def _dressed(self, told: dict[str, Any]) -> dict[str, Any]:
        words = "; ".join(fault["message"] for fault in (told["errors"] or {"data": []})["data"])
        if "shouting" in self.script.dress:
            status = told["status"].upper().removeprefix("IN_")
            times = {name: _in_words(told[name]) for name in ("created_at", "expires_at")}
            return told | times | {"status": status, "errors": words, "metadata": None}
        if "wrapped" in self.script.dress:
            counts = told.pop("request_counts")
            done = (counts["completed"] + counts["failed"]) * 100 / (counts["total"] or 1)
            job = {name: told[name] for name in told if name not in {"errors", "expires_at", "metadata"}}
            times = {
                "created_at": _in_words(told["created_at"]),
                "job_deadline": _in_words(told["expires_at"]),
            }
            return {"job": job | times | {"progress": done, "error": words}, "warning": ""}
        return told

    def _advance(self, batch: dict[str, Any]) -> None:
        if batch["status"] not in {"in_progress", "cancelling"} or self.now() < batch["until"]:
            return
        end = batch["end"]
        if end == "hangs":
            return
        if end in {"failed", "lines", "tokens"}:
            batch["status"] = "failed"
            batch["faults"] = [_FAULTS[end]]
            return
        self._work(batch, 1.0 if end == "completed" else self.script.share)
        batch["status"] = end

    def _work(self, batch: dict[str, Any], share: float) -> None:
        script = self.script
        rows = [json.loads(line) for line in self.files[batch["file"]]["data"].splitlines() if line.strip()]
        if script.shuffled:
            random.Random(batch["id"]).shuffle(rows)
        done = math.ceil(len(rows) * share) if share else 0
        good, bad = [], []
        for number, row in enumerate(rows):
            if number < script.missing and share == 1.0:
                self.billed += 1
                continue
            if number >= done:
                code = "batch_expired" if batch["end"] == "expired" else "batch_cancelled"
                bad.append(self._error_line(row, {"code": code, "message": "This request was not executed."}))
                continue
            status, body = (script.answer or echo_row)(row["body"])
            batch["completed" if status == 200 else "failed"] += 1
            self.billed += status == 200
            (good if status == 200 else bad).append(self._line(row, status, body))
        self.unfinished += len(rows) if share < 1.0 else 0
        if script.missing and share == 1.0:
            self.unfinished += len(rows)
        if "twice" in script.dress:
            good += good[:1]
        if "strange" in script.dress:
            good.append({"id": "x", "custom_id": "nobody", "response": None, "error": None})
        batch["output"] = self._result(good) if good or "empty" in script.dress else None
        batch["errors"] = self._result(bad) if bad or "empty" in script.dress else None

    def _line(self, row: dict[str, Any], status: int, body: Any) -> dict[str, Any]:
        dress = self.script.dress
        if status != 200 and "bare" in dress:
            return {"custom_id": row["custom_id"], "error": {"type": "x", "message": f"status {status}"}}
        response = {
            "status_code": 0 if status != 200 and "zero" in dress else status,
            "request_id": "req_1",
            "body": json.dumps(body) if "string" in dress else body,
        }
        return {"id": "batch_req_1", "custom_id": row["custom_id"], "response": response, "error": None}

    def _error_line(self, row: dict[str, Any], error: dict[str, Any]) -> dict[str, Any]:
        if "bare" in self.script.dress:
            return {"custom_id": row["custom_id"], "error": error}
        return {"id": "batch_req_1", "custom_id": row["custom_id"], "response": None, "error": error}

    def _result(self, lines: list[dict[str, Any]]) -> str:
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        if "plain" in self.script.dress:
            data = data.replace(b"\n", b"\n\n")
        identity = f"file-{next(self._ids)}"
        data = data.rstrip(b"\n") if "unended" in self.script.dress else data
        self.files[identity] = {
            "name": "output.jsonl",
            "data": data,
            "created": self.now(),
            "purpose": "batch_output",
        }
        return identity


def _in_words(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_FAULTS = {
    "failed": {
        "code": "invalid_json_line",
        "message": "This line is not parseable.",
        "line": None,
        "param": None,
    },
    "lines": {"code": "invalid_request", "message": "Unknown parameter.", "line": 1, "param": "body"},
    "tokens": {
        "code": "token_limit_exceeded",
        "message": "Enqueued token limit reached for tiny in organization org-x. Limit: 100 enqueued tokens.",
        "line": None,
        "param": None,
    },
}


class BatchDoor:
    """HTTP for a provider, on a port of this machine, between `with` and its end."""

    def __init__(self, provider: FakeBatches) -> None:
        self.provider = provider
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[bytes] = []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are two writes: 0.04 s, where the second waits

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                door.answer(self)

            do_POST = do_DELETE = do_GET  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        self.bodies.append(body)
        self.requests.append(
            (handler.command, handler.path, {k.lower(): v for k, v in handler.headers.items()})
        )
        try:
            status, data, whole = 200, *self._played(handler, body)
        except Lost:
            handler.close_connection = True
            return
        except Refused as error:
            status, data, whole = error.status, json.dumps(error.body).encode(), True
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(data) + (0 if whole else 1000)))
        handler.end_headers()
        handler.wfile.write(data)
        if not whole:
            handler.close_connection = True

    def _played(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[bytes, bool]:
        target = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(target.query).items()}
        way = (handler.command, *target.path.removeprefix("/v1/").split("/"))
        where = {"after": query.get("after"), "limit": int(query.get("limit", 20))}
        provider = self.provider
        match way:
            case ("GET", "files", identity, "content"):
                return provider.content(identity)
            case ("POST", "files"):
                told = provider.upload(*_multipart(handler.headers["content-type"], body))
            case ("GET", "files"):
                told = provider.list_files(**where)
            case ("DELETE", "files", identity):
                told = provider.delete(identity)
            case ("POST", "batches"):
                data = json.loads(body)
                told = provider.create(data["input_file_id"], data.get("metadata"))
            case ("GET", "batches"):
                told = provider.list_batches(**where)
            case ("GET", "batches", identity):
                told = provider.batch(identity)
            case ("POST", "batches", identity, "cancel"):
                told = provider.cancel(identity)
            case ("POST", "chat", "completions"):
                told = provider.chat(json.loads(body))
            case _:
                raise Refused(404, "", f"no {handler.path}")
        return json.dumps(told).encode(), True


def _multipart(kind: str, body: bytes) -> tuple[str, bytes, str]:
    """(file name, content, purpose) of an upload."""
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    parts = {part.get_param("name", header="content-disposition"): part for part in message.iter_parts()}
    file = parts["file"]
    return str(file.get_filename()), file.get_payload(decode=True), parts["purpose"].get_content().strip()
