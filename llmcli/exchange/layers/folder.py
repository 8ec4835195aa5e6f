"""A folder of answers, each in a file under the hash of what was asked."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmcli import files, jsonl
from llmcli.address import public_url
from llmcli.errors import OutputFailure
from llmcli.lean.dataclass import dataclass
from llmcli.transport.answer import Answer
from llmcli.wire import CHAT, Chunk, Completion, Json, Meta, Request

_HOW = {"stream", "stream_options"}  # fields that say how an answer comes, not what it is


def kept_under(request: Request) -> str:
    """The hash that an answer is kept under: of the canonical body, the address, and the headers of the command line.

    Streamed or not, the answer is the same.
    """
    fields = {name: value for name, value in request.body().items() if name not in _HOW}
    address = public_url(request.base_url).rstrip("/")
    asked: Json = {"url": address, "body": fields}
    if headers := request.headers.typed():
        asked["headers"] = headers
    return hashlib.sha256(jsonl.canonical(asked)).hexdigest()


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored answer: the completion's body, the model that gave it, its chunks if it was streamed, and the API."""

    provider: str
    model: str
    body: Json
    chunks: list[Chunk] | None
    api: str = CHAT.name

    @property
    def completion(self) -> Completion:
        """The answer, as one that cost nothing."""
        return Completion(
            self.body, Meta(self.provider, self.model, attempts=0, cached=True, done=True, api=self.api)
        )

    @property
    def answer(self) -> Answer:
        """The same, to be read whole, chunk by chunk as it came, or as one chunk."""
        return Answer.of(self.completion, self.chunks or None)


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory of answers. Files are 0600 and come by rename; one that is broken counts as not there."""

    path: Path
    ttl: float | None = None  # seconds

    def read(self, key: str) -> Kept | None:
        """The answer under a key, if there is a whole one that is not too old."""
        file = self._file(key)
        try:
            if self.ttl is not None and time.time() - file.stat().st_mtime > self.ttl:
                return None
            data = jsonl.loads(files.read_regular(file))
            return _kept(data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, key: str, request: Request, kept: Kept) -> None:
        """Keep an answer; what it came in, where the same one was streamed before. Raises OutputFailure."""
        if kept.chunks is None and (before := self.read(key)) is not None and before.body == kept.body:
            return
        record: Json = {
            "url": public_url(request.url),
            "request": request.body(),
            "provider": kept.provider,
            "model": kept.model,
            "response": kept.body,
            "chunks": kept.chunks,
            **({} if kept.api == CHAT.name else {"api": kept.api}),
        }
        file = self._file(key)
        with self._told():
            for directory in (self.path, file.parent):
                files.make_directory(directory)
            files.replace(file, jsonl.line(record), sync=False)  # a broken one is none

    def prove(self) -> None:
        """Raise the OutputFailure that an answer could not be kept with."""
        with self._told():
            files.prove_directory(self.path)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputFailure(
                f"cannot keep the answer in {self.path}: {error.strerror}", todo="check the path"
            ) from None

    def _file(self, key: str) -> Path:
        return self.path / key[:2] / f"{key}.json"


def _kept(record: Json) -> Kept:
    """The answer that a file holds. Raises KeyError or TypeError where it holds none."""
    chunks = record["chunks"]
    if chunks is not None and not all(isinstance(chunk, dict) for chunk in chunks):
        raise TypeError
    choices = record["response"]["choices"]
    if not choices or not all(_is_choice(choice) for choice in choices):
        raise TypeError
    asked = str(record["provider"]), str(record["model"])
    return Kept(*asked, record["response"], chunks, str(record.get("api", CHAT.name)))


def _is_choice(choice: object) -> bool:
    return isinstance(choice, dict) and isinstance(choice.get("message"), dict | None)
