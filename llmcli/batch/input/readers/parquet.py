"""Parquet: rows of typed columns; the only importer of pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from llmcli.batch.input.readers.entry import Batch
from llmcli.errors import UsageError


def read_parquet(stream: BinaryIO | None, path: str | None) -> Iterator[Batch]:
    """The rows of a Parquet file. Raises UsageError."""
    raise UsageError(f"{path or 'stdin'} is Parquet", todo="make CSV of it" if stream else "name the file")
