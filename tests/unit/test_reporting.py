"""Reports: records read by their ends say what they say when read whole, and percentiles are what they claim."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcli.batch.reporting.columns import figure_columns
from llmcli.batch.reporting.gist import BROKEN, gists_in, gists_of, whole_gist
from llmcli.batch.reporting.measures import Percentiles, Timeline

ABOUT = {
    "row": 1,
    "attempts": 2,
    "latency_ms": 1.5,
    "cost_usd": None,
    "model": "m",
    "at": "2026-11-27T10:00:00.000Z",
}
HOSTILE = st.sampled_from(
    ['"finish_reason":"x"', ',"llmcli":{"row":', '"usage":{}', '}},"error":null', "\\", '"']
)
TEXTS = st.lists(HOSTILE | st.text(), max_size=4).map("".join)


ODD = st.sampled_from([None, "12", [], {}, {"a": 1}, -1, 0, 3, 2.5, True])
CHOICES = st.lists(
    st.fixed_dictionaries(
        {"message": st.fixed_dictionaries({"content": TEXTS})}, optional={"finish_reason": ODD | TEXTS}
    ),
    max_size=3,
)
USAGES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["prompt_tokens", "completion_tokens"], st.integers(0, 9) | ODD),
        "prompt_tokens_details": ODD | st.fixed_dictionaries({"cached_tokens": ODD}),
        "completion_tokens_details": ODD | st.fixed_dictionaries({"reasoning_tokens": ODD}),
    },
)
PARTS = {"system_fingerprint": TEXTS, "choices": CHOICES, "usage": ODD | USAGES}
BODIES = ODD | st.permutations(list(PARTS)).flatmap(
    lambda names: st.fixed_dictionaries({}, optional={name: PARTS[name] for name in names})
)
RECORDS = st.fixed_dictionaries(
    {
        "id": st.just("batch_req_000001_0000000000000001"),
        "custom_id": TEXTS,
        "response": st.none() | st.fixed_dictionaries({"status_code": st.just(200), "body": BODIES}),
        "error": st.none() | st.fixed_dictionaries({"code": TEXTS, "message": ODD}),
        "llmcli": st.builds(
            lambda kept, more: {**kept, **ABOUT, **more},
            st.fixed_dictionaries(
                {},
                optional={
                    "input": st.fixed_dictionaries(
                        {}, optional={"choices": CHOICES, "llmcli": st.just(ABOUT)}
                    )
                },
            ),
            st.fixed_dictionaries(
                {},
                optional={
                    "latency_ms": st.none() | st.floats(0, 1e5),
                    "choice": ODD | st.just({"label": "a"}),
                },
            ),
        ),
    }
)


def written(records, separators=(",", ":")) -> bytes:
    lines = [json.dumps(record, separators=separators, ensure_ascii=False) for record in records]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def added_up(stretch: bytes):
    """What figures take of a stretch, however it is read; None where it says that it is to be read line by line."""
    try:
        return figure_columns(gists_in(stretch))
    except BROKEN:
        return None


def told(columns):
    """What columns come to, however they hold it."""
    whole = columns._replace(
        errors=[error is None for error in columns.errors],
        given=[count or 0 for count in columns.given],
    )
    return [list(each) if isinstance(each, tuple) else each for each in whole]


def line_by_line(stretch: bytes):
    return figure_columns(gists_of([whole_gist(line) for line in stretch.splitlines(keepends=True)]))


@given(st.lists(RECORDS, min_size=1, max_size=4), st.booleans())
def test_records_read_from_their_reasons_on_say_the_same(records, blanks):
    stretch = written(records, (", ", ": ") if blanks else (",", ":"))
    whole, fast = line_by_line(stretch), added_up(stretch)
    if fast is not None:
        assert told(fast) == told(whole)


def test_usual_records_are_not_read_line_by_line():
    body = {"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}], "usage": None}
    usual = {
        "id": "batch_req_000001_0000000000000001",
        "custom_id": "a",
        "response": {"body": body},
        "error": None,
    }
    usual |= {"llmcli": {"input": {"prompt": "y"}, **ABOUT}}
    failed = {**usual, "response": None, "error": {"code": "tempfail", "message": "x"}}
    for records in ([usual] * 3, [failed] * 3, [usual, failed]):
        fast = added_up(written(records))
        assert fast is not None
        assert fast.models == {"m": len(records)}
        assert told(fast) == told(line_by_line(written(records)))


@pytest.mark.parametrize("order", [("usage", "choices"), ("choices", "usage")])
def test_the_tokens_of_a_server_that_tells_them_first_are_counted(order):
    body = {"choices": [{"finish_reason": "stop"}], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    known = {"id": "batch_req_000001_0000000000000001", "custom_id": "a"}
    one = {
        **known,
        "response": {"body": {name: body[name] for name in order}},
        "error": None,
        "llmcli": ABOUT,
    }
    assert figure_columns(gists_in(written([one]))).given == [3]


@pytest.mark.parametrize(
    "line", [b"\n", b"{}\n", b"[]\n", b'{"llmcli":{},"id":"x"}\n', b"\xff\n", b"nonsense\n"]
)
def test_what_is_no_record(line):
    assert whole_gist(line) is None
    assert added_up(line) is None


def test_percentiles_are_exact_as_long_as_there_are_few():
    spread = Percentiles()
    spread.take([float(number) for number in range(100, 0, -1)])
    assert spread.at(0.5, 0.9, 0.99, 1) == [50, 90, 99, 100]
    assert Percentiles().at(0.5) == [None]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_percentiles_of_many_are_within_half_a_per_cent(numbers):
    spread = Percentiles()
    for _ in range(400):
        spread.take(list(numbers))
    whole = sorted(numbers)
    for share in (0.1, 0.5, 0.9):
        true = whole[max(0, -int(-share * len(whole) // 1) - 1)]
        told = spread.at(share)[0]
        assert min(abs(told - near) / max(near, 1e-9) for near in whole) < 0.006 or told == pytest.approx(
            true
        )
    assert spread.highest == max(numbers)
    assert len(spread._few) == 0 or spread.count <= 10_000


def test_a_long_run_is_told_in_minutes():
    timeline = Timeline()
    for hour in range(6):
        for second in range(3600):
            at = f"2026-11-27T{hour:02d}:{second // 60:02d}:{second % 60:02d}.000Z"
            timeline.slots.setdefault(at[: timeline.width], [0.0] * 6)[0] += 1
    timeline.tidy()
    step, parts = timeline.parts()
    assert len(timeline.slots) == 360
    assert sum(part.rows for part in parts) == 6 * 3600
    assert step == pytest.approx(6 * 3600 / 60, rel=0.01)
