"""The seal of a view: it is written over nothing, or over a view that we wrote and nobody has changed since.

`OUT.csv.view`, beside the journal, holds the SHA-256 of what we wrote. While a view takes the other's place it holds
both, so that a run that is killed then leaves a view that is known.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from llmcli import files
from llmcli.errors import OutputFailure, UsageError
from llmcli.lean.pattern import lazy_pattern

_DIGEST = lazy_pattern(rb"[0-9a-f]{64}")
_LONGEST = 1_000  # bytes of what we remember
_MEMORY = lazy_pattern(rb"(?:[0-9a-f]{64}\n)*")
_RECORD = b'{"id":"batch_req_'  # how a journal of ours begins


class Seal:
    """Guards one view. `path` may be a link, and what it leads to is the view then."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._memory = Path(f"{path}.view")

    def check(self) -> None:
        """Raise UsageError where something is there that is no view of ours, or was changed since."""
        if files.exists(self._memory) and not self._is_memory():
            raise _moved(self._memory, "is there, and was not written here")
        if not files.exists(self.path):
            return
        if not files.is_file(self.path):
            raise OutputFailure(f"cannot make {self.path} anew: it is no regular file", todo="name a file")
        if self._digest() not in self._known():
            raise self._foreign()

    def renew(self, pieces: Iterable[bytes]) -> None:
        """Make the view anew, whole. Raises UsageError as `check`, OutputFailure."""
        target = self.path.resolve()
        hasher = hashlib.sha256()
        try:
            new = files.Replacement(target, target.with_name(f".{target.name}.new"))
            try:
                new.write(_hashed(pieces, hasher))
                self.check()  # somebody may have come while the run was under way
                digest = hasher.hexdigest().encode()
                self._remember([*self._known(), digest])
                new.commit()
                self._remember([digest])
            finally:
                new.close()
        except OSError as error:
            todo = "make room, then type the same command again"
            raise OutputFailure(f"cannot write {self.path}: {error.strerror}", todo=todo) from None

    def _is_memory(self) -> bool:
        """Whether what stands in the place of the digests is digests."""
        try:
            return _MEMORY.fullmatch(files.read_regular(self._memory, _LONGEST + 1)) is not None
        except OSError:
            return False

    def _known(self) -> list[bytes]:
        """The digests of what we wrote."""
        try:
            return _DIGEST.findall(files.read_regular(self._memory))
        except OSError:
            return []

    def _remember(self, digests: Iterable[bytes]) -> None:
        files.replace(self._memory, b"".join(digest + b"\n" for digest in digests))

    def _digest(self) -> bytes:
        try:
            return files.sha256_of(self.path).encode()
        except OSError as error:
            raise OutputFailure(f"cannot read {self.path}: {error.strerror}", todo="check the path") from None

    def _foreign(self) -> UsageError:
        """The error for what is there. A journal (older builds wrote it under any name) has its place told."""
        journal = Path(f"{self.path}.jsonl")
        if files.read_beginning(self.path, len(_RECORD)) == _RECORD and not files.exists(journal):
            what, other = "holds the records of a batch, and is no table", journal
        elif self._known():
            what, other = "was changed since it was written here", _free(self.path)
        else:
            what, other = "is there, and is no table that was written here", _free(self.path)
        return _moved(self.path, what, other)


def _moved(path: Path, what: str, other: Path | None = None) -> UsageError:
    """The error for a file that is in the way, with the command that takes it out of it."""
    move = shlex.join(["mv", str(path), str(other or _free(path))])
    return UsageError(f"{path} {what}", todo=f"{move}, or choose another -O")


def _free(path: Path) -> Path:
    """A name beside a file that nobody has."""
    names = (path.with_name(f"{path.stem}.{word}{path.suffix}") for word in _words())
    return next(name for name in names if not files.exists(name))


def _words() -> Iterator[str]:
    yield "old"
    number = 1
    while True:
        number += 1
        yield f"old{number}"


def _hashed(pieces: Iterable[bytes], hasher: hashlib._Hash) -> Iterator[bytes]:
    for piece in pieces:
        hasher.update(piece)
        yield piece
