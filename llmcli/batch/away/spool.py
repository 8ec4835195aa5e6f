"""The spool: the rows of a portion on disk, as the provider gets them and as their records want them.

Of portion 3 of run 7f3a, `7f3a-3.jsonl` is the file that goes up, and `7f3a-3.rows.jsonl` has a line for each of its
rows with what else is known of it: so that answers find their rows whatever has become of INPUT meanwhile.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from llmcli import files, jsonl
from llmcli.address import public_url
from llmcli.batch.away.manifest import Manifest, Portion
from llmcli.batch.input.rows import Row
from llmcli.errors import OutputFailure, UsageError
from llmcli.wire import CHAT, Json, Request

_PIECE = 1 << 18  # bytes that are written at once
_LIVE = frozenset({"stream", "stream_options"})  # how an answer comes, which nobody here waits for
_BESIDE = ("file", "before", "key", "id_column", "goes_to", "line")  # of a row, where it has them


def wire_id(row: Row) -> str:
    """What a row is called at the provider: unique whatever its custom_id is, and inside of every provider's bounds."""
    return f"{row.key or format(row.number, '06d')}-{row.digest:016x}"


def around_row(row: Row, url: str) -> int:
    """Bytes that go up of a row beside its body."""
    return len(_line_of(wire_id(row), _before(url), b""))


def _before(url: str) -> bytes:
    return b'","method":"POST","url":' + jsonl.dumps(url) + b',"body":'


def _line_of(identity: str, before: bytes, body: bytes) -> bytes:
    return b'{"custom_id":"' + identity.encode() + before + body + b"}\n"


def upload_path(manifest: Manifest, number: int) -> Path:
    """The file of a portion that goes up."""
    return manifest.folder / f"{manifest.run}-{number}.jsonl"


def rows_path(manifest: Manifest, number: int) -> Path:
    """What is known of its rows."""
    return manifest.folder / f"{manifest.run}-{number}.rows.jsonl"


class _File:
    """A file that is written in pieces, and takes its name once it is whole. Raises OSError."""

    def __init__(self, path: Path) -> None:
        files.make_directory(path.parent)
        self._new = files.Replacement(path, path.with_name(f"{path.name}.part"))
        self._pieces: list[bytes] = []
        self._waiting = 0
        self.size = 0
        self._hash = hashlib.blake2b(digest_size=8)

    def add(self, line: bytes) -> None:
        self._pieces.append(line)
        self._waiting += len(line)
        self.size += len(line)
        if self._waiting >= _PIECE:
            self._write()

    def _write(self) -> None:
        data = b"".join(self._pieces)
        self._hash.update(data)
        files.write_all(self._new.descriptor, data)
        self._pieces.clear()
        self._waiting = 0

    def commit(self) -> str:
        """Have the disk keep it; the digest of what is in it."""
        self._write()
        self._new.commit()
        self._new.close()
        return self._hash.hexdigest()

    def discard(self) -> None:
        self._new.close()


class PortionWriter:
    """Writes the rows of one portion. `url` is what each says of where it is to be asked. Raises OutputFailure."""

    def __init__(self, manifest: Manifest, number: int, first: Request, url: str) -> None:
        self.number, self.request = number, first
        self.rows = 0
        self._manifest = manifest
        self._before = _before(url)
        try:
            self._upload = _File(upload_path(manifest, number))
            self._rows = _File(rows_path(manifest, number))
        except OSError as error:
            raise _unspooled(manifest, error) from None

    @property
    def size(self) -> int:
        """Bytes that go up."""
        return self._upload.size

    def add(self, row: Row, kept: bytes | None, *, own_format: bool) -> None:
        """Add a row; `kept` is what of its own goes into its record, `own_format`: it says itself what fits it."""
        assert row.request is not None  # noqa: S101 - it is a good one
        identity = wire_id(row)
        request = row.request
        body: Mapping[str, Any] = request.fields if request.api is CHAT else request.body()
        if "stream" in body:
            body = {name: value for name, value in body.items() if name not in _LIVE}
        about: Json = {"id": identity, "number": row.number, "custom_id": row.custom_id}
        about |= {name: value for name in _BESIDE if (value := getattr(row, name))}
        if own_format:
            about["own_format"] = True
        if request.api is not CHAT:
            about["fields"] = request.fields
        known = jsonl.dumps(about)[:-1] + (b"" if kept is None else b',"input":' + kept) + b"}\n"
        try:
            self._upload.add(_line_of(identity, self._before, jsonl.dumps(body)))
            self._rows.add(known)
        except OSError as error:
            raise _unspooled(self._manifest, error) from None
        self.rows += 1

    def commit(self, at: float) -> Portion:
        """Both files are whole: the portion, of which nobody has been told yet."""
        try:
            digest = self._upload.commit()
            self._rows.commit()
        except OSError as error:
            raise _unspooled(self._manifest, error) from None
        request = self.request
        place = (request.name, public_url(request.base_url))
        return Portion(self.number, self.rows, self.size, *place, digest, at, request.api.name)

    def discard(self) -> None:
        """Nothing of it is wanted."""
        self._upload.discard()
        self._rows.discard()


class Spooled:
    """The rows of a portion, found by what they are called at the provider. Raises UsageError where they are gone.

    `slot_of` says what the records of a row are kept by, of which so much is known.
    """

    def __init__(self, manifest: Manifest, portion: Portion, slot_of: Callable[[Json], int]) -> None:
        try:
            self._rows = files.open_regular(rows_path(manifest, portion.number))
            self._upload = files.open_regular(upload_path(manifest, portion.number))
        except OSError as error:
            raise _gone(manifest, error) from None
        self._row_ends = _ends(self._rows)
        self._upload_ends = _ends(self._upload)
        self.ids: list[str] = []
        self.slots = array("Q")
        for about in known_rows(manifest, portion):
            self.ids.append(about["id"])
            self.slots.append(slot_of(about))
        self.index = {identity: index for index, identity in enumerate(self.ids)}

    def close(self) -> None:
        """Let go of the files."""
        os.close(self._rows)
        os.close(self._upload)

    def __len__(self) -> int:
        return len(self.ids)

    def row(self, index: int, like: Request) -> tuple[Row, bytes | None]:
        """A row and what of its own goes into its record; `like` is a request of the same model and command line."""
        about = jsonl.loads(_line(self._rows, self._row_ends, index))
        fields = about.get("fields") or jsonl.loads(_line(self._upload, self._upload_ends, index))["body"]
        request = replace(like, fields=fields)
        if about.get("own_format"):
            request = replace(request, expects=None, choices=())
        row = Row(about["number"], about["custom_id"], int(self.ids[index][-16:], 16), request)
        for name in _BESIDE:
            if name in about:
                setattr(row, name, about[name])
        row.slot = self.slots[index]
        return row, (jsonl.dumps(about["input"]) if "input" in about else None)


def known_rows(manifest: Manifest, portion: Portion) -> Iterator[Json]:
    """What is known of each row of a portion. Raises UsageError where that is gone."""
    try:
        descriptor = files.open_regular(rows_path(manifest, portion.number))
    except OSError as error:
        raise _gone(manifest, error) from None
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - it is open
        for line in stream:
            yield jsonl.loads(line)


def _ends(descriptor: int) -> array[int]:
    """Where each line of a file ends."""
    ends, place = array("Q"), 0
    while block := os.pread(descriptor, _PIECE, place):
        at = block.find(b"\n")
        while at >= 0:
            ends.append(place + at + 1)
            at = block.find(b"\n", at + 1)
        place += len(block)
    return ends


def _line(descriptor: int, ends: array[int], index: int) -> bytes:
    start = ends[index - 1] if index else 0
    return os.pread(descriptor, ends[index] - start, start)


def spooled_content(manifest: Manifest, portion: Portion) -> BinaryIO:
    """What goes up of a portion, to be read and closed. Raises UsageError where it is gone."""
    try:
        return open(files.open_regular(upload_path(manifest, portion.number)), "rb")  # noqa: PTH123 - it is open
    except OSError as error:
        raise _gone(manifest, error) from None


def drop(manifest: Manifest, portion: Portion) -> None:
    """Take the rows of a portion away, which nobody wants any more."""
    for path in (upload_path(manifest, portion.number), rows_path(manifest, portion.number)):
        path.unlink(missing_ok=True)


def tidy(manifest: Manifest) -> None:
    """Take away what a run that was killed has left in the folder before anybody was told of it."""
    wanted: set[Any] = set()
    for portion in manifest.away:
        wanted |= {upload_path(manifest, portion.number), rows_path(manifest, portion.number)}
    for path in list(manifest.spooled()):
        if path not in wanted:
            path.unlink(missing_ok=True)


def _unspooled(manifest: Manifest, error: OSError) -> OutputFailure:
    return OutputFailure(f"cannot keep rows in {manifest.folder}: {error.strerror}", todo="check the disk")


def _gone(manifest: Manifest, error: OSError) -> UsageError:
    todo = "put it back: it says which answers are whose; or --recall, which gives those rows up"
    return UsageError(f"{manifest.folder} has lost the rows that are away: {error.strerror}", todo=todo)
