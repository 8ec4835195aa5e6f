"""Batch: how the rows are run, and where their records go."""
# No `from __future__ import annotations`: the annotations are read as objects.

from dataclasses import field
from pathlib import Path
from typing import Literal

from llmcli.address import is_store_url
from llmcli.errors import UsageError
from llmcli.lean.annotated import Annotated
from llmcli.settings.batch.view import ViewKind, check_ending, view_of
from llmcli.settings.flag import flag, settings

_PATIENCE = 600.0  # seconds


def errors_path(out: Path) -> Path:
    """`OUT.errors.jsonl` beside `OUT.jsonl`."""
    return out.with_suffix(".errors.jsonl") if out.suffix == ".jsonl" else Path(f"{out}.errors.jsonl")


def redone_path(out: Path) -> Path:
    """The file of records that are to take the place of older ones in OUT and OUT.errors."""
    return out.with_name(errors_path(out).name.replace(".errors", ".redone"))


def batches_path(out: Path) -> Path:
    """`OUT.batches.jsonl` beside `OUT.jsonl`: what is away, with `--via batch`."""
    return out.with_suffix(".batches.jsonl") if out.suffix == ".jsonl" else Path(f"{out}.batches.jsonl")


@settings("Batch")
class RunSettings:
    """How the rows are run, and where their records go."""

    output: Annotated[
        str | None,
        flag(
            "--output",
            "-O",
            metavar="OUT",
            help="Write records to OUT.jsonl and OUT.errors.jsonl; OUT.csv, .tsv, .txt: and a table or lines.",
            everyday=True,
        ),
    ] = None
    id: Annotated[
        str | None,
        flag("--id", metavar="COLUMN", help="Rows are known by this column, not by their number."),
    ] = None
    concurrency: Annotated[
        str,
        flag(
            "--concurrency", "-j", metavar="N|auto", help="Requests under way at once (auto).", everyday=True
        ),
    ] = "auto"
    rpm: Annotated[
        float | None,
        flag("--rpm", low=0.001, finite=True, metavar="N", help="Most requests a minute.", everyday=True),
    ] = None
    tpm: Annotated[
        float | None, flag("--tpm", low=0.001, finite=True, metavar="N", help="Most tokens a minute.")
    ] = None
    patience: Annotated[
        float | None,
        flag(
            "--patience",
            low=0,
            finite=True,
            metavar="S",
            help="Wait so long for a server that is not well (600; 0 with offline/flaky).",
        ),
    ] = None
    ordered: Annotated[bool, flag("--ordered", help="Records in the order of the input.")] = False
    limit: Annotated[
        int | None, flag("--limit", low=0, metavar="N", help="Only the first N rows.", everyday=True)
    ] = None
    max_failures: Annotated[
        int | None, flag("--max-failures", low=1, metavar="N", help="Stop when N rows have failed.")
    ] = None
    fresh: Annotated[bool, flag("--fresh", help="Start over: what OUT holds is lost.")] = False
    retry_failed: Annotated[
        bool, flag("--retry-failed", help="Try final failures again, too.", everyday=True)
    ] = False
    on_change: Annotated[
        Literal["stop", "rerun", "keep"],
        flag("--on-change", help="What to do where a row that is done has changed (stop)."),
    ] = "stop"
    dry_run: Annotated[
        bool, flag("--dry-run", help="Count and price the rows; send nothing.", everyday=True)
    ] = False
    format: Annotated[
        Literal["text", "json", "jsonl", "csv", "tsv"] | None,
        flag("--format", help="What stdout gets without -O (jsonl), or how --dry-run prints (text)."),
    ] = None
    json: Annotated[bool, flag("--json", help="The same as --format json.")] = False
    exec: Annotated[list[str], flag("--exec", hidden=True, help="Not for batch.")] = field(
        default_factory=list
    )
    mcp: Annotated[list[str], flag("--mcp", hidden=True, help="Not for batch.")] = field(default_factory=list)
    mcp_config: Annotated[list[str], flag("--mcp-config", hidden=True, help="Not for batch.")] = field(
        default_factory=list
    )
    gate: Annotated[list[str], flag("--gate", hidden=True, help="Not for batch.")] = field(
        default_factory=list
    )

    @property
    def view(self) -> ViewKind | None:
        """The kind of the view that -O asks for; None where it names the file of the records, or stdout."""
        return None if self.output is None else view_of(self.output)

    @property
    def kept(self) -> str | None:
        """The file of the records; None where they go to stdout, which nothing is kept of, or to an object store."""
        if self.output == "-" or self.is_stored:
            return None
        return self.output if self.view is None else f"{self.output}.jsonl"

    @property
    def is_stored(self) -> bool:
        """Whether records go to an object store."""
        return self.output is not None and is_store_url(self.output)

    @property
    def lasts(self) -> bool:
        """Whether records are kept, so that the same command goes on."""
        return self.kept is not None or self.is_stored

    @property
    def written(self) -> list[Path]:
        """The files that are written to."""
        if self.kept is None or self.output is None:
            return []
        kept = Path(self.kept)
        beside = [errors_path(kept), redone_path(kept)]
        return [kept, *beside, *([Path(self.output)] if self.view else [])]

    @property
    def shape(self) -> Literal["text", "jsonl", "csv", "tsv"]:
        """What stdout gets of rows."""
        if self.json or self.format in {None, "json", "jsonl"}:
            return "jsonl"
        return "csv" if self.format == "csv" else "tsv" if self.format == "tsv" else "text"

    @property
    def is_table(self) -> bool:
        """Whether rows come out as a table."""
        return self.view in {"csv", "tsv"} if self.kept is not None else self.shape in {"csv", "tsv"}

    @property
    def is_shaped(self) -> bool:
        """Whether rows come out as a table, or beside records as a view that may become one."""
        return self.is_table or self.view is not None

    def _check_format(self) -> None:
        if self.dry_run and self.format in {"csv", "tsv"}:
            raise UsageError(f"{self.format} is not for --dry-run", todo="json is", flag="--format")
        if not self.dry_run and self.lasts and self.shape != "jsonl":
            ending = "txt" if self.shape == "text" else self.shape
            todo = f"-O OUT.{ending} writes it to a file"
            raise UsageError(f"{self.format} is what stdout gets without -O", todo=todo, flag="--format")

    @property
    def crowd(self) -> int | None:
        """Requests under way at once; None: find it out. Raises UsageError."""
        text = self.concurrency
        if text == "auto":
            return None
        if not text.isascii() or not text.isdigit() or int(text) < 1:
            raise UsageError(
                f"{text} is no number of requests", todo="give a number from 1, or auto", flag="-j"
            )
        return int(text)

    def patience_with(self, *, embedded: bool) -> float:
        """Seconds to wait for a server that is not well; none for one that is `embedded`, in this process."""
        if self.patience is not None:
            return self.patience
        return 0.0 if embedded else _PATIENCE

    def check(self) -> None:
        """Raise UsageError where flags exclude each other, or cannot be meant."""
        for name, given in (("--exec", self.exec), ("--mcp", self.mcp), ("--mcp-config", self.mcp_config)):
            if given:
                todo = "calls of tools are the answer: run them afterwards"
                raise UsageError("is not for batch", todo=todo, flag=name)
        if self.gate:
            todo = "--where LABEL,... prints only the rows whose label it is"
            raise UsageError("is not for batch", todo=todo, flag="--gate")
        if self.output is not None:
            check_ending(self.output)
        self._check_format()
        for flag_name, wanted in (("--fresh", self.fresh), ("--retry-failed", self.retry_failed)):
            if wanted and not self.lasts:
                raise UsageError("without an output file", todo="name it with -O", flag=flag_name)
        _ = self.crowd
