"""Buckets: objects below one URL of an object store; the only importer of obstore.

Stores answer what is not so: a request that was carried out comes back as 500, its repetition then meets what it left
itself, and a 409 may mean nothing at all. What is created here or swapped is therefore like nothing of anybody else,
and is read back in doubt: ours means that it was done.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from llmcli.address import store_url
from llmcli.errors import UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.loop.aside import Aside
from llmcli.stores.failures import KEYS, StoreFailure, ToldAs, store_failure

T = TypeVar("T")
Version = dict[str, str]
_NOT_HERE = "object stores take obstore, which is not here"


@dataclass(frozen=True)
class Tempo:
    """How long requests are tried, all in seconds: in the library, briefly; around it, for `patience`.

    `first` and `longest` are waits between two tries.
    """

    first: float = 0.5
    longest: float = 20.0
    patience: float = 300.0
    timeout: float = 300.0

    @property
    def retries(self) -> dict[str, Any]:
        """As the library wants it. Its own default ends after 2.4 s; ours tells of it in between."""
        first = timedelta(seconds=self.first / 2)
        backoff = {"init_backoff": first, "max_backoff": timedelta(seconds=self.longest), "base": 2}
        return {"max_retries": 3, "retry_timeout": timedelta(seconds=self.patience), "backoff": backoff}


BRIEF = Tempo(patience=10.0)
"""For what a command begins with: a wrong endpoint is to be said soon."""


@dataclass(frozen=True)
class StoredObject:
    """An object as it was read. `version` is what a swap must find; `modified` is on the store's own clock."""

    data: bytes
    version: Version
    size: int
    modified: datetime


@dataclass
class Bucket:
    """Objects below `url`, which `told` makes errors about. Raises UsageError where that is no place for any.

    Its coroutines run in a loop beside the command's: see `wait` and `begin`. They raise what `told` makes, once that
    cannot pass or `tempo.patience` is over.
    """

    url: str
    told: ToldAs
    tempo: Tempo = field(default_factory=Tempo)

    def __post_init__(self) -> None:
        self._store = _opened(self.url, self.tempo)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine; a signal ends the wait and the work."""
        future = _aside().begin(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def begin(self, work: Coroutine[Any, Any, T]) -> Any:
        """Run a coroutine, and give its `concurrent.futures.Future`."""
        return _aside().begin(work)

    def named(self, key: str) -> str:
        """The URL of an object."""
        return f"{self.url.rstrip('/')}/{key}" if key else self.url

    async def read(self, key: str) -> StoredObject | None:
        """An object; None where there is none."""
        return await self._insisted(key, lambda: self._read(key))

    async def size_of(self, key: str) -> StoredObject:
        """An object without its content. Raises where there is none."""
        import obstore

        found = await self._insisted(key, lambda: _sure(lambda: obstore.head_async(self._store, key)))
        return _object(b"", found)

    async def between(self, key: str, start: int, end: int, version: Version) -> bytes:
        """The bytes from one offset to another of an object that has this version still."""
        import obstore

        async def attempt() -> bytes:
            tag = version.get("e_tag")
            options: Any = {"range": (start, end), **({"if_match": tag} if tag else {})}
            found = await _sure(lambda: obstore.get_async(self._store, key, options=options))
            return bytes(await _sure(found.bytes_async))

        return await self._insisted(key, attempt)

    async def names(self, folder: str) -> list[str]:
        """What stands in a folder, by its name there, in the order of bytes."""
        import obstore

        async def attempt() -> list[str]:
            prefix = f"{folder}/"
            found: list[str] = []
            stream = obstore.list(self._store, prefix=folder or None, chunk_size=1000)
            try:
                async for chunk in stream:
                    found += [each["path"] for each in chunk]
            except Exception as error:  # noqa: BLE001 - told apart there
                raise store_failure(error) from None
            return sorted(path.removeprefix(prefix) for path in found)

        return await self._insisted(folder, attempt)

    async def create(self, key: str, data: bytes) -> bool:
        """Make an object where there is none; False: another's is there. `data` is to be like nobody else's."""

        async def attempt() -> bool:
            try:
                await self._put(key, data, "create")
            except StoreFailure as failure:
                if failure.missing or failure.denied or not (failure.passing or _is_conflict(failure)):
                    raise
                found = await self._read(key)
                if found is None:
                    raise StoreFailure(failure.reason, passing=True) from None
                return found.data == data
            return True

        return await self._insisted(key, attempt)

    async def swap(self, key: str, data: bytes, version: Version) -> Version | None:
        """Put `data` in the place of that version, and give the new one; None: another's is there, or nothing."""

        async def attempt() -> Version | None:
            try:
                return await self._put(key, data, dict(version))
            except StoreFailure as failure:
                if failure.denied or not (failure.missing or failure.passing or _is_conflict(failure)):
                    raise
                found = await self._read(key)
                if found is None or (found.data != data and found.version != version):
                    return None
                if found.data == data:
                    return found.version
                raise StoreFailure(failure.reason, passing=True) from None

        return await self._insisted(key, attempt)

    async def remove(self, keys: Sequence[str]) -> None:
        """Take objects away, if they are there."""
        import obstore

        for at in range(0, len(keys), 500):
            some = list(keys[at : at + 500])
            await self._insisted("", lambda some=some: _sure(lambda: obstore.delete_async(self._store, some)))  # type: ignore[misc]

    async def probe(self) -> None:
        """Raise UsageError where the store makes what is there already: then nothing keeps two writers apart."""
        key = f"_llmcli/probe-{secrets.token_hex(8)}"
        await self.create(key, b"1 " + secrets.token_bytes(8))
        try:
            if await self.create(key, b"2 " + secrets.token_bytes(8)):
                what = f"{self.url}: its server does not heed conditions (If-None-Match), and two writers would mix"
                raise UsageError(what, todo="keep records in a directory, or on another server", flag="-O")
        finally:
            await self.remove([key])

    async def now(self) -> datetime:
        """The time on the store's own clock."""
        key = f"_llmcli/time-{secrets.token_hex(8)}"
        await self.create(key, key.encode())
        try:
            return (await self.size_of(key)).modified
        finally:
            await self.remove([key])

    async def _read(self, key: str) -> StoredObject | None:
        import obstore

        try:
            found = await _sure(lambda: obstore.get_async(self._store, key))
            return _object(bytes(await _sure(found.bytes_async)), found.meta)
        except StoreFailure as failure:
            if failure.missing and not failure.reason.startswith("there is no such"):
                return None
            raise

    async def _put(self, key: str, data: bytes, mode: Any) -> Version:
        import obstore

        found = await _sure(lambda: obstore.put_async(self._store, key, data, mode=mode, use_multipart=False))
        return _version(found)

    async def _insisted(self, key: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """The result of the attempt that has one, once what may pass has passed."""
        loop, wait = asyncio.get_running_loop(), self.tempo.first
        end = loop.time() + self.tempo.patience
        while True:
            try:
                return await attempt()
            except StoreFailure as failure:
                if not failure.passing or loop.time() + wait > end:
                    raise self.told(self.named(key), failure) from None
            await asyncio.sleep(wait)
            wait = min(2 * wait, self.tempo.longest)


@cache
def _aside() -> Aside:
    """The loop of all buckets of this process, which ends with it."""
    return Aside("object stores")


async def _sure(work: Callable[[], Any]) -> Any:
    """What the library gives. Raises StoreFailure."""
    try:
        return await work()
    except Exception as error:  # noqa: BLE001 - told apart there
        raise store_failure(error) from None


def _is_conflict(failure: StoreFailure) -> bool:
    return failure.reason.startswith(("409", "412"))


def _object(data: bytes, meta: Any) -> StoredObject:
    return StoredObject(data, _version(meta), meta["size"], meta["last_modified"])


def _version(meta: Any) -> Version:
    """As a condition of the library has it: what the store does not tell may not be in it."""
    return {name: meta[name] for name in ("e_tag", "version") if meta[name] is not None}


def _opened(url: str, tempo: Tempo) -> Any:
    """The library's store. Raises UsageError."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise UsageError("a URL of objects has no `@`", todo="drop it: keys come from the environment")
    try:
        from obstore.store import from_url
    except ImportError:
        raise UsageError(f"{url}: {_NOT_HERE}", todo="pip install 'llmcli[cloud]'") from None
    options: Any = {
        "timeout": timedelta(seconds=tempo.timeout),
        "connect_timeout": timedelta(seconds=min(10.0, tempo.timeout)),
        "allow_http": _may_be_plain(url),  # which the library forgets once it has options
    }
    retries: Any = tempo.retries
    try:
        return from_url(store_url(url), client_options=options, retry_config=retries)
    except Exception as error:  # noqa: BLE001 - told apart there
        failure = store_failure(error)
        todo = KEYS if failure.denied else "e.g. s3://BUCKET/FOLDER/"
        raise UsageError(f"{url}: {failure.reason}", todo=todo) from None


def _may_be_plain(url: str) -> bool:
    """Whether a store may be one without TLS: Google's is where a service account says so, as the library has it."""
    import os

    told = [os.environ.get(name, "").lower() for name in ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP")]
    return url.lower().startswith("gs:") or any(word in {"true", "1", "yes", "on"} for word in told)
