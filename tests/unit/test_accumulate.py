"""Chunks fold into the very object that an unstreamed call would have given."""

from __future__ import annotations

import itertools
import json
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcli.transport.folds.completion import Accumulator, as_chunk
from llmcli.wire import Chunk, Json

HEAD = {"id": "chatcmpl-1", "created": 1_700_000_000, "model": "tiny"}


def folded(*chunks: Chunk) -> Json:
    accumulator = Accumulator()
    for chunk in chunks:
        accumulator.add(chunk)
    return accumulator.body()


def delta(finish_reason: str | None = None, *, index: Any = 0, **fields: Any) -> Chunk:
    choice = {"index": index, "delta": fields, "finish_reason": finish_reason}
    if index is None:
        del choice["index"]
    return {**HEAD, "object": "chat.completion.chunk", "choices": [choice]}


def message(*chunks: Chunk) -> Json:
    return folded(*chunks)["choices"][0]["message"]


# --- Any completion, cut anyhow -----------------------------------------------------------------------------

TEXT = st.text(max_size=20)
SCALAR = st.integers() | st.booleans() | TEXT
CALL = st.fixed_dictionaries(
    {
        "id": st.uuids().map(str),
        "type": st.just("function"),
        "function": st.fixed_dictionaries(
            {
                "name": st.text(min_size=1, max_size=8),
                "arguments": st.dictionaries(TEXT, SCALAR, max_size=3).map(json.dumps),
            }
        ),
    }
)
CUSTOM = st.fixed_dictionaries(
    {
        "id": st.uuids().map(str),
        "type": st.just("custom"),
        "custom": st.fixed_dictionaries({"name": st.text(min_size=1, max_size=8), "input": TEXT}),
    }
)
TOKEN = st.fixed_dictionaries({"token": TEXT, "logprob": st.floats(-9, 0), "top_logprobs": st.just([])})


def optional(strategy: st.SearchStrategy[Any], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({"content": st.none() | strategy}, optional=more)


MESSAGE = optional(
    TEXT,
    refusal=TEXT,
    reasoning_content=TEXT,
    reasoning=TEXT,
    tool_calls=st.lists(CALL | CUSTOM, min_size=1, max_size=3),
    annotations=st.lists(SCALAR, max_size=3),
    provider_specific=st.fixed_dictionaries({"thought": TEXT, "rank": st.integers()}),
)
CHOICE = st.fixed_dictionaries(
    {
        "message": MESSAGE,
        "finish_reason": st.sampled_from(["stop", "length", "tool_calls", "content_filter"]),
        "logprobs": st.none()
        | st.fixed_dictionaries(
            {"content": st.lists(TOKEN, max_size=3)}, optional={"refusal": st.lists(TOKEN, max_size=2)}
        ),
    },
    optional={"content_filter_results": st.fixed_dictionaries({"hate": st.booleans()})},
)
COMPLETION = st.fixed_dictionaries(
    {"choices": st.lists(CHOICE, min_size=1, max_size=3)},
    optional={
        "usage": st.fixed_dictionaries({"prompt_tokens": st.integers(0), "x": st.none() | st.integers()}),
        "system_fingerprint": TEXT,
        "service_tier": st.sampled_from(["default", "flex"]),
        "timings": st.fixed_dictionaries({"ms": st.floats(0, 9)}),
    },
).map(
    lambda body: {
        **HEAD,
        "object": "chat.completion",
        **body,
        "choices": [
            {"index": index, **choice, "message": {"role": "assistant", **choice["message"]}}
            for index, choice in enumerate(body["choices"])
        ],
    }
)


class Cutter:
    """Turns a completion into the chunks of a stream, as a server might."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def chunks(self, body: Json) -> list[Chunk]:
        head = {
            **{k: v for k, v in body.items() if k not in {"choices", "usage"}},
            "object": "chat.completion.chunk",
        }
        queues = [self.choices(choice) for choice in body["choices"]]
        chunks = []
        while queues := [queue for queue in queues if queue]:
            chunks.append({**head, "choices": [self.random.choice(queues).pop(0)], "obfuscation": "x1"})
        if "usage" not in body:
            return chunks
        if self.random.random() < 0.5:
            chunks[-1]["usage"] = body["usage"]
        else:
            chunks.append({**head, "choices": [], "usage": body["usage"]})
        return [{"usage": None, **chunk} for chunk in chunks]

    def choices(self, choice: Json) -> list[Json]:
        said = choice["message"]
        deltas: list[Json] = [{"role": said["role"], "content": None}]
        parts = [self.part(key, value) for key, value in said.items() if key != "role" and value is not None]
        deltas += [piece for part in parts for piece in part]
        rows = [
            {"index": choice["index"], "delta": piece, "logprobs": None, "finish_reason": None}
            for piece in deltas
        ]
        for kind, tokens in (choice["logprobs"] or {}).items():
            bits = [[], *([token] for token in tokens)]
            rows += [{"index": choice["index"], "delta": {}, "logprobs": {kind: bit}} for bit in bits]
        rest = {k: v for k, v in choice.items() if k not in {"message", "logprobs"}}
        return [*rows, {**rest, "delta": {}}]

    def part(self, key: str, value: Any) -> list[Json]:
        if key == "tool_calls":
            return [
                {"tool_calls": [bit]} for index, call in enumerate(value) for bit in self.call(index, call)
            ]
        if isinstance(value, str):
            return [{key: bit} for bit in self.cut(value)]
        if isinstance(value, list):
            return [{key: []}, *({key: [item]} for item in value)]
        return [{key: {inner: part}} for inner, part in value.items()]

    def call(self, index: int, call: Json) -> list[Json]:
        kind = call["type"]
        (grows,) = call[kind].keys() - {"name"}
        opening = {**call, "index": index, kind: {**call[kind], grows: ""}}
        return [opening, *({"index": index, kind: {grows: bit}} for bit in self.cut(call[kind][grows]))]

    def cut(self, text: str) -> list[str]:
        places = sorted(self.random.randint(0, len(text)) for _ in range(3))
        edges = [0, *places, len(text)]
        return [text[left:right] for left, right in itertools.pairwise(edges)]


@given(COMPLETION, st.integers())
def test_a_completion_cut_into_chunks_folds_back(body, seed):
    chunks = Cutter(seed).chunks(body)
    before = json.dumps(chunks)
    assert folded(*chunks) == body
    assert json.dumps(chunks) == before, "what was given is left alone"


@given(COMPLETION)
def test_a_completion_as_one_chunk_folds_back(body):
    assert folded(as_chunk(body)) == body


@given(COMPLETION, st.integers())
def test_looking_early_changes_nothing(body, seed):
    accumulator = Accumulator()
    for chunk in Cutter(seed).chunks(body):
        accumulator.add(chunk)
        json.dumps(accumulator.body())
    assert accumulator.body() == body


# --- The oddities of servers --------------------------------------------------------------------------------


def test_nothing_is_a_completion_without_choices():
    assert folded() == {"object": "chat.completion", "choices": []}


@pytest.mark.parametrize(
    "nothing", [{}, {"choices": None}, {"choices": []}, {"choices": [None]}, {"usage": None}]
)
def test_chunks_of_nothing(nothing):
    assert message(nothing, delta(content="Hi"), nothing) == {"role": "assistant", "content": "Hi"}


@pytest.mark.parametrize("empty", [None, {}])
def test_a_delta_of_nothing(empty):
    odd = {"choices": [{"index": 0, "delta": empty, "finish_reason": None}]}
    assert message(odd, delta(content="Hi"), odd) == {"role": "assistant", "content": "Hi"}


def test_null_content_ends_no_text():
    said = message(delta(role="assistant", content=None), delta(content="Hi"), delta("stop", content=None))
    assert said == {"role": "assistant", "content": "Hi"}


def test_a_role_in_each_delta():
    said = message(
        delta(role="assistant", content="H"), delta(role="assistant", content="i"), delta(role=None)
    )
    assert said == {"role": "assistant", "content": "Hi"}


def test_no_index():
    assert message(delta(index=None, content="H"), delta("stop", index=None, content="i"))["content"] == "Hi"


def test_a_finish_reason_is_not_unsaid():
    assert folded(delta("stop"), delta(content=""))["choices"][0]["finish_reason"] == "stop"


def test_usage_of_an_extra_chunk_and_null_before():
    body = folded({**delta(content="Hi"), "usage": None}, {"choices": [], "usage": {"total_tokens": 3}})
    assert body["usage"] == {"total_tokens": 3}
    assert list(body)[-1] == "usage"


def test_usage_that_grows_is_the_last_one():
    usages = [{**delta(content="x"), "usage": {"completion_tokens": n}} for n in (1, 2, 3)]
    assert folded(*usages)["usage"] == {"completion_tokens": 3}


def test_choices_that_come_out_of_order():
    body = folded(delta(index=2, content="c"), delta(index=0, content="a"), delta(index=1, content="b"))
    assert [choice["message"]["content"] for choice in body["choices"]] == ["a", "b", "c"]


def calls(*deltas: list[Json] | None) -> list[tuple[str | None, str, str]]:
    said = message(*(delta(tool_calls=parts) for parts in deltas))
    return [
        (c["id"], c["function"]["name"], c["function"]["arguments"]) for c in said.get("tool_calls") or []
    ]


def call(name: str | None = None, arguments: str | None = None, **fields: Any) -> Json:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {**fields, "function": function}


def test_calls_in_turns():
    assert calls(
        [call("f", "", index=0, id="a"), call("g", "", index=1, id="b")],
        [call(None, "{", index=1)],
        [call(None, "{}", index=0)],
        [call(None, "}", index=1)],
    ) == [("a", "f", "{}"), ("b", "g", "{}")]


def test_all_calls_are_numbered_0():
    assert calls(
        [call("f", "{}", index=0, id="a")], [call("g", "{", index=0, id="b")], [call(None, "}", index=0)]
    ) == [
        ("a", "f", "{}"),
        ("b", "g", "{}"),
    ]


def test_calls_without_a_number():
    assert calls([call("f", "{", id="a")], [call(None, "}")], [call("g", "{}", id="b")]) == [
        ("a", "f", "{}"),
        ("b", "g", "{}"),
    ]


def test_several_calls_of_one_delta_without_a_number():
    assert calls([call("f", "{}", id="a"), call("g", "{}", id="b")]) == [("a", "f", "{}"), ("b", "g", "{}")]


def test_several_calls_of_one_delta_with_neither_number_nor_id():
    assert calls([call("f", "{}"), call("g", "[]")]) == [(None, "f", "{}"), (None, "g", "[]")]


def test_calls_whose_numbers_do_not_begin_at_0():
    assert calls([call("f", "{", index=1, id="a")], [call(None, "}", index=1)]) == [("a", "f", "{}")]


def test_calls_that_come_in_another_order_than_their_numbers():
    assert calls(
        [call("g", "{", index=1, id="b")], [call("f", "{}", index=0, id="a")], [call(None, "}", index=1)]
    ) == [("a", "f", "{}"), ("b", "g", "{}")]


def test_calls_that_are_all_numbered_0_keep_their_order():
    assert calls([call("g", "{}", index=0, id="b")], [call("f", "[]", index=0, id="a")]) == [
        ("b", "g", "{}"),
        ("a", "f", "[]"),
    ]


def test_name_and_id_repeated_in_each_delta():
    assert calls(*([call("f", part, index=0, id="a", type="function")] for part in ("{", '"x"', ":1}"))) == [
        ("a", "f", '{"x":1}')
    ]


def test_null_id_name_and_type_after_the_first_delta():
    later = {"index": 0, "id": None, "type": None, "function": {"name": None, "arguments": "}"}}
    said = message(
        delta(tool_calls=[call("f", "{", index=0, id="a", type="function")]), delta(tool_calls=[later])
    )
    assert said["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]


@pytest.mark.parametrize("nothing", [None, []])
def test_no_calls(nothing):
    assert "tool_calls" not in message(delta(content="Hi", tool_calls=nothing))


def test_a_type_that_is_never_given_is_function():
    assert (
        message(delta(tool_calls=[call("f", "{}", index=0, id="a")]))["tool_calls"][0]["type"] == "function"
    )


@pytest.mark.parametrize("last", [{}, {"content": ""}])
def test_a_last_chunk_that_has_the_whole_message_beside_its_delta(last):
    end = delta("stop", **last)
    end["choices"][0]["message"] = {"role": "assistant", "content": "Hello"}
    assert message(delta(content="Hel"), delta(content="lo"), end)["content"] == "Hello"


@pytest.mark.parametrize("nothing", [{}, {"delta": None}, {"delta": {}}])
def test_a_message_in_place_of_a_delta(nothing):
    choice = {"index": 0, **nothing, "message": {"content": "Hello"}}
    assert message({"choices": [choice]})["content"] == "Hello"


def test_text_then_calls_then_text():
    said = message(
        delta(content="Let "), delta(tool_calls=[call("f", "{}", index=0, id="a")]), delta(content="me see")
    )
    assert said["content"] == "Let me see"
    assert len(said["tool_calls"]) == 1


def test_random_padding_is_no_part_of_it():
    assert "obfuscation" not in folded({**delta(content="Hi"), "obfuscation": "9fK2"})


def test_audio_grows_and_its_id_does_not():
    parts = [{"id": "audio_1", "data": "QUJD"}, {"id": "audio_1", "data": "REVG"}, {"expires_at": 7}]
    assert message(*(delta(audio=part) for part in parts))["audio"] == {
        "id": "audio_1",
        "data": "QUJDREVG",
        "expires_at": 7,
    }


def test_an_old_function_call():
    parts = [{"name": "f", "arguments": ""}, {"arguments": "{"}, {"arguments": "}"}]
    assert message(*(delta(function_call=part) for part in parts))["function_call"] == {
        "name": "f",
        "arguments": "{}",
    }


# --- Text and parts -----------------------------------------------------------------------------------------

THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}


def part(text: str) -> Json:
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    ("contents", "whole"),
    [
        (["", [THOUGHT], [part("Hi")]], [THOUGHT, part("Hi")]),
        (["So", [part("Hi")]], [part("So"), part("Hi")]),
        ([[THOUGHT], "H", "i"], [THOUGHT, part("Hi")]),
        ([[THOUGHT], "", [part("Hi")], "!"], [THOUGHT, part("Hi"), part("!")]),
        (["a", "b", [THOUGHT], "c", None, "d"], [part("ab"), THOUGHT, part("cd")]),
    ],
)
def test_text_and_lists_of_parts_in_one_answer(contents, whole):
    chunks = [delta(content=content) for content in contents]
    before = json.dumps(chunks)
    assert message(*chunks)["content"] == whole
    assert json.dumps(chunks) == before, "what was given is left alone"


# --- Long answers -------------------------------------------------------------------------------------------


def seconds_for(size: int, **fields: Any) -> float:
    piece = delta(**fields)
    accumulator = Accumulator()
    began = time.process_time()
    for _ in range(size // 4):
        accumulator.add(piece)
    body = accumulator.body()
    spent = time.process_time() - began
    assert str(body).count("lala") == size // 4
    return spent


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"content": "lala"}, 2**20),
        ({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "lala"}}]}, 2**18),
    ],
    ids=["text", "arguments"],
)
def test_a_long_answer_costs_its_length(fields, size):
    part, whole = (min(seconds_for(length, **fields) for _ in range(2)) for length in (size // 8, size))
    assert whole < 24 * part, "eight times the size, 64 times the work would be the square"
