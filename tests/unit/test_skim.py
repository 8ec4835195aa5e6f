"""The skim of OUT: the ends of a line say what the whole of it does."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from llmcli.batch.ledger.final import Place
from llmcli.batch.ledger.recordfile import RecordFile
from llmcli.batch.ledger.skim import record_of, skimmed
from llmcli.batch.ledger.slots import Slots
from llmcli.errors import UsageError

ENVELOPE = {
    "row": 7,
    "attempts": 1,
    "latency_ms": 13.801,
    "cost_usd": None,
    "model": "openai/tiny",
    "at": "Z",
}
BODY = {"choices": [{"message": {"content": 'said: ,"llmcli":{"row":9,"cost_usd":9}}'}}]}


def line(number: int = 7, body: object = BODY, **more: object) -> bytes:
    record = {
        "id": f"batch_req_{number:06d}_{number + 5:016x}",
        "custom_id": f"row-{number}",
        "response": {"status_code": 200, "request_id": None, "body": body},
        "error": None,
        "llmcli": {**ENVELOPE, "row": number, **more},
    }
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def kept(number: int, own: object) -> bytes:
    """A record with the row's own columns, where they stand since they do not hide its end."""
    before = b'"llmcli":{'
    return line(number).replace(before, before + b'"input":' + json.dumps(own).encode() + b",", 1)


INNER = {"llmcli": {**ENVELOPE, "row": 7, "cost_usd": 99.0}}
USUAL = [
    line(),
    *(line(cost_usd=cost) for cost in (0, 1, 0.25, 1e-05, 1.5e-7, 123456.75, 1e21, -1.0, None)),
    line(latency_ms=None),
    line(model='openai/"x"'),
    line(model=None),
    line(at='2026", "cost_usd": 5'),
    line(recovered={"removed": ["fence"], "text": "x"}),
    line(input={"prompt": "x", **INNER}),
    line(input=INNER),
    line(body={**BODY, **INNER}),
    line(body=INNER),
    line(body={"a": {"a": INNER}}, cost_usd=3.0),
    line(23456789),
    line(choice={"label": "a", "probability": 0.5}),
    line(choice={"label": "}", "probability": None}),
    line(choice=[{"index": 0, "label": "a", "probability": None}]),
    kept(7, {}),
    kept(7, {"prompt": "x", **INNER}),
    kept(7, INNER["llmcli"]),
    kept(7, json.loads(line(9, cost_usd=5))),
]
ODD = [
    line(cost_usd=True),
    line(cost_usd="5"),
    line().replace(b'"cost_usd":null', b'"cost_usd":1e999'),
    line().replace(b'"cost_usd":null', b'"cost_usd":{}'),
    line().replace(b'"cost_usd":null', b'"price":null'),
    line().replace(b'"cost_usd":null,"model"', b'"model"'),
    line().replace(b'"cost_usd":null', b'"cost_usd":[]'),
    line().replace(b"000007", b"0.0007"),
    line().replace(b"000007", b"00007"),
    line().replace(b"_000000000000000c", b"_00000000000000 c"),
    line()[:-2] + b"\n",
    line()[:-3] + b"\n",
    line()[:-3] + b"}}}\n",
    line()[:-3] + b"}\n",
    line()[:-2] + b"x\n",
    b'{"id":"batch_req_000007_000000000000000c"}}\n',
    b"\n",
    b"{}\n",
]


def by_reading(text: bytes) -> list[tuple[int, int, float]] | None:
    """What the whole lines say; None where one is no record."""
    try:
        records = [record_of(each, Place.OUT, retry_failed=False) for each in text.splitlines()]
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    rows = [json.loads(each)["llmcli"]["row"] for each in text.splitlines()]
    return [(row, record.digest, record.cost) for row, record in zip(rows, records, strict=True)]


def by_skimming(path, text: bytes, slots: Slots | None = None) -> list[tuple[int, int, float]] | None:
    path.write_bytes(text)
    records = RecordFile(path)
    try:
        return [each for part in skimmed(records, slots) for each in zip(*part, strict=True)]
    except UsageError:
        return None
    finally:
        records.close()


@pytest.mark.parametrize("text", USUAL)
def test_the_ends_of_a_line_say_what_the_whole_does(tmp_path, text):
    found = by_skimming(tmp_path / "out.jsonl", text)
    assert found is not None
    assert found == by_reading(text)


@pytest.mark.parametrize("text", ODD)
def test_what_is_no_record_is_refused_or_read_as_it_is(tmp_path, text):
    skim, read = by_skimming(tmp_path / "out.jsonl", line(3) + text), by_reading(line(3) + text)
    assert skim is None or skim == read


def test_lines_that_are_longer_than_what_is_read_at_once(tmp_path):
    text = b"".join(line(number, body={"x": "y" * (number * 100_000)}) for number in range(8))
    assert by_skimming(tmp_path / "out.jsonl", text) == by_reading(text)


@pytest.mark.parametrize(
    "text",
    [
        line(),
        kept(7, {"prompt": "{}", "more": [{}, {"llmcli": 1}]}),
        line(choice={"label": "a", "probability": None}),
        line().replace(b'"attempts"', b'"file":"a/b.jsonl","attempts"'),
    ],
    ids=["plain", "kept columns", "a label", "of several files"],
)
def test_of_a_line_of_ours_nothing_is_read_but_its_ends(tmp_path, text):
    assert by_skimming(tmp_path / "out.jsonl", text.replace(b'"choices"', b'"choices')) == [(7, 12, 0.0)]


def test_of_a_row_with_a_key_nothing_is_read_but_the_ends(tmp_path):
    broken = line().replace(b'"choices"', b'"choices')
    ids = [b"batch_req_i%016x" % key for key in (99, 98, 99)]
    text = b"".join(broken.replace(b"batch_req_000007", each) for each in ids)
    assert by_skimming(tmp_path / "out.jsonl", text, Slots()) == [(0, 12, 0.0), (1, 12, 0.0), (0, 12, 0.0)]


def test_numbers_of_all_lengths_stand_side_by_side(tmp_path):
    text = b"".join(map(line, (999_999, 1_000_000, 7, 98_765_432)))
    assert by_skimming(tmp_path / "out.jsonl", text) == by_reading(text)


def test_an_unusual_line_among_usual_ones_is_read_whole(tmp_path):
    text = line(1) + line(2, input={"a": INNER}) + line(3, cost_usd=0.25)
    assert by_skimming(tmp_path / "out.jsonl", text) == [(1, 6, 0.0), (2, 7, 0.0), (3, 8, 0.25)]


def test_a_file_that_is_read_by_several_processes_says_the_same(tmp_path):
    text = b"".join(line(number, body="y" * 1_000_000, cost_usd=number / 8) for number in range(60))
    assert by_skimming(tmp_path / "out.jsonl", text) == by_reading(text)


@pytest.mark.parametrize(
    "bad", [b"{}\n", line(200_000_000), line(54)[:-3] + b"\n"], ids=["foreign", "far", "cut"]
)
def test_a_line_that_is_no_record_is_named_wherever_it_stands(tmp_path, bad):
    path = tmp_path / "out.jsonl"
    lines = [line(number, body="y" * 1_000_000) for number in range(60)]
    text = b"".join((*lines[:54], bad, *lines[55:], b'{"torn'))
    path.write_bytes(text)
    with closing(RecordFile(path)) as records, pytest.raises(UsageError, match=r"\(line 55\)"):
        list(skimmed(records, None))
    assert path.stat().st_size == len(text), "nothing is cut off a file that is not ours"


@pytest.mark.parametrize(
    ("end", "rows"), [(b'{"id":"batch_req_0000', [1, 2]), (line(3)[:-1], [1, 2, 3])], ids=["torn", "whole"]
)
def test_a_line_without_an_end_counts_where_it_is_whole(tmp_path, end, rows):
    path = tmp_path / "out.jsonl"
    assert [row for row, *_ in by_skimming(path, line(1) + line(2) + end) or ()] == rows
    assert path.read_bytes() == b"".join(map(line, rows))
