"""Readers: the same rows however blocks come, handed on before the next block is waited for, flat in memory."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcli.batch.input.kinds import batches_of
from llmcli.batch.input.readers.entry import Batch, Broken
from llmcli.settings.batch.table import TableSettings

CONTENT = {
    "csv": b'\xef\xbb\xbfa,b\r\n1,"x\r\ny ""z"""\r\n\r\n\xc3\xa9,2\r\n"q"x,1\r\n3,\xff\r\n4,5',
    "tsv": b'a\tb\n1\\t2\t"x\ny"\n\n\xc3\xa9\t2\n3\n4\t5',
    "json": '[{"a": "é\\"]"},\n {"a": [1, {"b": 2}]}, 3, {"a": 1e400}]'.encode(),
    "jsonl": b'{"a":1}\n\n nope\n{"a":"\xc3\xa9"}',
    "lines": b"one\n\ntw\xc3\xa9 \r\n\xff\nthree",
}


def blocks_of(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


def batches(kind: str, blocks: list[bytes]) -> list[Batch]:
    return list(batches_of(iter(blocks), TableSettings(input_format=kind), None))


def rows(found: list[Batch]) -> list[tuple]:
    return [
        (line, str(entry.error) if isinstance(entry, Broken) else entry)
        for batch in found
        for entry, line in zip(batch.entries, batch.lines, strict=True)
    ]


@pytest.mark.parametrize("kind", CONTENT)
@pytest.mark.parametrize("utf16", [False, True])
def test_rows_are_the_same_however_blocks_come(kind, utf16):
    content = CONTENT[kind]
    if utf16:
        content = ("\ufeff" + content.decode("utf-8-sig", "replace")).encode("utf-16-le")
    whole = rows(batches(kind, [content]))
    assert len(whole) > 2
    for size in (1, 2, 3, 5, 7, 11):
        assert rows(batches(kind, blocks_of(content, size))) == whole


@pytest.mark.parametrize("kind", CONTENT)
def test_utf_16_is_the_same_text(kind):
    text = CONTENT[kind].decode("utf-8-sig", "replace")
    for encoding in ("utf-16-le", "utf-16-be"):
        assert rows(batches(kind, [("\ufeff" + text).encode(encoding)])) == rows(
            batches(kind, [text.encode()])
        )


ROW = {
    "csv": (b"a,b\n", b'1,"x\n\ny"\n'),
    "tsv": (b"a\tb\n", b'1\t"x\n\ny"\n'),
    "json": (b"[", b'{"a":\n1},\n'),
    "jsonl": (b"", b'{"a":1}\n\n'),
    "lines": (b"", b"x y z\n\n"),
}


@pytest.mark.parametrize("kind", ROW)
@pytest.mark.parametrize("size", [7, 64, 1000])
def test_no_more_rows_are_held_than_a_block_has(kind, size):
    """Rows of several lines, which no block ends with, were all held until one did."""
    head, row = ROW[kind]
    content = head + 5000 * row + (b'{"a":2}]' if kind == "json" else b"")
    found = batches(kind, blocks_of(content, size))
    assert sum(len(batch.entries) for batch in found) >= 5000
    first = 64 + size  # what a kind is told by
    assert max(len(batch.entries) for batch in found) <= first // len(row) + 2


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "lines"])
def test_a_row_is_handed_on_before_the_next_block_is_asked_for(kind):
    head, row = ROW[kind]
    asked: list[int] = []

    def blocks():
        yield head + row
        for number in range(2, 5):
            asked.append(number)
            yield row

    found = batches_of(blocks(), TableSettings(input_format=kind), None)
    for number in range(1, 5):
        while not next(found).entries:
            pass
        assert len(asked) == number - 1


@given(
    st.lists(st.tuples(st.text(), st.text()), max_size=20),
    st.integers(1, 50),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_text_comes_through_a_csv(cells, size, end):
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator=end).writerows([("a", "b"), *cells])
    content = text.getvalue().encode("utf-8", "surrogatepass")
    expected = [{"a": one, "b": two} for one, two in cells]
    assert [entry for _, entry in rows(batches("csv", blocks_of(content, size)))] == expected


@given(
    st.lists(st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.lists(st.floats()))),
    st.integers(1, 50),
)
def test_any_object_comes_through_an_array(objects, size):
    content = json.dumps([{}, *objects], allow_nan=False).encode() if _is_json(objects) else b"[{}]"
    expected = [{}, *objects] if _is_json(objects) else [{}]
    found = rows(batches("json", blocks_of(content, size)))
    assert [json.loads(entry) for _, entry in found] == expected


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True
