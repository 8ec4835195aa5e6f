"""Headers: the names of a table's columns, and what is refused of them before a cent is spent."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from llmcli.batch.input.readers.entry import Columns
from llmcli.errors import UsageError
from llmcli.lean.pattern import lazy_pattern

_SEPARATOR = lazy_pattern(rb'"?sep=([^\0-\x08\n-\x1f\x7f-\xff])"?\r?', re.IGNORECASE)
_OTHERS = {";": "';'", "\t": "'\\t'", "|": "'|'"}


def separator_in(line: bytes) -> str | None:
    """What stands between the cells, where a CSV's first line is `sep=;`, as spreadsheets write it."""
    found = _SEPARATOR.fullmatch(line)
    return found[1].decode() if found else None


def numbered(width: int) -> Columns:
    """The columns of a table without a header."""
    names = tuple(f"c{number}" for number in range(1, width + 1))
    return Columns(names, names)


def columns_of(titles: Sequence[str], separator: str, path: str | None, line: bytes = b"") -> Columns:
    """The columns of a header, whose line is given; one without a name is `column_N`. Raises UsageError."""
    where = path or "stdin"
    if len(titles) == 1 and not line.startswith(b'"'):
        other = next((each for each in _OTHERS if each != separator and each in titles[0]), None)
        if other is not None:
            name = "a tab" if other == "\t" else other
            todo = f"say --delimiter {_OTHERS[other]}"
            raise UsageError(f"the header has no {_shown(separator)}, but {name}", where, todo)
    names = tuple(title or f"column_{number}" for number, title in enumerate(titles, 1))
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        places = [str(number) for number, each in enumerate(names, 1) if each == name]
        raise UsageError(
            f"the column {name} is there {times} times ({', '.join(places)})", where, "rename one of them"
        )
    return Columns(names, tuple(titles))


def _shown(separator: str) -> str:
    return "comma" if separator == "," else "tab" if separator == "\t" else separator
