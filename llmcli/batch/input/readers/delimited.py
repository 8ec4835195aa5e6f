"""CSV and TSV: rows of cells, each a string to the byte.

CSV is read by Python's own csv module, strictly. It is the parser that keeps what is promised here: exact in quotes,
line ends in cells, NUL, any size of a cell, a line for each row, flat in memory; and no compiled one is faster once
rows are Python objects.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import chain

from llmcli.batch.input.readers.entry import Batch, Broken, Columns, Entry
from llmcli.batch.input.readers.header import columns_of, numbered, separator_in
from llmcli.batch.input.readers.textlines import TextLines, TooLong
from llmcli.batch.input.shape import BadRow
from llmcli.errors import UsageError
from llmcli.lean.pattern import lazy_pattern
from llmcli.settings.batch.table import TableSettings

_Record = list[str] | Broken
_ESCAPE = lazy_pattern(r"\\[tnr\\]")
_MEANT = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\"}
_CELL = lazy_pattern(r'(?:"((?:[^"]|"")*)"|([^\t]*))(?:\t|$)')


def read_csv(blocks: Iterable[bytes], how: TableSettings, path: str | None) -> Iterator[Batch]:
    """The rows of a CSV. Raises UsageError for a header that cannot be meant."""
    lines, separator = TextLines(blocks), how.separator or ","
    records = _csv_records(lines, separator)
    first = next(records, [])
    if (said := separator_in(lines.content)) is not None:
        first, separator = [], said
        records = _csv_records(lines, separator)
    yield from _rows(lines, chain([first], records), how, (separator, path))


def read_tsv(blocks: Iterable[bytes], how: TableSettings, path: str | None) -> Iterator[Batch]:
    """The rows of a TSV, where a blank line is none. Raises UsageError for a header that cannot be meant."""
    lines = TextLines(blocks)
    yield from _rows(lines, filter(None, _tsv_records(lines)), how, ("\t", path))


def _rows(
    lines: TextLines, records: Iterator[_Record], how: TableSettings, name: tuple[str, str | None]
) -> Iterator[Batch]:
    """The rows below a header, a batch each time that no whole line is at hand; `name`: separator and path."""
    head = next((record for record in records if record != []), None)
    if head is None:
        return
    if isinstance(head, Broken) or lines.invalid is not None:
        error = head.error.what if isinstance(head, Broken) else f"line {lines.line}: {lines.invalid}"
        raise UsageError(f"the header cannot be read: {error}", name[1] or "stdin", "mend it, or convert it")
    columns = numbered(len(head)) if how.no_header else columns_of(head, *name, lines.content)
    entries: list[Entry] = []
    numbers: list[int] = []
    pieces = lines.pieces
    for record in chain([head], records) if how.no_header else records:
        entry = record if isinstance(record, Broken) else _entry(record, columns, lines)
        if entry is not None:
            entries.append(entry)
            numbers.append(lines.line)
        if lines.exhausted or lines.pieces != pieces:
            yield Batch(entries, numbers, columns)
            entries, numbers, pieces = [], [], lines.pieces
    yield Batch(entries, numbers, columns)


def _entry(cells: list[str], columns: Columns, lines: TextLines) -> Entry | None:
    """The row of a record's cells; None for a blank line that is no row."""
    names, invalid = columns.names, lines.invalid
    if len(cells) == len(names) and invalid is None:
        return dict(zip(names, cells, strict=True))
    if not cells or (len(cells) == 1 and cells[0].isspace()):  # a blank line
        return {names[0]: ""} if len(names) == 1 else None
    if invalid is None:
        error = BadRow("invalid_row", _ragged(cells, columns, lines.line))
    else:
        error = BadRow("invalid_utf8", f"line {lines.line}: {invalid}")
        cells = [cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for cell in cells]
    return Broken(lines.content, error, dict(zip(names, cells, strict=False)))


def _ragged(cells: list[str], columns: Columns, line: int) -> str:
    """What is wrong with a row that has too few cells, or too many."""
    names = columns.names
    has = f"line {line} has {len(cells)} cell{'s' * (len(cells) != 1)} for {len(names)} columns"
    if len(cells) < len(names):
        return f"{has}: none for {', '.join(names[len(cells) :][:8])}"
    return f"{has} ({', '.join(names[:8])}{', ...' * (len(names) > 8)}): is a cell not quoted?"


def _csv_records(lines: TextLines, separator: str) -> Iterator[_Record]:
    text = iter(lines)
    csv.field_size_limit(2**31 - 1)  # of this process; the default is 131,072
    reader = csv.reader(text, delimiter=separator, strict=True)
    while True:
        lines.begin()
        try:
            record = next(reader, None)
        except csv.Error as error:
            yield _broken(lines, str(error))
            reader = csv.reader(text, delimiter=separator, strict=True)
        except TooLong:
            yield _broken(lines, "unexpected end of data")
            return
        else:
            if record is None:
                return
            yield record


def _broken(lines: TextLines, error: str) -> Broken:
    """What stands where a record is no CSV."""
    content, line = lines.content, lines.line
    if "unexpected end" in error:
        what = f"line {line}: a quote is opened and never closed, up to line {lines.last}"
    elif b'\\"' in content:
        what = f'line {line} is no CSV: a quote in a cell is "", and not \\"'
    elif "new-line character" in error:
        what = f"line {line} is no CSV: a CR stands in a cell that is not quoted"
    else:
        what = f"line {line} is no CSV: a cell goes on behind its closing quote"
    return Broken(content, BadRow("invalid_row", what))


def _tsv_records(lines: TextLines) -> Iterator[_Record]:
    text = iter(lines)
    while True:
        lines.begin()
        line = next(text, None)
        if line is None:
            return
        if line.startswith('"') or '\t"' in line:
            yield from _quoted(line, text, lines)
            continue
        line = line.removesuffix("\n").removesuffix("\r")
        yield [_unescaped(cell) for cell in line.split("\t")] if line else []


def _quoted(line: str, text: Iterator[str], lines: TextLines) -> Iterator[_Record]:
    """The record that begins with a line in which a cell begins with a quote."""
    record = next(_csv_records_from(line, text, lines))
    if isinstance(record, Broken) or b"\\" not in lines.content:
        yield record
        return
    whole = lines.content.decode("utf-8", "surrogateescape").removesuffix("\r")
    cells = (match.group(1, 2) for match in _CELL.finditer(whole))
    yield [
        _unescaped(bare) if quoted is None else quoted.replace('""', '"')
        for (quoted, bare), _ in zip(cells, record, strict=False)
    ]


def _csv_records_from(line: str, text: Iterator[str], lines: TextLines) -> Iterator[_Record]:
    try:
        yield from csv.reader(chain([line], text), delimiter="\t", strict=True)
    except csv.Error as error:
        yield _broken(lines, str(error))
    except TooLong:
        yield _broken(lines, "unexpected end of data")


def _unescaped(cell: str) -> str:
    return _ESCAPE.sub(lambda found: _MEANT[found[0]], cell) if "\\" in cell else cell
