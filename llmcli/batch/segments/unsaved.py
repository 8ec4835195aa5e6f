"""What is not saved yet: records that wait for their segment, how many bytes, and since when."""

from __future__ import annotations

import threading
from collections.abc import Callable

_DUE_SIZE, _MOST_SIZE = 32 << 20, 64 << 20  # bytes
BOUND = "60 s or 64 MB"
_DUE_AGE, _MOST_AGE = 45.0, 60.0  # seconds: saving takes some, and what a kill loses is 60 at most


class Unsaved:
    """Records come from one thread and are sealed in another. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: list[bytes] = []
        self._failures: list[bytes] = []
        self._open = self._sealed = 0  # bytes
        self._since: float | None = None  # the oldest that waits
        self._sealed_since: float | None = None  # the oldest that is being saved

    @property
    def size(self) -> int:
        """Bytes that wait; those that are being saved are not among them."""
        return self._open

    @property
    def is_due(self) -> bool:
        """Whether a segment is to be made of them."""
        return self._open >= _DUE_SIZE or (self._since is not None and self._age(self._since) >= _DUE_AGE)

    @property
    def has_room(self) -> bool:
        """Whether there may be more of them."""
        oldest = self._since if self._sealed_since is None else self._sealed_since
        return self._open + self._sealed < _MOST_SIZE and (oldest is None or self._age(oldest) < _MOST_AGE)

    def _age(self, since: float) -> float:
        return self._clock() - since

    def add(self, line: bytes, *, failed: bool) -> None:
        """One more."""
        with self._lock:
            (self._failures if failed else self._answers).append(line)
            self._open += len(line)
            if self._since is None:
                self._since = self._clock()

    def seal(self) -> tuple[list[bytes], list[bytes]]:
        """The answers and the failures that waited, which are being saved from now on."""
        with self._lock:
            sealed = self._answers, self._failures
            self._answers, self._failures = [], []
            self._sealed, self._sealed_since = self._open, self._since
            self._open, self._since = 0, None
        return sealed

    def saved(self) -> None:
        """What was sealed is safe."""
        with self._lock:
            self._sealed, self._sealed_since = 0, None
