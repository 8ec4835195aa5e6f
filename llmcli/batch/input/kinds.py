"""Kinds: which reader an INPUT has, by what was said of it, by its name, or by its first byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, BinaryIO

from llmcli.batch.input.readers.entry import Batch
from llmcli.batch.input.readers.gate import through_gate
from llmcli.batch.input.readers.jsonl import read_jsonl
from llmcli.batch.input.readers.lines import read_lines
from llmcli.batch.input.readers.named import read_names
from llmcli.batch.input.readers.text import utf8
from llmcli.batch.input.sniff import begun_kind, check_readable, check_text, named_kind, no_jsonl, no_objects
from llmcli.errors import UsageError
from llmcli.settings.batch.table import InputFormat, TableSettings

_NAMES = {"jsonl": "JSONL", "json": "a JSON array", "lines": "lines of text", "tsv": "TSV"}
_OR_CSV = "drop it, or say --input-format csv"
_HEAD = 64  # bytes that tell a compressed file


def batches_of(
    blocks: Iterable[bytes], how: TableSettings, path: str | None, stream: BinaryIO | None = None
) -> Iterator[Batch]:
    """The entries of an INPUT. Path None: stdin; `stream` is the file where it can be read from anywhere.

    Raises NotRows for what can be no rows, UsageError for a header that cannot be meant.
    """
    if how.each is not None:
        return read_names(blocks)
    said = how.input_format or named_kind(path)
    head, blocks = _peeked(iter(blocks), lambda found: len(found) >= _HEAD or b"\n" in found)
    check_readable(head, said, path)
    if (said or begun_kind(head)) == "parquet":
        from llmcli.batch.input.readers.parquet import read_parquet

        return read_parquet(blocks, stream, path)
    head, blocks = _peeked(utf8(blocks), bytes.strip)
    kind = said or begun_kind(head)
    check_text(head, kind, path)
    if (how.separator is not None and kind != "csv") or (how.no_header and kind not in {"csv", "tsv"}):
        flag = "--delimiter" if how.separator is not None else "--no-header"
        raise UsageError(f"is for CSV, and {path or 'stdin'} is {_NAMES[kind]}", todo=_OR_CSV, flag=flag)
    return _read(blocks, kind, how, path)


def _read(
    blocks: Iterator[bytes], kind: InputFormat, how: TableSettings, path: str | None
) -> Iterator[Batch]:
    if kind == "jsonl":
        return through_gate(read_jsonl(blocks), lambda first: no_jsonl(first, path))  # type: ignore[arg-type]
    if kind == "json":
        from llmcli.batch.input.readers.arrays import read_array  # each kind's reader by its first file

        return through_gate(read_array(blocks), lambda _first: no_objects(path))
    if kind == "lines":
        return read_lines(blocks)
    from llmcli.batch.input.readers.delimited import read_csv, read_tsv

    return (read_csv if kind == "csv" else read_tsv)(blocks, how, path)


def _peeked(blocks: Iterator[bytes], enough: Any) -> tuple[bytes, Iterator[bytes]]:
    """The beginning of blocks, once that is `enough`, and all of them."""
    head: list[bytes] = []
    for block in blocks:
        head.append(block)
        if enough(b"".join(head)):
            break
    return b"".join(head), chain(head, blocks)
