"""Tables: how INPUT is read."""
# No `from __future__ import annotations`: the annotations are read as objects.

from typing import Literal

from llmcli.errors import UsageError
from llmcli.lean.annotated import Annotated
from llmcli.settings.flag import flag, settings

InputFormat = Literal["jsonl", "csv", "tsv", "json", "lines", "parquet"]

_ESCAPED = {"\\t": "\t", "tab": "\t"}


@settings("Rows")
class TableSettings:
    """How INPUT is read."""

    input_format: Annotated[
        InputFormat | None,
        flag("--input-format", help="What INPUT is (else by its name, or its first byte; json: an array)."),
    ] = None
    delimiter: Annotated[
        str | None, flag("--delimiter", metavar="CHAR", help="What stands between the cells of a CSV (,).")
    ] = None
    no_header: Annotated[
        bool, flag("--no-header", help="A table's first line is a row: its columns are c1, c2, ...")
    ] = False

    each: Annotated[
        str | None,
        flag(
            "--each",
            metavar="GLOB|-",
            help="Each file is a row: path, name, stem, text (-: names from stdin).",
            everyday=True,
        ),
    ] = None

    @property
    def separator(self) -> str | None:
        """The character of `--delimiter`; None where it was not given."""
        return None if self.delimiter is None else _ESCAPED.get(self.delimiter, self.delimiter)

    @property
    def given(self) -> str | None:
        """A flag of these that was given."""
        if self.input_format is not None:
            return "--input-format"
        if self.delimiter is not None:
            return "--delimiter"
        return "--no-header" if self.no_header else None

    def check(self) -> None:
        """Raise UsageError where flags exclude each other, or cannot be meant."""
        if self.each is not None and (given := self.given) is not None:
            raise UsageError("and --each exclude each other", todo="drop one", flag=given)
        if self.separator is not None and (len(self.separator) != 1 or self.separator in '"\r\n\0'):
            raise UsageError("is one character", todo="e.g. ';' or '\\t'", flag="--delimiter")
        if self.separator is not None and self.input_format not in {None, "csv"}:
            raise UsageError(f"is for CSV, not for {self.input_format}", todo="drop one", flag="--delimiter")
        if self.no_header and self.input_format not in {None, "csv", "tsv"}:
            raise UsageError("is for CSV and TSV", todo="drop one", flag="--no-header")
