"""The skim of OUT: the ends of a line say what the whole of it does."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmcli.batch.ledger.final import Place
from llmcli.batch.ledger.journal_lines import known_in
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


def kept(number: int, own: object, **more: object) -> bytes:
    """A record with the row's own columns, where they stand since they do not hide its end."""
    before = b'"llmcli":{'
    return line(number, **more).replace(before, before + b'"input":' + json.dumps(own).encode() + b",", 1)


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


def one_by_one(text: bytes) -> list[tuple[int, int, float]] | None:
    """What whole lines say, each known by its head."""
    lines = text.splitlines(keepends=True)
    try:
        records = [record_of(each, Place.OUT, retry_failed=False) for each in lines]
        rows = [known_in(each, keyed=False) for each in lines]
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    return [(row, record.digest, record.cost) for row, record in zip(rows, records, strict=True)]


COSTS = st.one_of(st.none(), st.just(0.0), st.floats(0, 1, width=16), st.sampled_from([2.5e-05, 1e21, 3]))
LATENCIES = st.one_of(st.none(), st.integers(900_000, 1_100_000).map(lambda value: value / 1000))
MORE = st.fixed_dictionaries(
    {},
    optional={
        "cost_usd": COSTS,
        "latency_ms": LATENCIES,
        "model": st.sampled_from([None, "openai/tiny", "gpt-4o", 'a{"row":5}', "\\"]),
        "attempts": st.integers(1, 12),
        "at": st.sampled_from(["Z", "2026-11-27T22:16:17.029Z"]),
        "cached": st.just(True),
        "choice": st.just({"label": "}", "row": 7, "cost_usd": None}),
    },
)
NUMBERS = [
    st.integers(*ends)
    for ends in ((0, 20), (95, 105), (1000, 1100), (999_990, 1_000_005), (10**7, 10**7 + 50))
]


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Records much like those of one run, of which a line may be another's, may have another byte, or lack its rest."""
    usual, make, odds = draw(MORE), draw(st.sampled_from([line, kept])), draw(st.sampled_from([0, 0, 9]))
    lines = []
    numbers = draw(st.lists(draw(st.sampled_from(NUMBERS)), min_size=1, max_size=30, unique=True))
    for number in (*numbers, max(numbers) + 1):
        more = draw(MORE) if draw(st.integers(0, 9)) < odds else {**usual, "latency_ms": draw(LATENCIES)}
        lines.append(make(number, {"n": number}, **more))
    place = draw(st.integers(0, len(lines) - 2))
    chosen = lines[place]
    row, cost = chosen.rfind(b'"row":') + 6, chosen.rfind(b'"cost_usd":')
    ends = (
        st.integers(0, 41),
        st.integers(row, chosen.index(b",", row) - 1),
        st.integers(cost, len(chosen) - 1),
    )
    at, byte = (
        draw(st.one_of(*ends)),
        draw(st.sampled_from([b"0", b"f", b"x", b'"', b",", b"{", b"}", b"\n", b" "])),
    )
    lines[place] = draw(
        st.sampled_from(
            [
                *[chosen] * 3,
                chosen[: draw(st.integers(1, len(chosen) - 1))],
                chosen[:at] + byte + chosen[at + 1 :],
                chosen.replace(b",", b", "),
            ]
        )
    )
    return b"".join(lines)


def by_skimming(path, text: bytes, slots: Slots | None = None) -> list[tuple[int, int, float]] | None:
    path.write_bytes(text)
    records = RecordFile(path)
    try:
        parts = list(skimmed(records, slots))
    except UsageError:
        return None
    finally:
        records.close()
    assert all(part.top == max(part.rows) for part in parts)
    return [
        each
        for part in parts
        for each in zip(part.rows, part.digests, part.costs or [0.0] * len(part.rows), strict=True)
    ]


@pytest.mark.parametrize("text", USUAL)
def test_the_ends_of_a_line_say_what_the_whole_does(tmp_path, text):
    found = by_skimming(tmp_path / "out.jsonl", text)
    assert found is not None
    assert found == by_reading(text)


@pytest.mark.parametrize("text", ODD)
def test_what_is_no_record_is_refused_or_read_as_it_is(tmp_path, text):
    skim, read = by_skimming(tmp_path / "out.jsonl", line(3) + text), by_reading(line(3) + text)
    assert skim is None or skim == read


@settings(deadline=None, max_examples=150)
@given(text=files())
@example(line(1) + line(2)[:60] + line(3))
@example(line(1) + line(2)[:-1] + line(3))
@example(line(1, cost_usd=1.5) + line(2, cost_usd=None) + line(3, cost_usd=2.5))
def test_what_is_read_together_says_what_its_lines_do_one_by_one(tmp_path_factory, text):
    assert by_skimming(tmp_path_factory.mktemp("skim") / "out.jsonl", text) == one_by_one(text)


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
