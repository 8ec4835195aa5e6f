"""Workers: processes that are forked to share a long work, whose results come in the order of its items."""

from __future__ import annotations

import gc
import os
import pickle
import select
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from llmcli.errors import LlmcliError
from llmcli.world import cores

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 8  # results for each worker that may be there before those that come first


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
        yield from _shared(crew, enumerate(items)) if crew else map(work, items)
    finally:
        gc.unfreeze()
        for worker in crew:
            worker.dismiss()


def _shared(crew: list[_Worker], items: Iterator[tuple[int, T]]) -> Iterator[R]:
    """Give each worker an item when it is done with its last one; it reads while we write, so nobody is stuck."""
    done: dict[int, Any] = {}
    given, due = 0, 0
    idle = list(crew)
    while True:
        while idle and given < due + _AHEAD * len(crew) and (item := next(items, None)) is not None:
            idle.pop().give(*item)
            given += 1
        if due == given:
            return
        for worker in _ready([worker for worker in crew if worker not in idle]):
            number, result = worker.take()
            done[number] = result
            idle.append(worker)
        while due in done:
            good, result = done.pop(due)
            if not good:
                raise result
            due += 1
            yield result


def _ready(busy: list[_Worker]) -> Iterator[_Worker]:
    poll = select.poll()
    for worker in busy:
        poll.register(worker.results, select.POLLIN)
    ready = {descriptor for descriptor, _ in poll.poll()} if busy else set()
    return (worker for worker in busy if worker.results in ready)


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
        self._answers = os.fdopen(self.results, "rb")
        self._number = -1

    def give(self, number: int, item: Any) -> None:
        """Have an item worked on. Raises LlmcliError where the process is gone."""
        self._number = number
        try:
            pickle.dump(item, self._items, pickle.HIGHEST_PROTOCOL)
            self._items.flush()
        except BrokenPipeError:
            raise _gone() from None

    def take(self) -> tuple[int, tuple[bool, Any]]:
        """The number of the item, whether it went well, and the result or the exception. Raises LlmcliError."""
        try:
            return self._number, pickle.load(self._answers)  # noqa: S301 - from a process of our own
        except (EOFError, pickle.UnpicklingError):
            raise _gone() from None

    def dismiss(self) -> None:
        """End the process: nothing it does is needed any more."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        for pipe in (self._items, self._answers):
            with suppress(OSError):
                pipe.close()


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
                pickle.dump(answer, target, pickle.HIGHEST_PROTOCOL)
                target.flush()
    finally:
        os._exit(0)


def _answer(work: Callable[[Any], Any], item: Any) -> tuple[bool, Any]:
    try:
        return True, work(item)
    except Exception as error:  # noqa: BLE001 - raised where the result is asked for
        return False, error
