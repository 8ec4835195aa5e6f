"""What of a row's own goes into its record: `llmcli.input`, the columns of `--keep`."""

from __future__ import annotations

from collections.abc import Sequence

from llmcli import jsonl
from llmcli.batch.input.rows import Row
from llmcli.errors import UsageError
from llmcli.request.written import Written, as_written, plain_value
from llmcli.wire import Json

_BLANKED = bytes.maketrans(b"\n\r", b"  ")  # in JSON they stand between its words alone


class Keep:
    """Gives the JSON of the columns that are kept. `names` None: all of them."""

    def __init__(self, names: Sequence[str] | None) -> None:
        self.names = names

    def input_of(self, row: Row) -> bytes:
        """The JSON object of a row's own columns; of a row that none can be told of, an empty one."""
        if self.names is None and row.json:
            return row.json.translate(_BLANKED)
        return jsonl.with_raw(self.of(row), Written, plain_value)

    def of(self, row: Row) -> Json:
        """The row's own columns. A row of a table has all of them, where it was too short, too."""
        if row.columns is not None:
            fields = dict.fromkeys(row.columns.names, "") | (row.fields or {})
        else:
            fields = own_fields(row)
        return self.chosen(fields)

    def chosen(self, fields: Json) -> Json:
        """Those of some columns that are kept."""
        return fields if self.names is None else {name: fields[name] for name in self.names if name in fields}

    def titles(self, row: Row) -> dict[str, str]:
        """The titles of a table's columns, by their names."""
        if row.columns is None:
            return {}
        titles = dict(zip(row.columns.names, row.columns.titles, strict=True))
        return titles if self.names is None else {name: titles[name] for name in self.names if name in titles}

    def check(self, row: Row) -> None:
        """Raise UsageError for a column that the first good row does not have."""
        fields = row.columns.names if row.columns is not None else tuple(row.fields or ())
        for name in self.names or ():
            if name not in fields:
                todo = f"the first row has {', '.join(fields[:8]) or 'none'}"
                raise UsageError(f": there is no column {name}", todo=todo, flag="--keep")


def own_fields(row: Row) -> Json:
    """The fields of a row, numbers as they stand there."""
    fields = row.fields or {}
    return as_written(row.json, fields) if row.json else fields
