"""One content-addressed store of answers, opened three ways: `--cache`, `--record` and `--replay`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import field
from pathlib import Path
from weakref import WeakValueDictionary

from llmcli import files
from llmcli.errors import LlmcliError, NoInput, OutputFailure
from llmcli.exchange.layers.folder import Folder, Kept, kept_under
from llmcli.files import locks
from llmcli.lean.dataclass import dataclass
from llmcli.transport.answer import Answer
from llmcli.transport.base import Transport
from llmcli.wire import Chunk, Completion, Request

_WONDER = 2.0  # seconds after which a person may wonder what is waited for
_POLL = 0.05  # seconds between two looks at a lock that another process holds


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


class Recorder(Store):
    """A Store that sends nothing before it has seen that its folder takes files. Raises OutputFailure."""

    _is_proven = False

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        if not self._is_proven:
            with _recordable(self._folder.path):
                files.prove_directory(self._folder.path)
            self._is_proven = True
        return await super().ask(request)


class Cache(Store):
    """A store that also answers from its folder, where there is a usable answer of the very model that was asked.

    One caller at a time asks for a key; the others wait until that answer is kept. Before the first request goes out
    it is said if answers cannot be kept; then none is.
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
        self._keeps: bool | None = None  # None: nobody has tried

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        key = kept_under(request)
        if found := self._find(key, request):
            return found
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._locks.held(key))
            if found := self._find(key, request):
                return found
            if self._keeps is None:
                self._keeps = self._prove()
            answer = await self._inner.ask(request)
            await self._keep(key, request, answer)
            await answer.at_close(stack.pop_all().aclose)
            return answer

    def _prove(self) -> bool:
        """Whether the folder takes answers; if not, that is said."""
        try:
            self._folder.prove()
        except OutputFailure as error:
            self._unkept(error)
            return False
        return True

    def _find(self, key: str, request: Request) -> Answer | None:
        """What is kept under a key and fits: the schema to check with may be another than the one that is sent."""
        kept = self._folder.read(key)
        return kept.answer if kept and self._usable(kept.completion, request) else None

    def _is_kept(self, completion: Completion, request: Request) -> bool:
        meta = completion.meta
        is_its_own = (meta.provider, meta.model) == (request.provider, request.model)
        return self._keeps is not False and is_its_own and super()._is_kept(completion, request)


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
    """The folder of `--record`, which the first request makes. Raises OutputFailure before an answer is paid."""
    with _recordable(path):
        files.check_directory(Path(path))
    return Folder(Path(path))


@contextmanager
def _recordable(path: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputFailure(f"cannot record in {path}: {error.strerror}", todo="check the path") from None
