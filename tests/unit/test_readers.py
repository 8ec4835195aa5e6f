"""What real readers make of a view, without being told how: the same rows, the same columns, the same texts."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from llmcli.batch.views.answers import Properties
from llmcli.batch.views.cells import Risky
from llmcli.batch.views.table import Answering
from llmcli.batch.views.view import View
from tests.conftest import part

PLAIN = 21_000  # rows: duckdb looks at 20,480 to guess what a file is, polars at 100
ODD = [
    "#1",
    "=1+2",
    "'=x",
    '"',
    ";",
    "a;b",
    "a\tb",
    "a,b",
    '"a"',
    "a\rb",
    "a\r\nb",
    "a\nb",
    "a\0b",
    " a ",
    "\\",
    "ü",
    "\ufeffa",
]
SCHEMA = {
    "type": "object",
    "properties": {
        "label": {"type": "string"},
        "population": {"type": "integer"},
        "share": {"type": "number"},
        "big": {"type": "boolean"},
    },
}


def record(row: int, own: dict[str, str], answer: str | None) -> bytes:
    message = {"role": "assistant", "content": answer}
    error = None if answer is not None else {"code": "rate_limit: a, b", "message": "no"}
    response = (
        None if error else {"status_code": 200, "body": {"choices": [{"index": 0, "message": message}]}}
    )
    about = {"row": row, "input": own}
    return json.dumps(
        {"id": "x", "custom_id": row, "response": response, "error": error, "llmcli": about}
    ).encode()


def view(path: Path, records: list[bytes], *, schema: dict | None = None) -> None:
    """The view of some records, as a run makes it."""
    answering = Answering(properties=Properties(schema) if schema else None)
    made = View("tsv" if path.suffix == ".tsv" else "csv", answering, Risky())
    path.write_bytes(b"".join(made.pieces(lambda: iter(records), lambda: iter(()))))


def cells(path: Path) -> list[list[str]]:
    csv.field_size_limit(1 << 30)
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


@pytest.fixture(scope="module")
def odd(tmp_path_factory) -> Path:
    """Texts of every kind behind many that have nothing odd in them."""
    path = tmp_path_factory.mktemp("odd") / "odd.csv"
    own = [{"id": f"r{row:05d}", "note": "plain"} for row in range(PLAIN)]
    own += [{"id": each, "note": each} for each in [*ODD, "x" * 200_000]]
    records = [
        record(row, each, None if row == PLAIN - 1 else f"About {each['note']}")
        for row, each in enumerate(own)
    ]
    view(path, records)
    return path


def test_duckdb_reads_every_row_and_text(odd):
    duckdb = part("duckdb")
    found = duckdb.sql(f"from '{odd}'")
    header, *rows = cells(odd)
    assert found.columns == header
    assert [["" if cell is None else cell for cell in row] for row in found.fetchall()] == rows


def test_polars_reads_every_row_and_text(odd):
    polars = part("polars")
    found = polars.read_csv(odd)
    header, *rows = cells(odd)
    assert found.columns == header
    assert [["" if cell is None else cell for cell in row] for row in found.rows()] == rows


def test_polars_keeps_ids_that_look_like_numbers_as_they_are_told(tmp_path):
    polars = part("polars")
    view(tmp_path / "v.csv", [record(0, {"id": "00123"}, "5")])
    assert polars.read_csv(tmp_path / "v.csv", infer_schema=False).rows() == [("00123", "5", None)]


@pytest.fixture(scope="module")
def typed(tmp_path_factory) -> Path:
    """Whole numbers first, and then one with a part."""
    path = tmp_path_factory.mktemp("typed") / "typed.csv"
    answer = {"label": "a", "population": 5, "share": 5, "big": True}
    records = [record(row, {"id": f"r{row:05d}"}, json.dumps(answer)) for row in range(PLAIN)]
    last = {**answer, "label": 'text, "quoted"\n', "share": 0.7, "population": 12_345_678_901}
    view(path, [*records, record(PLAIN, {"id": "#"}, json.dumps(last))], schema=SCHEMA)
    return path


def test_duckdb_reads_the_types_of_a_schema(typed):
    duckdb = part("duckdb")
    found = duckdb.sql(f"from '{typed}'")
    assert dict(zip(found.columns, map(str, found.types), strict=True)) == {
        "id": "VARCHAR",
        "label": "VARCHAR",
        "population": "BIGINT",
        "share": "DOUBLE",
        "big": "BOOLEAN",
        "error": "VARCHAR",
    }
    rows = found.fetchall()
    assert len(rows) == PLAIN + 1
    assert rows[0] == ("r00000", "a", 5, 5.0, True, None)
    assert rows[-1] == ("#", 'text, "quoted"\n', 12_345_678_901, 0.7, True, None)


def test_polars_reads_the_types_of_a_schema(typed):
    polars = part("polars")
    found = polars.read_csv(typed)
    assert [str(kind) for kind in found.dtypes[1:5]] == ["String", "Int64", "Float64", "Boolean"]
    assert found.rows()[-1] == ("#", 'text, "quoted"\n', 12_345_678_901, 0.7, True, None)


def test_a_tsv_is_one_line_a_row(tmp_path):
    view(tmp_path / "v.tsv", [record(row, {"id": each}, each) for row, each in enumerate(ODD)])
    assert len((tmp_path / "v.tsv").read_bytes().split(b"\n")) == len(ODD) + 2
