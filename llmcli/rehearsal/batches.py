"""The Batch API of offline/echo and offline/flaky, in this process: files and batches are kept in a folder.

A batch is done at the first look at it, and ends as `offline/flaky?batch=expired&at=0.5` asks: so that what comes of
batches can be rehearsed, over as many runs as one likes.
"""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from llmcli import files, jsonl
from llmcli.errors import CallFailed, LlmcliError, OutputFailure, Rejected, Told
from llmcli.loop.runner import run_at_once
from llmcli.rehearsal.flaky import BatchPlan, batch_plan
from llmcli.rehearsal.offline import Offline
from llmcli.transport.batches.base import BatchSeen, FileSeen, batch_seen
from llmcli.wire import Json, Request

_EXPIRED = {
    "code": "batch_expired",
    "message": "This request could not be executed before the batch expired.",
}
_CANCELLED = {"code": "batch_cancelled", "message": "This request was not executed: the batch was cancelled."}
_FAULT = {"code": "offline", "message": "offline/flaky fails this batch on purpose", "line": None}


class OfflineBatches:
    """A BatchApi that answers as `like`, a request of the model, would be answered. `now` is in seconds since 1970."""

    def __init__(self, folder: Path, like: Request, now: Callable[[], float]) -> None:
        self._folder, self._like, self._now = folder, like, now

    async def upload(self, name: str, content: BinaryIO) -> str:
        """See BatchApi."""
        identity = f"file-offline-{os.urandom(6).hex()}"
        self._put(f"{identity}.data", content)
        told = jsonl.line({"id": identity, "filename": name, "created_at": self._now()})
        self._put(f"{identity}.json", [told])
        return identity

    async def create(self, file: str, metadata: Mapping[str, str]) -> BatchSeen:
        """See BatchApi."""
        identity = f"batch_offline_{len(list(self._folder.glob('batch_*.json'))):04d}_{os.urandom(3).hex()}"
        data: Json = {"id": identity, "status": "in_progress", "input_file_id": file}
        data |= {"metadata": dict(metadata), "created_at": self._now()}
        return self._kept(data)

    async def batch(self, batch: str) -> BatchSeen:
        """See BatchApi. The first look is when its work is done."""
        data = self._batch(batch)
        if data["status"] == "in_progress":
            query = self._like.model.partition("?")[2]
            data |= self._worked(data, batch_plan(query))
            return self._kept(data)
        return batch_seen(data)

    async def cancel(self, batch: str) -> BatchSeen:
        """See BatchApi. What nobody has looked at has not begun."""
        data = self._batch(batch)
        if data["status"] == "in_progress":
            data |= self._worked(data, BatchPlan("cancelled", 0.0))
        return self._kept(data)

    async def batches(self) -> AsyncGenerator[BatchSeen, None]:
        """See BatchApi."""
        for path in sorted(self._folder.glob("batch_*.json"), reverse=True):
            yield batch_seen(jsonl.loads(files.read_regular(path)))

    async def files(self) -> AsyncGenerator[FileSeen, None]:
        """See BatchApi."""
        for path in sorted(self._folder.glob("file-*.json")):
            data = jsonl.loads(files.read_regular(path))
            yield FileSeen(data["id"], data["filename"], data["created_at"])

    async def lines(self, file: str) -> AsyncGenerator[bytes, None]:
        """See BatchApi."""
        for line in self._lines(file):
            yield line

    async def delete(self, file: str) -> None:
        """See BatchApi."""
        for ending in ("data", "json"):
            (self._folder / f"{file}.{ending}").unlink(missing_ok=True)

    async def key(self) -> str | None:
        """See BatchApi."""
        return None

    async def aclose(self) -> None:
        """See BatchApi."""

    def _worked(self, data: Json, plan: BatchPlan) -> Json:
        """What is new of a batch whose work was done up to where its plan ends it."""
        if plan.status == "failed":
            return {"status": "failed", "errors": {"data": [_FAULT]}}
        total = sum(1 for _ in self._lines(data["input_file_id"]))
        done = math.ceil(total * plan.at)
        attempts = _Attempts(len(list(self._folder.glob("batch_*.json"))))
        bad = list[bytes]()  # as a rule few

        def good() -> Iterator[bytes]:
            for is_good, line in self._results(data["input_file_id"], done, attempts, plan.status):
                if is_good:
                    yield line
                else:
                    bad.append(line)

        output = self._output(data["id"], "output", good())
        return {
            "status": plan.status,
            "output_file_id": output,
            "error_file_id": self._output(data["id"], "errors", bad),
            "request_counts": {"total": total, "completed": total - len(bad), "failed": len(bad)},
        }

    def _results(
        self, file: str, done: int, attempts: Counter[str], status: str
    ) -> Iterator[tuple[bool, bytes]]:
        transport = Offline(attempts)
        for number, line in enumerate(self._lines(file)):
            row = jsonl.loads(line)
            response = self._answer(transport, row["body"]) if number < done else None
            error = None if response is not None else _CANCELLED if status == "cancelled" else _EXPIRED
            is_good = response is not None and response["status_code"] == 200
            identity = f"batch_req_offline_{number}"
            result = {"id": identity, "custom_id": row["custom_id"], "response": response, "error": error}
            yield is_good, jsonl.line(result)

    def _answer(self, transport: Offline, body: Json) -> Json:
        like = self._like
        request = Request(like.provider, str(body.get("model")), like.base_url, body)
        try:
            completion = run_at_once(_asked(transport, request))
        except CallFailed as error:
            return {"status_code": error.status or 400, "request_id": error.request_id, "body": error.body}
        except LlmcliError as error:
            return {"status_code": 400, "request_id": None, "body": {"error": {"message": str(error)}}}
        return {"status_code": 200, "request_id": completion.meta.request_id, "body": completion.body}

    def _output(self, batch: str, kind: str, lines: Iterable[bytes]) -> str | None:
        """A file of lines; None where there are none."""
        identity = f"file-offline-{batch.rpartition('_')[2]}-{kind}"
        left = iter(lines)
        if (first := next(left, None)) is None:
            return None
        self._put(f"{identity}.data", itertools.chain([first], left))
        return identity

    def _lines(self, file: str) -> Iterator[bytes]:
        try:
            descriptor = files.open_regular(self._folder / f"{file}.data")
        except OSError:
            raise _missing(f"there is no file {file}") from None
        with open(descriptor, "rb") as stream:  # noqa: PTH123 - it is open
            for line in stream:
                yield line.rstrip(b"\n")

    def _batch(self, batch: str) -> Json:
        try:
            data: Json = jsonl.loads(files.read_regular(self._folder / f"{batch}.json"))
        except OSError:
            raise _missing(f"there is no batch {batch}") from None
        return data

    def _kept(self, data: Json) -> BatchSeen:
        self._put(f"{data['id']}.json", [jsonl.line(data)])
        return batch_seen(data)

    def _put(self, name: str, pieces: Iterable[bytes]) -> None:
        try:
            files.make_directory(self._folder)
            with closing(files.Replacement(self._folder / name)) as new:
                new.write(pieces)
                new.commit()
        except OSError as error:
            raise OutputFailure(
                f"cannot keep {name} in {self._folder}: {error.strerror}", todo="check the disk"
            ) from None


class _Attempts(Counter[str]):
    """Attempts of requests, each of which was made so many times in batches before this one."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self._before = before - 1

    def __missing__(self, key: str) -> int:
        return self._before


async def _asked(transport: Offline, request: Request) -> Any:
    return await (await transport.ask(request)).whole()


def _missing(what: str) -> Rejected:
    return Rejected(what, "offline", "check the address and the key", Told(404, "not_found"))
