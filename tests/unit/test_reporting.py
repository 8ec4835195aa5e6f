"""Reports: records read by their ends say what they say when read whole, and percentiles are what they claim."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcli.batch.reporting.gist import gist_of, whole_gist
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


def lean(gist):
    """What figures take of a gist."""
    reasons = [choice.get("finish_reason") for choice in gist["choices"]]
    return reasons, gist["usage"] or {}, gist["llmcli"], gist.get("error")


@given(TEXTS, TEXTS, st.none() | st.integers(0, 9), st.sampled_from([1, 2]), st.booleans(), st.booleans())
def test_a_record_read_by_its_ends_says_the_same(text, kept, tokens, choices, blanks, failed):
    body = {
        "choices": [
            {"index": index, "message": {"content": text}, "finish_reason": "stop", "logprobs": None}
            for index in range(choices)
        ],
        "usage": tokens and {"prompt_tokens": tokens, "completion_tokens": 1},
        "system_fingerprint": text,
    }
    line = {
        "id": "batch_req_000001_0000000000000001",
        "custom_id": text,
        "response": None if failed else {"status_code": 200, "request_id": kept, "body": body},
        "error": {"code": text, "message": kept} if failed else None,
        "llmcli": {**ABOUT, "input": {"usage": kept, "llmcli": {"row": 1}, "finish_reason": text}},
    }
    separators = (", ", ": ") if blanks else (",", ":")
    content = json.dumps(line, separators=separators, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    assert lean(gist_of(content)) == lean(whole_gist(content))


@pytest.mark.parametrize(
    "line", [b"\n", b"{}\n", b"[]\n", b'{"llmcli":{},"id":"x"}\n', b"\xff\n", b"nonsense\n"]
)
def test_what_is_no_record(line):
    assert gist_of(line) is None


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
