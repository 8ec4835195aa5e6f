"""One content-addressed store of answers, opened three ways: `--cache`, `--record` and `--replay`."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakValueDictionary

from llmcli import files, jsonl
from llmcli.address import address_of
from llmcli.errors import LlmcliError, NoInput, OutputFailure
from llmcli.files import locks
from llmcli.transport.answer import Answer
from llmcli.transport.base import Transport
from llmcli.wire import CHAT, Chunk, Completion, Json, Meta, Request

_HOW = {"stream", "stream_options"}  # fields that say how an answer comes, not what it is
_WONDER = 2.0  # seconds after which a person may wonder what is waited for
_POLL = 0.05  # seconds between two looks at a lock that another process holds


def kept_under(request: Request) -> str:
    """The hash that an answer is kept under: of the canonical body, the address, and the headers of the command line.

    Streamed or not, the answer is the same.
    """
    fields = {name: value for name, value in request.body().items() if name not in _HOW}
    address = _public(request.base_url).rstrip("/")
    asked: Json = {"url": address, "body": fields}
    if headers := request.headers.typed():
        asked["headers"] = headers
    return hashlib.sha256(jsonl.canonical(asked)).hexdigest()


def _public(url: str) -> str:
    """The address without what may be secret."""
    address = address_of(url)
    return url if address is None else address.public


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
        """Keep an answer. Raises OutputFailure."""
        record: Json = {
            "url": _public(request.url),
            "request": request.body(),
            "provider": kept.provider,
            "model": kept.model,
            "response": kept.body,
            "chunks": kept.chunks,
            **({} if kept.api == CHAT.name else {"api": kept.api}),
        }
        file = self._file(key)
        try:
            for directory in (self.path, file.parent):
                files.make_directory(directory)
            files.replace(file, jsonl.line(record), sync=False)  # a broken one is none
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


@dataclass
class Locks:
    """One caller per key, in this process and among processes: a stampede of identical calls sends one request."""

    path: Path
    sleep: Callable[[float], Awaitable[None]]
    waits: Callable[[], None] = lambda: None  # is told, once, that another process keeps us waiting
    _local: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    @asynccontextmanager
    async def held(self, key: str) -> AsyncIterator[None]:
        """Hold the key's lock. Where the file system has no locks, only this process is ordered."""
        lock = self._local.setdefault(key, asyncio.Lock())
        async with lock:
            descriptor = self._open()
            try:
                await self._acquire(descriptor, key)
                yield
            finally:
                if descriptor is not None:
                    os.close(descriptor)

    def _open(self) -> int | None:
        try:
            files.make_directory(self.path)
            return files.open_shared(self.path / "lock")
        except OSError:
            return None

    async def _acquire(self, descriptor: int | None, key: str) -> None:
        """Lock one byte of the lock file, the place of which is the key's hash."""
        place, waited = int(key[:15], 16), 0.0
        while descriptor is not None:
            try:
                return locks.byte(descriptor, place)
            except (BlockingIOError, PermissionError):
                await self.sleep(_POLL)
            except OSError:
                return None
            if waited <= _WONDER < waited + _POLL:
                self.waits()
            waited += _POLL
        return None


class Store:
    """A transport that keeps what is complete in a folder.

    `usable(completion, request)` says whether an answer is complete and valid: nothing else is kept. An answer
    that cannot be kept is still an answer: `unkept` is told.
    """

    def __init__(
        self,
        inner: Transport,
        folder: Folder,
        usable: Callable[[Completion, Request], bool],
        unkept: Callable[[LlmcliError], None],
    ) -> None:
        self._inner = inner
        self._folder = folder
        self._usable = usable
        self._unkept = unkept

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        answer = await self._inner.ask(request)
        await self._keep(kept_under(request), request, answer)
        return answer

    async def aclose(self) -> None:
        """See Transport."""
        await self._inner.aclose()

    async def _keep(self, key: str, request: Request, answer: Answer) -> None:
        """Keep an answer once it is whole."""
        chunks: list[Chunk] = []
        answer.watch(chunks.append)

        async def keep(completion: Completion) -> None:
            meta = completion.meta
            if not self._is_kept(completion, request):
                return
            try:
                kept = Kept(meta.provider, meta.model, completion.body, chunks or None, meta.api)
                self._folder.write(key, request, kept)
            except OutputFailure as error:
                self._unkept(error)

        await answer.then(keep)

    def _is_kept(self, completion: Completion, request: Request) -> bool:
        return self._usable(completion, request)


class Cache(Store):
    """A store that also answers from its folder, where there is a usable answer of the very model that was asked.

    One caller at a time asks for a key; the others wait until that answer is kept.
    """

    def __init__(
        self,
        inner: Transport,
        folder: Folder,
        usable: Callable[[Completion, Request], bool],
        unkept: Callable[[LlmcliError], None],
        locks: Locks,
    ) -> None:
        super().__init__(inner, folder, usable, unkept)
        self._locks = locks

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        key = kept_under(request)
        if found := self._find(key, request):
            return found
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._locks.held(key))
            if found := self._find(key, request):
                return found
            answer = await self._inner.ask(request)
            await self._keep(key, request, answer)
            await answer.at_close(stack.pop_all().aclose)
            return answer

    def _find(self, key: str, request: Request) -> Answer | None:
        """What is kept under a key and fits: the schema to check with may be another than the one that is sent."""
        kept = self._folder.read(key)
        return kept.answer if kept and self._usable(kept.completion, request) else None

    def _is_kept(self, completion: Completion, request: Request) -> bool:
        meta = completion.meta
        is_its_own = (meta.provider, meta.model) == (request.provider, request.model)
        return is_its_own and super()._is_kept(completion, request)


class Replay:
    """A transport that answers from a folder alone. Raises NoInput for what is not there."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        return self._kept(request).answer

    async def aclose(self) -> None:
        """See Transport."""

    def _kept(self, request: Request) -> Kept:
        key = kept_under(request)
        kept = self._folder.read(key)
        if kept is None:
            raise NoInput(
                f"no such answer was recorded: {key[:12]}",
                f"{request.name}, {self._folder.path}",
                "record it with --record; any change of the request makes another answer of it",
            )
        return kept


def recorded(path: str) -> Folder:
    """The folder of `--replay`. Raises NoInput where there is none."""
    if not files.is_directory(path):
        raise NoInput(
            f"--replay {path}: there is no such directory", todo="record answers with --record first"
        )
    return Folder(Path(path))


def recording(path: str) -> Folder:
    """The folder of `--record`, which the first answer makes. Raises OutputFailure before an answer is paid."""
    folder = Path(path)
    try:
        files.check_directory(folder)
    except OSError as error:
        raise OutputFailure(f"cannot record in {path}: {error.strerror}", todo="check the path") from None
    return Folder(folder)


def _is_choice(choice: object) -> bool:
    return isinstance(choice, dict) and isinstance(choice.get("message"), dict | None)
