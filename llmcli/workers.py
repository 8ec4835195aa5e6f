"""Workers: processes that are forked to share a long work, whose results come in the order of its items."""

from __future__ import annotations

import fcntl
import gc
import os
import pickle
import select
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from llmcli.errors import LlmcliError
from llmcli.world import cores

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 8  # results for each worker that may be there before those that come first
_DEEP = 2  # items that one has: that which it works on, and the next
_HEAD = 8  # bytes that say how long an answer is
_PIPE = 1 << 20  # bytes: what Linux lets everyone have


def spread(work: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """`work(item)` for each, in their order; it, and what it needs, is loaded before, and shared from then on.

    `workers`: processes that do it, by default one a core; where that is one, or threads run, it is done here.
    Raises what `work` raises, at its place.
    """
    count = cores() if workers is None else workers
    if count < 2 or threading.active_count() > 1:
        yield from map(work, items)
        return
    crew: list[_Worker] = []
    gc.freeze()  # a collection would write to all that is shared, and so copy it
    try:
        with suppress(OSError):  # no more processes, or files, than these are to be had
            while len(crew) < count:
                crew.append(_Worker(work, crew))
        yield from _shared(crew, items) if crew else map(work, items)
    finally:
        gc.unfreeze()
        for worker in crew:
            worker.dismiss()


def _shared(crew: list[_Worker], items: Iterable[T]) -> Iterator[R]:
    """Give each worker an item while it is at its last one, where there is room: so it never waits for us."""
    done: dict[int, Any] = {}
    given, due = 0, 0
    poll, behind = select.poll(), {worker.results: worker for worker in crew}
    for descriptor in behind:
        poll.register(descriptor, select.POLLIN)
    packed = (pickle.dumps(item, pickle.HIGHEST_PROTOCOL) for item in items)
    item = next(packed, None)
    while item is not None or due < given:
        while item is not None and given < due + _AHEAD * len(crew) and (worker := _free(crew, len(item))):
            worker.give(given, item)
            given, item = given + 1, next(packed, None)
        for descriptor, _ in poll.poll():
            number, result = behind[descriptor].take()
            done[number] = result
        while due in done:
            good, result = done.pop(due)
            if not good:
                raise result
            due += 1
            yield result


def _free(crew: list[_Worker], size: int) -> _Worker | None:
    """The one that has least to do, where an item of so many bytes would not have to wait for it."""
    least = min(crew, key=lambda worker: len(worker.given))
    return least if least.takes(size) else None


class _Worker:
    """One process. It ends when its items do, also where we were killed."""

    ends: tuple[int, int]

    def __init__(self, work: Callable[[Any], Any], others: list[_Worker]) -> None:
        ends: list[int] = [end for other in others for end in other.ends]
        items, mine = os.pipe()
        self.results, answers = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            for descriptor in (mine, self.results, *ends):
                os.close(descriptor)
            _work(work, items, answers)
        os.close(items)
        os.close(answers)
        self.ends = (mine, self.results)
        self._items = os.fdopen(mine, "wb")
        self._room = _room(mine)
        self.given = deque[tuple[int, int]]()  # numbers and bytes of the items that it has

    def takes(self, size: int) -> bool:
        """Whether an item of so many bytes can be written at once."""
        return not self.given or (
            len(self.given) < _DEEP and size + sum(held for _, held in self.given) <= self._room
        )

    def give(self, number: int, item: bytes) -> None:
        """Have a packed item worked on. Raises LlmcliError where the process is gone."""
        self.given.append((number, len(item)))
        try:
            self._items.write(item)
            self._items.flush()
        except BrokenPipeError:
            raise _gone() from None

    def take(self) -> tuple[int, tuple[bool, Any]]:
        """The number of the item, whether it went well, and the result or the exception. Raises LlmcliError."""
        answer = self._read(int.from_bytes(self._read(_HEAD), "big"))
        return self.given.popleft()[0], pickle.loads(answer)  # noqa: S301 - from a process of our own

    def _read(self, size: int) -> bytes:
        """So many bytes and no more: what follows is to be seen by who waits for it."""
        parts = []
        while size:
            parts.append(os.read(self.results, min(size, _PIPE)))
            if not parts[-1]:
                raise _gone()
            size -= len(parts[-1])
        return b"".join(parts)

    def dismiss(self) -> None:
        """End the process: nothing it does is needed any more."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self.results)
        with suppress(OSError):
            self._items.close()


def _room(pipe: int) -> int:
    """Bytes that a pipe holds for sure, however they are cut; more than at first where that can be had."""
    try:
        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
        return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) // 2  # its pages may be half full
    except (AttributeError, OSError):  # this system does not tell
        return 0


def _gone() -> LlmcliError:
    return LlmcliError("a process that shared the work was killed", todo="see that there is memory for it")


def _work(work: Callable[[Any], Any], items: int, answers: int) -> NoReturn:
    """What a worker does until there are no items any more."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all: who gave the work ends us
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        with os.fdopen(items, "rb") as source, os.fdopen(answers, "wb") as target:
            while True:
                answer = _answer(work, pickle.load(source))  # noqa: S301 - from the process that forked us
                packed = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
                target.write(len(packed).to_bytes(_HEAD, "big") + packed)
                target.flush()
    finally:
        os._exit(0)


def _answer(work: Callable[[Any], Any], item: Any) -> tuple[bool, Any]:
    try:
        return True, work(item)
    except Exception as error:  # noqa: BLE001 - raised where the result is asked for
        return False, error
