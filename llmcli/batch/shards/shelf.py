"""The shelf: where the plan of all parts stands: a directory, or a folder of an object store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from llmcli import files
from llmcli.address import is_store_url
from llmcli.errors import OutputFailure, UsageError

if TYPE_CHECKING:
    from llmcli.stores.bucket import Bucket


class Shelf(Protocol):
    """A place of small objects that are made once."""

    def __str__(self) -> str:
        """What people call it."""

    def named(self, name: str) -> str:
        """What people call an object there."""

    def read(self, name: str) -> bytes | None:
        """An object; None where there is none. Raises UsageError, OutputFailure."""

    def create(self, name: str, data: bytes) -> bool:
        """Make one; False where there is one. Raises UsageError, OutputFailure."""


class Directory:
    """A directory, which is made where it is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def named(self, name: str) -> str:
        """See Shelf."""
        return str(self._path / name)

    def read(self, name: str) -> bytes | None:
        """See Shelf."""
        try:
            return files.read_regular(self._path / name)
        except FileNotFoundError:
            return None
        except OSError as error:
            what = f"cannot read {self.named(name)}: {error.strerror}"
            raise UsageError(what, todo="choose another directory") from None

    def create(self, name: str, data: bytes) -> bool:
        """See Shelf."""
        try:
            files.make_directory(self._path)
            files.create(self._path / name, data)
        except FileExistsError:  # another part was first
            if not files.is_directory(self._path):
                raise UsageError(f"{self} is no directory", todo="-O DIR/", flag="--shard") from None
            return False
        except OSError as error:
            what = f"cannot write {self.named(name)}: {error.strerror}"
            raise OutputFailure(what, todo="check the path and the disk") from None
        return True


class ObjectFolder:
    """A folder of an object store. What is made first there also shows whether its server heeds conditions."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def __str__(self) -> str:
        return self._bucket.url

    def named(self, name: str) -> str:
        """See Shelf."""
        return self._bucket.named(name)

    def read(self, name: str) -> bytes | None:
        """See Shelf."""
        found = self._bucket.wait(self._bucket.read(name))
        return None if found is None else found.data

    def create(self, name: str, data: bytes) -> bool:
        """See Shelf."""
        self._bucket.wait(self._bucket.probe())
        return self._bucket.wait(self._bucket.create(name, data))


def shelf_of(place: str, *, reads: bool = False) -> Shelf:
    """The shelf that a path or a URL names; `reads`: nothing is to be made there. Raises UsageError."""
    if not is_store_url(place):
        return Directory(Path(place))
    from llmcli.stores.bucket import BRIEF, Bucket
    from llmcli.stores.failures import as_input, as_output

    return ObjectFolder(Bucket(place, as_input if reads else as_output, BRIEF))
