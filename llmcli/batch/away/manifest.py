"""The manifest, `OUT.batches.jsonl`: which portions of the rows are away, and how far each has come.

A line is `{"portion":N, ...}`: what is new of a portion. Each is kept by the disk before the next step is taken, so
that a run that was killed finds what it had begun. A portion is away from its first line to the one that says what it
`settled` as; then its files are swept from the provider, and when nothing is left to do the manifest goes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from llmcli import files, jsonl
from llmcli.errors import Busy, OutputFailure, UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.settings.batch.run import batches_path
from llmcli.wire import Json


@dataclass(slots=True)
class Portion:
    """Rows that go together: one file of one model, and one batch.

    `api` is what its rows are sent to, `base_url` without what is secret in it. `size` in bytes; `tokens` of all
    prompts and `worst` in $, None: not counted; `at` and `creating` in seconds since 1970, the latter where a
    batch may have been asked for whose id is not known; `cancelling`: since when it is asked to end. `held` is its
    line in a budget file, see BudgetFile. `uploads` of its file were begun. `files` are the provider's.
    """

    number: int
    rows: int
    size: int
    model: str
    base_url: str
    digest: str
    at: float
    api: str = "chat"
    tokens: int | None = None
    worst: str | None = None
    held: list[Any] | None = None
    uploads: int = 0
    file: str | None = None
    creating: float | None = None
    batch: str | None = None
    cancelling: float | None = None
    settled: str | None = None
    files: list[str] = field(default_factory=list)
    swept: bool = False

    @property
    def reserve(self) -> Decimal:
        """$ that it may cost at most."""
        return Decimal(self.worst or 0)


_FIELDS = tuple(Portion.__dataclass_fields__)


def manifest_path(kept: str) -> Path:
    """`OUT.batches.jsonl` beside `OUT.jsonl`."""
    return batches_path(Path(kept))


class Standing:
    """What the lines of a manifest tell: its run, its portions by number, and the tokens that a model may enqueue."""

    def __init__(self) -> None:
        self.run = ""
        self.portions: dict[int, Portion] = {}
        self.limits: dict[str, int] = {}

    @property
    def away(self) -> list[Portion]:
        """The portions that are away, in their order."""
        return [portion for portion in self.portions.values() if portion.settled is None]

    def take(self, path: Path, line: bytes) -> None:
        """Take a line in. Raises UsageError where it is none of ours."""
        try:
            self._take(jsonl.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            todo = "choose another -O; it says which rows are paid for and away, so do not delete it lightly"
            raise UsageError(f"{path} is no list of batches of ours", todo=todo) from None

    def _take(self, event: Json) -> None:
        if "run" in event:
            self.run = str(event["run"])
            return
        if not self.run:
            raise KeyError("run")
        if "limit" in event:
            self.limits[event["model"]] = event["limit"]
            return
        number = event.pop("portion")
        news = {name: value for name, value in event.items() if name in _FIELDS}
        if number not in self.portions:
            self.portions[number] = Portion(number, **news)
            return
        for name, value in news.items():
            setattr(self.portions[number], name, value)


def standing_of(kept: str) -> Standing:
    """What is away of OUT at the moment, whoever holds its manifest. Raises UsageError."""
    told, path = Standing(), manifest_path(kept)
    try:
        data = files.read_regular(path)
    except FileNotFoundError:
        return told
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    for line in data.splitlines(keepends=True):
        if line.endswith(b"\n"):  # else it is being written
            told.take(path, line)
    return told


class Manifest(Standing):
    """What is away of one OUT. Opening it locks it. Raises Busy, UsageError, OutputFailure.

    `folder` is where the rows of its portions are.
    """

    def __init__(self, kept: str) -> None:
        super().__init__()
        self.path = manifest_path(kept)
        self.folder = self.path.with_suffix("")
        try:
            self._journal = files.Journal(self.path, ours=True)
        except files.Held:
            raise Busy(f"another run holds {self.path}", todo="wait for it to end") from None
        except OSError as error:
            raise self._unwritten(error) from None
        try:
            self._load()
        except BaseException:
            self._journal.close()
            raise

    @property
    def unswept(self) -> list[Portion]:
        """Those that have ended, whose files may still be at the provider."""
        return [each for each in self.portions.values() if each.settled is not None and not each.swept]

    @property
    def next_number(self) -> int:
        """The number of the next portion."""
        return max(self.portions, default=-1) + 1

    def add(self, portion: Portion) -> None:
        """A portion is to go away: its rows are in the folder."""
        self.portions[portion.number] = portion
        told = {name: value for name, value in asdict(portion).items() if value or name == "number"}
        self._append({"portion": told.pop("number"), **told})

    def note(self, portion: Portion, **news: Any) -> None:
        """Something is new of a portion."""
        for name, value in news.items():
            setattr(portion, name, value)
        self._append({"portion": portion.number, **news})

    def learn(self, model: str, tokens: int) -> None:
        """No more than so many tokens of a model may be enqueued."""
        self.limits[model] = tokens
        self._append({"limit": tokens, "model": model})

    def close(self) -> None:
        """Let it go; where nothing is left to do, it goes."""
        try:
            if all(portion.settled is not None and portion.swept for portion in self.portions.values()):
                self._drop()
        finally:
            self._journal.close()

    def release(self) -> None:
        """Let it go as it is."""
        self._journal.close()

    def _drop(self) -> None:
        """Take all away, but for files of a provider in this process that are to be kept."""
        try:
            self.path.unlink(missing_ok=True)
            for path in self.spooled():
                path.unlink()
            if any(self.provider.glob("file-*")) or not files.is_directory(self.folder):
                return
            for path in self.provider.glob("batch_*"):
                path.unlink()
            for folder in filter(files.is_directory, (self.provider, self.folder)):
                folder.rmdir()
        except OSError:
            return  # what is left says nothing of any row

    @property
    def provider(self) -> Path:
        """Where a provider in this process keeps its files and batches."""
        return self.folder / "provider"

    def spooled(self) -> Iterator[Path]:
        """The files of the folder that are ours, those that are not whole included."""
        if files.is_directory(self.folder):
            for shape in ("*.jsonl", "*.part"):
                yield from self.folder.glob(shape)

    def begin(self) -> None:
        """Give the run a name, where it has none."""
        if not self.run:
            self.run = os.urandom(4).hex()
            self._append({"run": self.run, "v": 1})

    def _append(self, event: Json) -> None:
        try:
            self._journal.append(jsonl.line(event))
            self._journal.sync()
        except OSError as error:
            raise self._unwritten(error) from None

    def _unwritten(self, error: OSError) -> OutputFailure:
        return OutputFailure(
            f"cannot write {self.path}: {error.strerror}", todo="check the path and the disk"
        )

    def _load(self) -> None:
        """Take in all lines; a torn last one was never acted upon, and is cut off."""
        for line in self._journal.lines():
            if not line.endswith(b"\n"):
                self._journal.cut(self._journal.size - len(line))
                return
            self.take(self.path, line)
