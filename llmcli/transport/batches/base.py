"""What a Batch API is asked and what it tells, whoever speaks it: OpenAI's words for files and batches."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import Any, BinaryIO, NamedTuple, Protocol

from llmcli.lean.dataclass import dataclass
from llmcli.wire import Json

_MOVING = ("status", "done", "failed", "share")
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_SPELLED = {
    "canceled": "cancelled",
    "canceling": "cancelling",
    "cancel": "cancelling",
    "progress": "in_progress",
    "validation": "validating",
}


class BatchFault(NamedTuple):
    """What a provider says is wrong with a batch; `line` is that of its input, from 1, where it is one's fault."""

    code: str
    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class BatchSeen:
    """A batch as it was seen. `status` is in OpenAI's words; times are in seconds since 1970, None: not told.

    `done`, `failed` and `total` are numbers of its rows, `share` is what of them is done where only that is told;
    `output` and `errors` are ids of files, None: there is none.
    """

    id: str
    status: str
    input: str | None = None
    output: str | None = None
    errors: str | None = None
    faults: Sequence[BatchFault] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    created: float | None = None
    expires: float | None = None
    total: int = 0
    done: int = 0
    failed: int = 0
    share: float = 0.0

    @property
    def has_begun(self) -> bool:
        """Whether any of its rows is done."""
        return bool(self.done or self.failed or self.share)

    def done_of(self, rows: int) -> int:
        """How many of its rows are done, well or not."""
        return min(self.done + self.failed or int(rows * self.share), rows)

    def is_as(self, other: BatchSeen) -> bool:
        """Whether nothing has moved between the two."""
        return all(getattr(self, name) == getattr(other, name) for name in _MOVING)

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.status in ENDED


class FileSeen(NamedTuple):
    """A file that a provider keeps."""

    id: str
    name: str
    created: float | None = None


class BatchApi(Protocol):
    """A provider's files and batches. Every method raises the CallFailed family.

    Nothing is sent twice in one call: who calls knows whether that may cost.
    """

    async def upload(self, name: str, content: BinaryIO) -> str:
        """Put a file of rows there, read from its beginning as it goes; its id."""

    async def create(self, file: str, metadata: Mapping[str, str]) -> BatchSeen:
        """Make a batch of a file: from then on it costs."""

    async def batch(self, batch: str) -> BatchSeen:
        """Look at a batch."""

    async def cancel(self, batch: str) -> BatchSeen:
        """Have a batch end with what it has."""

    def batches(self) -> AsyncGenerator[BatchSeen, None]:
        """All batches, the newest first."""

    def files(self) -> AsyncGenerator[FileSeen, None]:
        """The files of rows that are there."""

    def lines(self, file: str) -> AsyncGenerator[bytes, None]:
        """The lines of a file, without their ends; blank ones are left out. What comes last may be torn."""

    async def delete(self, file: str) -> None:
        """Take a file away; one that is not there is nothing to say."""

    async def key(self) -> str | None:
        """The key that it is asked with: servers quote it."""

    async def aclose(self) -> None:
        """Let go of connections."""


def batch_seen(data: Json) -> BatchSeen:
    """A batch as a provider tells of it, in whatever dress. Raises ValueError where it tells of none."""
    if isinstance(job := data.get("job"), dict):  # together's
        data = job
    identity, status = data.get("id"), str(data.get("status") or "").lower()
    if not isinstance(identity, str) or not identity or not status:
        raise ValueError("no batch")
    counts = data.get("request_counts")
    counts = counts if isinstance(counts, dict) else {}
    metadata = data.get("metadata")
    return BatchSeen(
        identity,
        _SPELLED.get(status, status),
        input=_named(data, "input_file_id"),
        output=_named(data, "output_file_id"),
        errors=_named(data, "error_file_id"),
        faults=_faults(data.get("errors") or data.get("error")),
        metadata=metadata if isinstance(metadata, dict) else {},
        created=_time(data.get("created_at")),
        expires=_time(data.get("expires_at") or data.get("job_deadline")),
        total=_count(counts, "total"),
        done=_count(counts, "completed"),
        failed=_count(counts, "failed"),
        share=_share(data.get("progress")),
    )


def file_seen(data: Json) -> FileSeen | None:
    """A file as a provider tells of it; None where it tells of none."""
    identity, name = data.get("id"), data.get("filename")
    if not isinstance(identity, str) or not isinstance(name, str):
        return None
    return FileSeen(identity, name, _time(data.get("created_at")))


def _named(data: Json, name: str) -> str | None:
    value = data.get(name)
    return value if isinstance(value, str) and value else None


def _time(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            told = datetime.fromisoformat(value)
            return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value > 0 else None


def _share(percent: Any) -> float:
    is_number = isinstance(percent, int | float) and not isinstance(percent, bool)
    return percent / 100 if is_number and 0 < percent <= 100 else 0.0


def _count(counts: Json, name: str) -> int:
    value = counts.get(name)
    return value if type(value) is int and value > 0 else 0


def _faults(errors: Any) -> tuple[BatchFault, ...]:
    data = errors.get("data") if isinstance(errors, dict) else errors
    if isinstance(data, str) and data:
        data = [{"message": data}]
    found = []
    for each in data if isinstance(data, list) else []:
        if isinstance(each, dict):
            line = each.get("line")
            words = str(each.get("message") or "").strip()
            found.append(BatchFault(str(each.get("code") or ""), words, line if type(line) is int else None))
    return tuple(found)
