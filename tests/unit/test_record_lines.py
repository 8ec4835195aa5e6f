"""Lines of records: what is put together from its parts says the same as what is written as a whole."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from llmcli import jsonl
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.records import Course, success_line
from llmcli.output.report import Report
from llmcli.wire import Completion, Meta

NUMBERS = st.integers(0, 2**53)
WORDS = st.text(st.characters(), max_size=20)
BODIES = st.dictionaries(WORDS, WORDS | st.none() | NUMBERS, max_size=3)


@given(
    row=st.builds(
        Row,
        NUMBERS,
        WORDS | NUMBERS | st.floats(allow_nan=False, allow_infinity=False) | st.none(),
        st.integers(1, 2**64 - 1),
    ),
    meta=st.builds(
        Meta, st.sampled_from(["openai", "groq"]), WORDS, WORDS | st.none(), latency=st.floats(0, 1e5)
    ),
    body=BODIES,
    around=st.sampled_from([b"%b", b" %b", b"%b\t", b"%b\r\n", b"\n%b"]),
    cost=st.none() | st.decimals(0, 100, places=9),
    attempts=st.integers(1, 20),
)
def test_a_usual_line_is_the_one_that_is_written_as_a_whole(row, meta, body, around, cost, attempts):
    report = Report(Completion(body, meta, around % jsonl.dumps(body)), cost)
    course = Course(attempts, None, "2026-11-27T10:00:00.000Z")
    line = success_line(row, course, report)
    whole = success_line(
        row, replace(course, kept=b"{}"), report
    )  # with the row's own columns it is no usual one
    assert line == whole.replace(b'"llmcli":{"input":{},', b'"llmcli":{', 1)
    assert json.loads(line)["response"]["body"] == json.loads(json.dumps(body))
    assert line.count(b"\n") == 1


def test_what_a_row_cost_before_its_last_answer_is_in_its_record():
    row, meta = Row(0, "row-0", 1), Meta("openai", "tiny")
    report = Report(Completion({}, meta, b"{}"), Decimal("0.5"))
    line = success_line(row, Course(2, Decimal("0.25"), "2026-11-27T10:00:00.000Z"), report)
    assert json.loads(line)["llmcli"]["cost_usd"] == 0.75
