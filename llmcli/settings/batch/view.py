"""View: what comes out of a batch beside its records: columns, a table, lines, files."""
# No `from __future__ import annotations`: the annotations are read as objects.

from collections.abc import Sequence
from dataclasses import field
from typing import Literal

from llmcli.errors import UsageError
from llmcli.lean.annotated import Annotated
from llmcli.settings.flag import flag, settings
from llmcli.settings.labels import chosen_of, split_names

ViewKind = Literal["csv", "tsv", "txt"]

_VIEWS: dict[str, ViewKind] = {".csv": "csv", ".tsv": "tsv", ".txt": "txt"}
_PARQUET = """duckdb -c "copy (from 'OUT.csv') to 'OUT.parquet'" makes it of -O OUT.csv"""
_FILTER = "soffice --headless --infilter='Text - txt - csv (StarCalc):44,34,76,1,,0,true' --convert-to"
_OTHERS = {
    **dict.fromkeys((".parquet", ".pq"), _PARQUET),
    **dict.fromkeys((".feather", ".arrow", ".orc", ".avro"), "write -O OUT.csv, and convert that"),
    **dict.fromkeys((".xlsx", ".xls", ".xlsm"), f"{_FILTER} xlsx OUT.csv makes it of -O OUT.csv"),
    ".ods": f"{_FILTER} ods OUT.csv makes it of -O OUT.csv",
    **dict.fromkeys((".gz", ".tgz"), "gzip -k OUT.csv makes it of -O OUT.csv"),
    ".bz2": "bzip2 -k OUT.csv makes it of -O OUT.csv",
    ".xz": "xz -k OUT.csv makes it of -O OUT.csv",
    ".zst": "zstd OUT.csv makes it of -O OUT.csv",
    ".zip": "zip OUT.zip OUT.csv makes it of -O OUT.csv",
    **dict.fromkeys(
        (".db", ".sqlite", ".sqlite3"),
        "sqlite-utils insert OUT.db rows OUT.csv --csv --no-detect-types makes it of -O OUT.csv",
    ),
}


def view_of(output: str) -> ViewKind | None:
    """The kind of view that a file's name asks for; None where it is to hold the records themselves."""
    return next((kind for ending, kind in _VIEWS.items() if output.lower().endswith(ending)), None)


def check_ending(output: str) -> None:
    """Raise UsageError for a file whose ending names a format that is not written here."""
    for ending, todo in _OTHERS.items():
        if output.lower().endswith(ending):
            raise UsageError(f"{output}: {ending} is not written here", todo=todo, flag="-O")


@settings("Tables and files")
class ViewSettings:
    """What comes out beside records."""

    keep: Annotated[
        list[str],
        flag(
            "--keep",
            metavar="COLUMN,...|all",
            help="Put these of the row's own columns into its record (repeatable; all for a table).",
            everyday=True,
        ),
    ] = field(default_factory=list)
    into: Annotated[
        str | None,
        flag("--into", metavar="NAME", help="Name the answer's column, or what a schema's begin with."),
    ] = None
    safe_cells: Annotated[
        bool, flag("--safe-cells", help="Put an apostrophe before what a spreadsheet would run.")
    ] = False
    null: Annotated[
        bool, flag("--null", "-0", help="End each answer of text with NUL, and leave its line ends.")
    ] = False
    where: Annotated[
        list[str],
        flag("--where", metavar="LABEL,...", help="Print only the rows whose label of --choices it is."),
    ] = field(default_factory=list)

    write_each: Annotated[
        str | None,
        flag("--write-each", metavar="TEMPLATE", help="Also write each answer to a file of its own."),
    ] = None

    @property
    def kept(self) -> tuple[str, ...] | None:
        """The columns that go into records; None: all of them, empty: none. Raises UsageError."""
        if self.keep == ["all"]:
            return None
        return split_names(self.keep, "--keep")

    def passing(self, labels: Sequence[str]) -> tuple[str, ...]:
        """The labels whose rows are printed, empty: all. Raises UsageError for what is no label."""
        return chosen_of(self.where, labels, "--where")

    def check(self) -> None:
        """Raise UsageError where what was said cannot be meant."""
        _ = self.kept
        if self.into is not None and not self.into.strip():
            raise UsageError("names no column", todo="e.g. --into summary", flag="--into")
        if self.write_each is not None and not self.write_each.strip():
            raise UsageError("names no file", todo="e.g. 'summaries/{{ id }}.md'", flag="--write-each")
