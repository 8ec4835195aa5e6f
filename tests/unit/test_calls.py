"""Tool calls of streams as servers send them that are not OpenAI: the calls that were meant, in linear time."""

from __future__ import annotations

import time
from typing import Any

import pytest

from llmcli.output.calls import tool_calls
from llmcli.transport.folds.completion import Accumulator
from llmcli.wire import Json

A, B = '{"x":1}', '{"y":"}\\""}'


def call(name: str | None = None, arguments: Any = None, **fields: Any) -> Json:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {**fields, "function": function}


def folded(*deltas: Any, **choice: Any) -> Json:
    accumulator = Accumulator()
    for said in deltas:
        accumulator.add({"choices": [{"index": 0, "delta": {"tool_calls": said}, **choice}]})
    body = accumulator.body()
    whole: Json = body["choices"][0]
    return whole


def meant(*deltas: Any) -> list[tuple[Any, ...]]:
    calls = tool_calls(folded(*deltas)["message"])
    return [(c["id"], c["function"]["name"], c["function"].get("arguments")) for c in calls]


@pytest.mark.parametrize(
    ("deltas", "calls"),
    [
        pytest.param(
            [[call("f", A, index=0, id="")], [call("g", B, index=0, id="")]],
            [(None, "f", A), (None, "g", B)],
            id="empty ids, another name under the same index",
        ),
        pytest.param(
            [[call("f", A, index=0, id="")], [call("f", B, index=0, id="")]],
            [(None, "f", A), (None, "f", B)],
            id="empty ids, the same name again behind whole arguments",
        ),
        pytest.param(
            [[call("f", '{"x"', index=0)], [call("f", ":1}", index=0)]],
            [(None, "f", A)],
            id="the name said again beside each piece",
        ),
        pytest.param(
            [[call("f", A)], [call("g", B)]], [(None, "f", A), (None, "g", B)], id="one a chunk, without an index"
        ),
        pytest.param(
            [[call("f", "", index=0)], [call("g", "", index=0)]],
            [(None, "f", ""), (None, "g", "")],
            id="calls without arguments under one index",
        ),
        pytest.param(
            [[call("get_", index=0, id="a")], [call("weather", index=0)], [call(None, A, index=0)]],
            [("a", "get_weather", A)],
            id="a name in pieces",
        ),
        pytest.param([call("f", A, id="a"), call("g", B, id="b")], [("a", "f", A), ("b", "g", B)], id="objects"),
        pytest.param(
            [[call("f", '{"x"', index=0, id="a")], [call(None, ":1}", index=0, id="b")]],
            [("a", "f", A)],
            id="another id in each delta",
        ),
        pytest.param(
            [[call("f", A, index=0, id="a")], [call("g", B, index=0, id="a")]],
            [("a", "f", A), ("a", "g", B)],
            id="the same id for all",
        ),
        pytest.param(
            [[call("f", '{"x"', index=0, id="a")], [call(None, ":1}", index=0)], [call("f", A, index=0, id="a")]],
            [("a", "f", A)],
            id="the whole call again at the end",
        ),
        pytest.param(
            [[call("f", '"{\\"x\\":1}"', index=0, id="a")]], [("a", "f", A)], id="arguments encoded twice"
        ),
        pytest.param(
            [[{"index": 0, "id": "a", "name": "f", "arguments": A}]], [("a", "f", A)], id="a call without its function"
        ),
        pytest.param([[call("f", {"x": 1}, index=0)], [call("f", {"x": 2}, index=0)]], [
            (None, "f", {"x": 1}), (None, "f", {"x": 2})
        ], id="arguments that are objects"),
        pytest.param([["x", None, call("f", A)]], [(None, "f", A)], id="what is no call beside one that is"),
    ],
)  # fmt: skip
def test_the_calls_that_were_meant(deltas, calls):
    assert meant(*deltas) == calls


def test_lists_of_a_choice_are_joined():
    accumulator = Accumulator()
    for ids in ([1, 2], None, [3]):
        accumulator.add(
            {"choices": [{"index": 0, "delta": {"content": "x"}, "token_ids": ids, "stop_reason": 2}]}
        )
    choice = accumulator.body()["choices"][0]
    assert (choice["token_ids"], choice["stop_reason"]) == ([1, 2, 3], 2)


SHAPES = {
    "deltas of one call": lambda n: [[call(None if at else "f", "a", index=0)] for at in range(n)],
    "names": lambda n: [[call("f", index=0)] for _ in range(n)],
    "pieces of a name": lambda n: [[call("fg"[at % 2], index=0)] for at in range(n)],
    "a call a delta": lambda n: [[call("f", "{}", index=0, id=f"c{at}")] for at in range(n)],
    "a call a delta, numbered": lambda n: [[call("f", "{}", index=at, id=f"c{at}")] for at in range(n)],
    "the name beside each piece": lambda n: [[call("f", "[", index=0)] for _ in range(n)],
    "the call again, longer": lambda n: (
        [[call("f", "{}", index=0, id="a"), call("f", "{} ", index=0, id="a")]] * n
    ),
    "calls in one delta": lambda n: [[call("f", "{}", id=f"c{at}") for at in range(n)]],
    "calls in one delta, without an id": lambda n: [[call("f", "{}") for _ in range(n)]],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_many_deltas_cost_their_number(shape):
    deltas = SHAPES[shape](20_000)
    began = time.process_time()
    folded(*deltas)
    assert time.process_time() - began < 8  # seconds; with each delta looked at all again it is many more
