"""Briefs: what is kept of each record where records are put in order or set beside each other."""

from __future__ import annotations

from typing import Any, NamedTuple

from llmcli import jsonl
from llmcli.batch.reporting.figures import told_labels
from llmcli.batch.reporting.gist import BROKEN, whole_gist
from llmcli.batch.reporting.outs import BatchOut, RecordLine
from llmcli.batch.views.answers import answer_of


class Brief(NamedTuple):
    """A record: whose row it is, the digest of that row's body, and what came of it: `code` None: an answer.

    `answer` is a hash of the answer's text; `cached`: it was not asked for. `line` is where the record stands,
    without its content.
    """

    custom_id: Any
    file: str | None
    row: int
    digest: str
    code: str | None
    label: str | None
    answer: int
    cached: bool
    line: RecordLine

    @property
    def state(self) -> str:
        """`ok`, or the code of the failure."""
        return self.code or "ok"


def briefs_of(out: BatchOut) -> list[Brief]:
    """Those of all records, some 400 bytes a row, in the order of the input. Raises UsageError."""
    briefs = [_brief(out, line) for line in out.lines()]
    briefs.sort(key=lambda brief: (brief.file or "", brief.row))
    return briefs


def _brief(out: BatchOut, line: RecordLine) -> Brief:
    if whole_gist(line.content) is None:
        raise out.foreign(line)
    data = jsonl.loads(line.content)
    about, error = data["llmcli"], data["error"]
    try:
        answer = hash(answer_of(data))
    except BROKEN:  # an answer that no batch took for one
        raise out.foreign(line) from None
    return Brief(
        data["custom_id"],
        about.get("file"),
        about["row"],
        data["id"][-16:],
        None if error is None else str(error.get("code")),
        ", ".join(told_labels(about.get("choice"))) or None,
        answer,
        about.get("cached") is True,
        line._replace(content=b""),
    )
