"""Requests to the Responses API and back: the tables are whole, and each field and message has its place."""

from __future__ import annotations

from typing import Any

import pytest

from llmcli.errors import UsageError
from llmcli.request.params import API_FIELDS, parse_option
from llmcli.request.responses.read import fields_of_body, messages_of_input
from llmcli.request.responses.sent import RESPONSES_API
from llmcli.responses.names import LACKING_FIELDS, MOVED_FIELDS, ONLY_FIELDS, RESHAPED_FIELDS, SHARED_FIELDS
from llmcli.wire import Request

HI = [{"role": "user", "content": "Hi"}]
SCHEMA = {"type": "object", "properties": {}}


def body(
    messages: Any = None, provider: str = "vllm", base_url: str = "http://x/v1", **fields: Any
) -> dict[str, Any]:
    given = {"model": "tiny", "messages": messages or HI, **fields}
    return Request(provider, "tiny", base_url, given, api=RESPONSES_API).body()


def test_each_field_of_the_api_is_in_one_table():
    tables = [SHARED_FIELDS, MOVED_FIELDS.keys(), RESHAPED_FIELDS, LACKING_FIELDS]
    assert set().union(*tables) == API_FIELDS
    assert sum(map(len, tables)) == len(API_FIELDS)


@pytest.mark.parametrize("name", sorted(ONLY_FIELDS - {"input"}))
def test_a_field_of_that_api_alone_is_no_slip(name):
    assert parse_option(f"{name}=1") == (name, 1)
    assert body(**{name: 1})[name] == 1


FIELDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"max_tokens": 9}, {"max_output_tokens": 9}),
    ({"max_completion_tokens": 9}, {"max_output_tokens": 9}),
    ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
    (
        {"reasoning_effort": "low", "reasoning": {"summary": "auto"}},
        {"reasoning": {"effort": "low", "summary": "auto"}},
    ),
    ({"verbosity": "low"}, {"text": {"verbosity": "low", "format": {"type": "text"}}}),
    ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
    (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "schema": SCHEMA, "strict": True},
            }
        },
        {"text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA, "strict": True}}},
    ),
    ({"logprobs": True, "top_logprobs": 2}, {"include": ["message.output_text.logprobs"], "top_logprobs": 2}),
    ({"logprobs": True, "include": ["x"]}, {"include": ["x", "message.output_text.logprobs"]}),
    ({"logprobs": False}, {}),
    ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
    (
        {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
        {"stream": True, "stream_options": {"include_obfuscation": False}},
    ),
    ({"store": True}, {"store": True}),
    (
        {"web_search_options": {"user_location": {"type": "approximate", "approximate": {"city": "Bern"}}}},
        {"tools": [{"type": "web_search", "user_location": {"type": "approximate", "city": "Bern"}}]},
    ),
    (
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"tools": [{"type": "function", "name": "f", "parameters": SCHEMA, "strict": False}]},
    ),
    (
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}}]},
        {"tools": [{"type": "function", "name": "f", "parameters": SCHEMA, "strict": True}]},
    ),
    (
        {
            "tools": [
                {
                    "type": "custom",
                    "custom": {"name": "c", "format": {"type": "grammar", "grammar": {"syntax": "lark"}}},
                }
            ]
        },
        {"tools": [{"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark"}}]},
    ),
    ({"tools": [{"type": "web_search"}]}, {"tools": [{"type": "web_search"}]}),
    ({"tool_choice": "required"}, {"tool_choice": "required"}),
    (
        {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"tool_choice": {"type": "function", "name": "f"}},
    ),
    (
        {
            "tool_choice": {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
            }
        },
        {
            "tool_choice": {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}],
            }
        },
    ),
    ({"metadata": {"a": "b"}, "user": "me", "top_k": 3}, {"metadata": {"a": "b"}, "user": "me", "top_k": 3}),
    ({"temperature": None}, {}),
]


@pytest.mark.parametrize(("fields", "sent"), FIELDS)
def test_a_field_has_its_counterpart(fields, sent):
    said = body(**fields)
    assert said.pop("input")[0]["role"] == "user"
    assert said == {"model": "tiny", "stream": False, "store": False, **sent}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"max_tokens": 1, "max_output_tokens": 2}, "max_tokens and max_output_tokens exclude each other"),
        ({"reasoning_effort": "low", "reasoning": {"effort": "high"}}, "reasoning.effort exclude each other"),
        ({"input": "x"}, "input is made of the messages"),
        *[({name: 1}, f"no counterpart of {name}") for name in sorted(LACKING_FIELDS)],
    ],
)
def test_what_cannot_be_said_is_refused(fields, says):
    with pytest.raises(UsageError, match=says):
        body(**fields)


def text(kind: str, said: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "text": said, **more}


def item(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts)}


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CUSTOM = {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "x"}}
MESSAGES: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = [
    ([{"role": "system", "content": "Be kind."}], [item("system", text("input_text", "Be kind."))]),
    ([{"role": "developer", "content": "Be kind."}], [item("developer", text("input_text", "Be kind."))]),
    (
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {"url": "u"}}],
            }
        ],
        [item("user", text("input_text", "Hi"), {"type": "input_image", "image_url": "u", "detail": "auto"})],
    ),
    (
        [{"role": "user", "content": [{"type": "file", "file": {"file_data": "d", "filename": "n"}}]}],
        [item("user", {"type": "input_file", "file_data": "d", "filename": "n"})],
    ),
    (
        [{"role": "assistant", "content": "Hello"}],
        [item("assistant", text("output_text", "Hello", annotations=[]))],
    ),
    (
        [{"role": "assistant", "content": None, "refusal": "No."}],
        [item("assistant", text("output_text", "No.", annotations=[]))],
    ),
    (
        [
            {"role": "assistant", "content": "", "tool_calls": [CALL, CUSTOM]},
            {"role": "tool", "tool_call_id": "c1", "content": "1"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "2"}]},
        ],
        [
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "x"},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": [text("input_text", "2")]},
        ],
    ),
]


@pytest.mark.parametrize(("messages", "items"), MESSAGES)
def test_a_message_has_its_items(messages, items):
    assert body(messages)["input"] == items


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ({"role": "user", "content": "Hi", "name": "me"}, r"messages\[0\].name"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, r"messages\[0\].content\[0\]: input_audio"),
        ({"role": "assistant", "audio": {"id": "x"}}, r"messages\[0\].audio"),
        ({"role": "assistant", "function_call": {}}, r"messages\[0\].function_call"),
        ({"role": "function", "content": "x", "name": "f"}, r"messages\[0\], of role function"),
    ],
)
def test_a_message_that_no_items_say_is_refused(message, what):
    with pytest.raises(UsageError, match=f"no counterpart of {what}"):
        body([message])


@pytest.mark.parametrize(
    ("provider", "base_url", "kind"),
    [
        ("openai", "https://api.openai.com/v1", "refusal"),
        ("openai", "http://127.0.0.1:9/v1", "output_text"),
        ("azure", "https://me.openai.azure.com/openai/v1", "refusal"),
        ("llamacpp", "http://127.0.0.1:9/v1", "output_text"),
    ],
)
def test_a_refusal_goes_back_as_one_where_that_is_read(provider, base_url, kind):
    said = body([{"role": "assistant", "content": None, "refusal": "No."}], provider, base_url)
    assert said["input"][0]["content"][0]["type"] == kind


def test_llama_cpp_has_the_form_of_the_answer_where_it_reads_it():
    form = {"type": "json_object"}
    assert body(provider="llamacpp", response_format=form)["response_format"] == form
    assert "response_format" not in body(provider="vllm", response_format=form)


def plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields as they come back: a limit under its newer name, options of a stream left out."""
    limit = fields.get("max_completion_tokens", fields.get("max_tokens"))
    kept = {name: value for name, value in fields.items() if name not in {"max_tokens", "stream_options"}}
    return kept if limit is None else {**kept, "max_completion_tokens": limit}


BACK = (
    "max_tokens",
    "max_completion_tokens",
    "reasoning_effort",
    "verbosity",
    "response_format",
    "tool_choice",
    "metadata",
)


@pytest.mark.parametrize(
    "fields", [fields for fields, _ in FIELDS if set(fields) <= {*BACK, "reasoning", "user", "top_k"}]
)
def test_a_body_read_backwards_asks_the_same(fields):
    back = fields_of_body(body(**fields))
    assert back.pop("messages") == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    assert back == {"model": "tiny", "stream": False, "store": False, **plain(fields)}


@pytest.mark.parametrize("items", [items for _, items in MESSAGES])
def test_items_read_backwards_and_forwards_are_the_same(items):
    assert body(messages_of_input(items))["input"] == items


def test_instructions_are_a_system_message():
    fields = fields_of_body({"model": "tiny", "instructions": "Be kind.", "input": "Hi"})
    assert fields == {"model": "tiny", "messages": [{"role": "system", "content": "Be kind."}, *HI]}
