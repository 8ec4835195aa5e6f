"""Names of files that rows have of their own: no two are one, and none is a directory that another lies in."""

from __future__ import annotations

import hashlib
import os

from llmcli.batch.ledger.slots import Slots


class FileNames:
    """What rows have taken so far, in some 40 bytes a file and a directory."""

    def __init__(self) -> None:
        self._files = Slots()
        self._directories = Slots()

    def take(self, path: str) -> str | None:
        """Give an absolute path to a row, or say why it cannot be that row's file."""
        own, above = _key(path), [_key(each) for each in _above(path)]
        if self._files.has(own):
            return "is another row's file, too"
        if self._directories.has(own):
            return "is a directory of another row's file"
        if any(map(self._files.has, above)):
            return "is below another row's file"
        self._files.of(own)
        for each in above:
            self._directories.of(each)
        return None


def _above(path: str) -> list[str]:
    """The directories that a path lies in."""
    found = []
    while (path := os.path.dirname(path)) != "/":  # noqa: PTH120 - of text: for each row
        found.append(path)
    return found


def _key(path: str) -> int:
    return int.from_bytes(hashlib.blake2b(os.fsencode(path), digest_size=8).digest(), "big")
