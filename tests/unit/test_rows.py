"""Rows: whatever a line holds is a request, or says why it is none."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from llmcli.batch.input.identity import Identity
from llmcli.batch.input.readers.entry import Placed
from llmcli.batch.input.readers.jsonl import read_jsonl
from llmcli.batch.input.readers.text import utf8
from llmcli.batch.input.rows import BadCommand, RowBuilder
from llmcli.errors import LlmcliError
from llmcli.exchange.exchange import Way, exchange
from llmcli.exchange.layers.window import Window
from llmcli.rehearsal.offline import Offline
from llmcli.request.builder import Ask, Builder
from llmcli.request.endpoint import Addresses
from llmcli.request.params import API_FIELDS
from llmcli.request.prompt import Prompt
from llmcli.request.template import Template
from llmcli.settings.batch.table import TableSettings
from llmcli.tokens.count import count_request
from llmcli.tokens.encodings import load

MODEL = "gpt-4o-mini"


def builder(model: str = MODEL, **more: object) -> RowBuilder:
    ask = {name: more.pop(name) for name in ("parameters", "extra", "max_tokens", "expects") if name in more}
    addresses = Addresses({}, {})
    made = Builder(Ask(**ask), addresses.of(model), addresses)
    return RowBuilder(Prompt(**more), made, TableSettings(), Identity())


def fields(row: dict | bytes, **more: object) -> dict:
    """The body of a row's request; where there is none, its error."""
    line = row if isinstance(row, bytes) else json.dumps(row).encode()
    made = builder(**more).row(Placed(line, 0))
    return dict(made.request.fields) if made.request else {"error": str(made.error)}


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def body(*messages: dict, model: str = MODEL, **more: object) -> dict:
    return {"model": model, "messages": list(messages), **more}


# --- Lines --------------------------------------------------------------------------------------------------


def lines(data: bytes, size: int) -> list[tuple[bytes, int]]:
    """The lines of JSONL that comes in blocks of a size, and their numbers."""
    blocks = [data[at : at + size] for at in range(0, len(data), size)]
    return [
        each for batch in read_jsonl(utf8(blocks)) for each in zip(batch.entries, batch.lines, strict=True)
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_lines_are_the_same_however_they_come(size, end, last):
    data = b"\xef\xbb\xbf" + end.join([b"one", b"", b" \t", b"t w o", b"three"]) + end * last
    assert lines(data, size) == [(b"one", 1), (b"t w o", 4), (b"three", 5)]


@given(st.lists(st.binary(max_size=5)))
def test_lines_are_those_that_python_splits(blocks):
    data = b"".join(blocks)
    assume(not data.startswith((b"\xff\xfe", b"\xfe\xff\0")))  # UTF-16
    expected = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    found = [line for batch in read_jsonl(utf8(blocks)) for line in batch.entries]
    assert found == [line.strip() for line in expected if line.strip()]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_utf_16_with_a_bom_is_decoded(encoding, size):
    bom = "" if encoding == "utf-16" else "\ufeff"
    data = (bom + '{"prompt":"é"}\r\n{"prompt":"\u4e0a\U0001f600"}').encode(encoding)
    assert [line for line, _ in lines(data, size)] == [
        '{"prompt":"é"}'.encode(),
        '{"prompt":"\u4e0a\U0001f600"}'.encode(),
    ]


def test_nothing_is_no_line():
    assert lines(b"", 1) == []


# --- Shapes -------------------------------------------------------------------------------------------------

BATCH = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"prompt": "hi"}, body(user("hi"))),
        ({"prompt": "hi", "seed": 1, "label": "x"}, body(user("hi"), seed=1)),
        ({"prompt": "hi", "model": "openai/gpt-4o"}, body(user("hi"), model="gpt-4o")),
        ({"prompt": "hi", "model": "groq/gemma"}, body(user("hi"), model="gemma")),
        ({"prompt": "hi", "system": "S"}, body({"role": "system", "content": "S"}, user("hi"))),
        (
            {"prompt": "hi", "stream": True},
            body(user("hi"), stream=True, stream_options={"include_usage": True}),
        ),
        ({"messages": [user("hi")]}, body(user("hi"))),
        ({"messages": [user("hi")], "custom_id": "a", "top_k": 5}, body(user("hi"), top_k=5)),
        (
            {"messages": [user("hi")], "stream": True, "stream_options": {}},
            body(user("hi"), stream=True, stream_options={"include_usage": True}),
        ),
        ({**BATCH, "body": {"messages": [user("hi")], "seed": 2}}, body(user("hi"), seed=2)),
        ({**BATCH, "body": {"model": "gpt-4o", "messages": [user("hi")]}}, body(user("hi"), model="gpt-4o")),
        ({"prompt": "é\ud800"}, body(user("é\ud800"))),
    ],
)
def test_a_row_of_each_shape(row, expected):
    assert fields(row) == expected


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"{", "the line is not valid JSON: Expecting property name"),
        (b"NaN", "the line is not valid JSON: NaN is no JSON"),
        (b"[" * 100_000, "the line is not valid JSON: "),
        (b'{"prompt":"caf\xe9"}', "the line is not UTF-8 text: byte 0xe9 at offset 14"),
        (b"[1]", "the line is JSON, but no object"),
        ({}, "the row has no messages, no prompt and no body; with -t, any object is a row"),
        ({"prompt": [7]}, "the row has no messages, no prompt and no body"),
        ({"prompt": ""}, "the prompt is empty"),
        ({"prompt": "hi", "temprature": 1}, "there is no field temprature: did you mean temperature?"),
        ({"prompt": "hi", "model": 5}, "the model must be a string"),
        ({"prompt": "hi", "system": ["S"]}, "the system message must be a string"),
        ({"prompt": "hi", "n": "3"}, "n is an integer"),
        ({"prompt": "hi", "n": True}, "n is an integer"),
        ({"prompt": "hi", "stop": [1]}, "stop is text or a JSON array of texts"),
        ({"prompt": "hi", "response_format": "json"}, "response_format is a JSON object"),
        ({"prompt": "hi", "response_format": {"type": "json_schema"}}, "json_schema is missing, or no JSON object"),
        (
            {"prompt": "hi", "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "strin"}}}},
            "the schema is no valid JSON Schema: /type: ",
        ),
        ({"prompt": "hi", "model": "openai/o3", "temperature": 0}, "o3 is a reasoning model and rejects temperature"),
        ({"messages": []}, "messages must be a list of messages that is not empty"),
        ({"messages": ["hi"]}, "messages[0] must be an object with a role"),
        ({**BATCH, "body": {"input": "x"}}, "messages must be a list of messages that is not empty"),
        ({**BATCH, "url": "/v1/embeddings", "body": {}}, "POST /v1/embeddings is not POST /v1/chat/completions"),
        ({**BATCH, "method": "GET", "body": {}}, "GET /v1/chat/completions is not POST /v1/chat/completions"),
    ],
)  # fmt: skip
def test_a_row_that_is_none_says_why(row, reason):
    assert fields(row)["error"].startswith(reason)


def test_a_line_of_ten_megabytes_is_a_row():
    text = "x" * 10_000_000
    assert fields({"prompt": text}) == body(user(text))


# --- What stands around a row -------------------------------------------------------------------------------

SYSTEM = {"role": "system", "content": "S"}


@pytest.mark.parametrize(
    ("row", "messages"),
    [
        ({"prompt": "hi"}, [SYSTEM, user("A"), user("F\n\nhi")]),
        ({"prompt": "hi", "seed": 1}, [SYSTEM, user("A"), user("F\n\nhi")]),
        ({"prompt": "hi", "system": "T"}, [{"role": "system", "content": "T"}, user("A"), user("F\n\nhi")]),
        ({"prompt": "hi", "system": None}, [SYSTEM, user("A"), user("F\n\nhi")]),
        ({"messages": [user("hi")]}, [SYSTEM, user("A"), user("hi"), user("F")]),
        (
            {"messages": [{"role": "developer", "content": "D"}, user("hi")]},
            [user("A"), {"role": "developer", "content": "D"}, user("hi"), user("F")],
        ),
    ],
)
def test_system_message_earlier_ones_and_files_stand_where_ask_has_them(row, messages):
    assert fields(row, system="S", earlier=[user("A")], files=["F"])["messages"] == messages


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, {"temperature": 0.5, "max_completion_tokens": 9, "seed": 1}),
        ({"temperature": 0.1}, {"temperature": 0.1, "seed": 1, "max_completion_tokens": 9}),
        ({"max_tokens": 3}, {"temperature": 0.5, "max_tokens": 3, "seed": 1}),
        ({"max_completion_tokens": 3}, {"temperature": 0.5, "max_completion_tokens": 3, "seed": 1}),
        ({"seed": None}, {"temperature": 0.5, "max_completion_tokens": 9, "seed": 1}),
    ],
)
def test_a_rows_own_parameters_win(own, expected):
    flags = {"parameters": {"temperature": 0.5}, "max_tokens": 9, "extra": {"seed": 1}}
    for row in ({"prompt": "hi", **own}, {"messages": [user("hi")], **own}):
        assert fields(row, **flags) == body(user("hi"), **expected)


def test_a_rows_own_limit_wins_over_one_of_another_name():
    assert fields({"prompt": "hi", "max_tokens": 3}, extra={"max_completion_tokens": 9}) == body(
        user("hi"), max_tokens=3
    )


def test_a_rows_own_format_is_not_checked_against_the_flags_schema():
    flags = {"expects": {"type": "object"}}
    maker = builder(**flags)
    plain, own = (b'{"prompt":"hi"}', b'{"prompt":"hi","response_format":{"type":"text"}}')
    assert [maker.row(Placed(line, 0)).request.expects for line in (plain, own)] == [{"type": "object"}, None]


def test_what_the_flags_alone_make_wrong_is_no_rows_fault():
    maker = builder(model="openai/o3", parameters={"temperature": 0.5})
    for line in (b'{"prompt":"hi"}', b'{"messages":[{"role":"user","content":"hi"}]}'):
        assert isinstance(maker.row(Placed(line, 0)).error, BadCommand)
    own = maker.row(Placed(b'{"prompt":"hi","model":"gpt-4o"}', 0)).request
    assert own.fields == body(user("hi"), model="gpt-4o", temperature=0.5)


@pytest.mark.parametrize(
    ("template", "row", "text"),
    [
        ("{{ a }}-{{ b }}", {"a": "x", "b": [1, None, True]}, "F\n\nx-[1,null,true]"),
        ("{{ p }}", {"a": "x"}, "P\n\nF"),
        ("{{ p }}", {"p": "mine"}, "F\n\nmine"),
        ("<{{ input }}>", {"prompt": "hi"}, "<F\n\nhi>"),
        ("<{{ input }}>", {"prompt": "hi", "input": "own"}, "F\n\n<own>"),
        ("<{{ input }}>", {"a": 1}, "<F>"),
        ("{{ prompt }}", {"prompt": "hi", "temperature": 0}, "F\n\nhi"),
    ],
)
def test_a_template_takes_the_rows_fields(template, row, text):
    made = fields(row, template=Template(template), params={"p": "P"}, files=["F"])
    assert made == body(user(text))


def test_a_template_names_what_a_row_lacks():
    made = fields({"a": 1}, template=Template("{{ a }} {{ city }}"))
    assert made["error"].startswith("the template's variable city is not defined (-t, line 1, column 12)")


def test_attachments_stand_behind_the_text():
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    assert fields({"prompt": "hi"}, parts=[image])["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "hi"}, image]}
    ]
    assert fields({"prompt": ""}, parts=[image])["messages"] == [{"role": "user", "content": [image]}]


@pytest.mark.parametrize("row", [{"messages": [user("hi")]}, {**BATCH, "body": {"messages": [user("hi")]}}])
def test_files_and_attachments_are_a_message_after_a_rows_own_ones(row):
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    text = {"type": "text", "text": "F"}
    assert fields(row, files=["F"], parts=[image])["messages"] == [
        user("hi"),
        {"role": "user", "content": [text, image]},
    ]
    assert fields(row, parts=[image])["messages"] == [user("hi"), {"role": "user", "content": [image]}]


# --- What a row is known by ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "custom_id"),
    [
        ({"prompt": "a"}, "row-7"),
        ({"prompt": "a", "custom_id": "x"}, "x"),
        ({"prompt": "a", "custom_id": ""}, ""),
        ({"prompt": "a", "custom_id": None}, "row-7"),
        ({"prompt": "a", "custom_id": 5}, 5),
        ({"prompt": [5], "custom_id": "bad"}, "bad"),
        (7, "row-7"),
    ],
)
def test_the_custom_id(row, custom_id):
    assert builder().row(Placed(json.dumps(row).encode(), 7)).custom_id == custom_id


def test_the_digest_is_of_what_is_sent():
    maker = builder()
    digests = [
        maker.row(Placed(line, number)).digest
        for number, line in enumerate(
            [
                b'{"prompt":"a"}',
                b'{"custom_id":"other","prompt": "a", "label":1}',
                b'{"messages":[{"role":"user","content":"a"}]}',
                b'{"prompt":"b"}',
                b"bad",
                b"worse",
            ]
        )
    ]
    assert [digests.index(digest) for digest in digests] == [0, 0, 0, 3, 4, 5]
    other = builder(system="S").row(Placed(b'{"prompt":"a"}', 0))
    assert other.digest != digests[0]


# --- Whatever a line holds ----------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ANYTHING = st.dictionaries(st.sampled_from(sorted(API_FIELDS)), JSON, max_size=4)


@settings(deadline=None)
@given(ANYTHING, st.booleans())
@example({"messages": [{"role": "user", "content": 5}]}, False)
@example({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, False)
@example({"tools": [1], "tool_choice": "required"}, True)
@example({"response_format": {"type": "json_schema", "json_schema": {"schema": 5}}}, True)
def test_whatever_a_row_holds_it_is_answered_or_fails_alone(own, prompted):
    import asyncio

    data = {**own, "prompt": "hi"} if prompted else {"messages": [user("hi")], **own}
    data["model"] = "offline/echo"
    row = builder().row(Placed(json.dumps(data).encode(), 0))
    if row.request is None:
        assert str(row.error)
        return
    count_request(row.request.body(), load("o200k_base"))
    way = Way(Window(Offline(), lambda *_: None, None), lambda: 0.0, lambda *_: None)
    try:
        asyncio.run(exchange(row.request, way))
    except LlmcliError:
        return


def test_a_builder_can_be_taken_to_another_machine():
    here = builder(template=Template("{{ name }}")).seen_by(lambda _row: None, lambda: True)
    there = pickle.loads(pickle.dumps(here.built_by(here.builder)))  # noqa: S301 - it is ours
    row = b'{"name":"hi"}'
    placed = Placed(row, 3)
    assert there.row(placed).request.fields == here.row(placed).request.fields
