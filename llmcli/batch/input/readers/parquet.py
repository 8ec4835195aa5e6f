"""Parquet: rows of typed columns; the only importer of pyarrow, which the extra `parquet` brings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from llmcli import files
from llmcli.batch.input.readers.entry import Batch, Broken, Columns, Entry
from llmcli.batch.input.readers.header import columns_of
from llmcli.batch.input.shape import BadRow
from llmcli.errors import UsageError

_ROWS = 1024  # at a time: more of them are many Python objects
_BUFFER = 1 << 20  # bytes; without it pyarrow keeps a whole row group


_BINARY = object()  # a value that holds bytes which are no text


def read_parquet(blocks: Iterable[bytes], stream: BinaryIO | None, path: str | None) -> Iterator[Batch]:
    """The rows of a file, flat in memory; blocks of a pipe, where there is no `stream`, are kept in a file first.

    Raises UsageError for what cannot be read, and for names that are there twice.
    """
    name = path or "stdin"
    try:
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            f"{name} is Parquet, and pyarrow is not here", todo="pip install 'llmcli[parquet]'"
        ) from None
    try:
        with files.scratch(() if stream is not None else blocks) as scratch:
            file = pyarrow.parquet.ParquetFile(stream or scratch, pre_buffer=False, buffer_size=_BUFFER)
            columns = columns_of(file.schema_arrow.names, ",", path, b'"')
            yield from _batches(file, columns)
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{name} cannot be read as Parquet: {reason}", todo="check what wrote it") from None


def _batches(file: Any, columns: Columns) -> Iterator[Batch]:
    for group in range(file.num_row_groups):
        for batch in file.iter_batches(_ROWS, row_groups=[group], use_threads=False):
            values = [_column(batch.column(index)) for index in range(batch.num_columns)]
            entries = [_entry(columns, row) for row in zip(*values, strict=True)] if values else []
            yield Batch(entries, [None] * len(entries), columns)


def _entry(columns: Columns, row: tuple[Any, ...]) -> Entry:
    if _BINARY not in row:
        return dict(zip(columns.names, row, strict=True))
    fields = {
        name: None if value is _BINARY else value for name, value in zip(columns.names, row, strict=True)
    }
    binary = ", ".join(name for name, value in zip(columns.names, row, strict=True) if value is _BINARY)
    return Broken(
        repr(row).encode(), BadRow("invalid_utf8", f"it holds bytes that are no text: {binary}"), fields
    )


def _column(column: Any) -> list[Any]:
    """The values of a column as JSON has them: dates, times and decimals as their text, what is no number as null."""
    import pyarrow as pa
    from pyarrow import types

    kind = column.type
    if types.is_dictionary(kind):
        return _column(column.dictionary_decode())
    if (types.is_temporal(kind) and not types.is_duration(kind)) or types.is_decimal(kind):
        texts: list[Any] = column.cast(pa.string()).to_pylist()
        return texts
    if types.is_float32(kind) or types.is_float16(kind):  # 0.1, and not 0.10000000149011612
        return [
            None if text is None else _finite(float(text)) for text in column.cast(pa.string()).to_pylist()
        ]
    convert = _converter(kind)
    values: list[Any] = column.to_pylist()
    return values if convert is None else [_converted(value, convert) for value in values]


def _converted(value: Any, convert: Callable[[Any], Any]) -> Any:
    try:
        return None if value is None else convert(value)
    except UnicodeDecodeError:
        return _BINARY


def _converter(kind: Any) -> Callable[[Any], Any] | None:
    """What makes JSON of a value of this type; None where it is JSON."""
    from pyarrow import types

    if (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_integer(kind)
        or types.is_boolean(kind)
    ):
        return None
    if types.is_floating(kind):
        return _finite
    if types.is_map(kind):
        return lambda pairs: {str(key): _plain(value) for key, value in pairs}
    if types.is_nested(kind):
        return _plain
    return _text


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    """A value in lists and objects as JSON has it."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return _finite(value)
    return value if value is None or isinstance(value, str | int) else _text(value)


def _text(value: Any) -> Any:
    """The text of what JSON has no words for. Raises UnicodeDecodeError."""
    return value.decode() if isinstance(value, bytes) else str(value)
