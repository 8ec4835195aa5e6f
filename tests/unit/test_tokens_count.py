"""Prompt tokens of requests: the cookbook's examples, and what is only an estimate."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcli.tokens.count import Count, count_request
from llmcli.tokens.encodings import encoding_for, load

JARGON = [
    {
        "role": "system",
        "content": "You are a helpful, pattern-following assistant that translates corporate jargon"
        " into plain English.",
    },
    {
        "role": "system",
        "name": "example_user",
        "content": "New synergies will help drive top-line growth.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Things working well together will increase revenue.",
    },
    {
        "role": "system",
        "name": "example_user",
        "content": "Let's circle back when we have more bandwidth to touch base on opportunities"
        " for increased leverage.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Let's talk later when we're less busy about how to do better.",
    },
    {
        "role": "user",
        "content": "This late pivot means we don't have time to boil the ocean for the client deliverable.",
    },
]
WEATHER = [
    {
        "role": "system",
        "content": "You are a helpful assistant that can answer to questions about the weather.",
    },
    {"role": "user", "content": "What's the weather like in San Francisco?"},
]
UNIT = {
    "type": "string",
    "description": "The unit of temperature to return",
    "enum": ["celsius", "fahrenheit"],
}
LOCATION = {"type": "string", "description": "The city and state, e.g. San Francisco, CA"}


def weather_tool(**properties):
    return {
        "type": "function",
        "function": {
            "name": "get_current_weather",
            "description": "Get the current weather in a given location",
            "parameters": {"type": "object", "properties": properties, "required": ["location"]},
        },
    }


TOOL = weather_tool(location=LOCATION, unit=UNIT)


def count(model="gpt-4o", **fields):
    return count_request({"model": model, **fields}, load(encoding_for("openai", model)[0]))


def tokens(text):
    return load("o200k_base").count(text)


def user(content):
    return [{"role": "user", "content": content}]


@pytest.mark.parametrize(
    ("model", "messages", "tools"),
    [
        ("gpt-4o", 124, 101),
        ("gpt-4o-mini", 124, 101),
        ("gpt-4", 129, 105),
        ("gpt-3.5-turbo", 129, 105),
        ("ft:gpt-4o-mini:acme::abc", 124, 101),
    ],
)
def test_the_examples_of_the_cookbook(model, messages, tools):
    assert count(model, messages=JARGON) == Count(messages, exact=True)
    assert count(model, messages=WEATHER, tools=[TOOL]) == Count(tools, exact=True)


@pytest.mark.parametrize("model", ["gpt-5", "o3-mini"])
def test_reasoning_models_have_no_published_method(model):
    assert count(model, messages=JARGON) == Count(123, exact=False)


def test_a_response_of_gpt_5_said_18():
    """As in the API reference's example of usage.prompt_tokens; gpt-4o says 19."""
    messages = [
        {"role": "developer", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Hello!"},
    ]
    assert [count(model, messages=messages).tokens for model in ("gpt-5", "gpt-4o")] == [18, 19]


def test_tools_of_a_model_without_a_published_method_are_an_estimate():
    assert count("gpt-4.1", messages=WEATHER).exact
    assert count("gpt-4.1", messages=WEATHER, tools=[TOOL]) == Count(101, exact=False)


def test_an_empty_body_is_the_priming_of_the_reply():
    assert count_request({}, load("o200k_base")) == Count(3, exact=True)


def test_a_text_part_counts_as_its_text():
    assert count(messages=user([{"type": "text", "text": "hello world"}])) == count(
        messages=user("hello world")
    )


def test_several_parts_are_an_estimate():
    parts = [{"type": "text", "text": "hello"}, {"type": "text", "text": " world"}]
    assert count(messages=user(parts)) == Count(9, exact=False)


def test_null_content_and_tool_calls():
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    messages = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    assert count(messages=messages) == Count(3 + 1 + 3 + tokens("f") + tokens('{"a":1}') + 3, exact=False)


def test_a_tool_message_counts_without_its_id():
    messages = [{"role": "tool", "tool_call_id": "call_0123456789", "content": "sunny"}]
    assert count(messages=messages) == Count(3 + 1 + tokens("sunny") + 3, exact=False)


def test_a_refusal_counts():
    messages = [{"role": "assistant", "content": None, "refusal": "I cannot."}]
    assert count(messages=messages) == Count(3 + 1 + tokens("I cannot.") + 3, exact=False)


def test_a_null_refusal_changes_nothing():
    messages = [{"role": "assistant", "content": "hi", "refusal": None, "name": None}]
    assert count(messages=messages) == count(messages=[{"role": "assistant", "content": "hi"}])


def test_functions_count_as_tools():
    assert count(messages=WEATHER, functions=[TOOL["function"]]) == count(messages=WEATHER, tools=[TOOL])


def test_no_properties_cost_nothing():
    bare = {"type": "function", "function": {"name": "f", "description": "Do it."}}
    assert count(messages=[], tools=[bare]) == Count(3 + 7 + tokens("f:Do it") + 12, exact=True)


def test_nested_parameters_are_an_estimate_and_count():
    place = {"type": "object", "description": "Where", "properties": {"location": LOCATION}}
    flat = count(messages=WEATHER, tools=[weather_tool(location=LOCATION)])
    nested = count(messages=WEATHER, tools=[weather_tool(place=place)])
    assert nested == Count(flat.tokens + 3 + 3 + tokens("place:object:Where"), exact=False)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "description": "d", "items": {"type": "string"}},
        {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "d"},
        {"type": ["string", "null"], "description": "d"},
        {"type": "string"},
        {"$ref": "#/$defs/x", "description": "d"},
        True,
    ],
)
def test_schemas_beyond_the_published_method_are_estimates(schema):
    plain = count(messages=WEATHER, tools=[weather_tool()])
    odd = count(messages=WEATHER, tools=[weather_tool(p=schema)])
    assert odd.tokens > plain.tokens
    assert not odd.exact


def test_a_custom_tool_is_an_estimate():
    tool = {"type": "custom", "custom": {"name": "run", "description": "Run code"}}
    assert count(messages=[], tools=[tool]).exact is False


def test_a_named_tool_choice_is_an_estimate():
    choice = {"type": "function", "function": {"name": "get_current_weather"}}
    counted = count(messages=WEATHER, tools=[TOOL], tool_choice=choice)
    assert counted == Count(101 + 4 + tokens("get_current_weather"), exact=False)
    assert count(messages=WEATHER, tools=[TOOL], tool_choice="auto") == Count(101, exact=True)


def test_a_response_schema_is_an_estimate():
    wanted = {"name": "n", "schema": {"type": "object"}}
    counted = count(messages=[], response_format={"type": "json_schema", "json_schema": wanted})
    assert counted == Count(3 + tokens(json.dumps(wanted, separators=(",", ":"))) + 10, exact=False)


def test_json_mode_costs_nothing():
    assert count(messages=JARGON, response_format={"type": "json_object"}) == Count(124, exact=True)


def test_an_image_is_an_estimate():
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}
    assert count(messages=user([part])) == Count(7 + 85, exact=False)


def test_audio_counts_ten_tokens_a_second():
    second = base64.b64encode(bytes(48_000)).decode()
    part = {"type": "input_audio", "input_audio": {"data": second, "format": "wav"}}
    assert count(messages=user([part])) == Count(7 + 10, exact=False)


def test_a_pdf_counts_by_its_pages():
    pages = base64.b64encode(b"%PDF-1.4 /Type /Pages /Type /Page /Type/Page ").decode()
    part = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{pages}"}}
    assert count(messages=user([part])) == Count(7 + 2 * (600 + 765), exact=False)


@pytest.mark.parametrize("file", [{"file_id": "file-1"}, {"file_data": "data:application/pdf;base64,?"}, {}])
def test_a_file_that_cannot_be_read_counts_as_a_page(file):
    assert count(messages=user([{"type": "file", "file": file}])) == Count(7 + 600 + 765, exact=False)


def test_a_text_file_counts_by_its_size():
    data = base64.b64encode(b"x" * 4000).decode()
    part = {"type": "file", "file": {"file_data": f"data:text/plain;base64,{data}"}}
    assert count(messages=user([part])) == Count(7 + 1001, exact=False)


def test_an_unknown_part_counts_its_strings():
    assert count(messages=user([{"type": "odd", "words": ["hello world"]}])) == Count(7 + 2, exact=False)


KEYS = [
    "model",
    "messages",
    "role",
    "content",
    "name",
    "type",
    "text",
    "image_url",
    "url",
    "detail",
    "input_audio",
    "data",
    "format",
    "file",
    "file_data",
    "tool_calls",
    "tools",
    "functions",
    "function",
    "parameters",
    "properties",
    "description",
    "enum",
    "tool_choice",
    "response_format",
    "json_schema",
]
WORDS = [
    "text",
    "image_url",
    "input_audio",
    "file",
    "json_schema",
    "data:image/png;base64,\u00e9",
    "x,\u00e9",
]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(WORDS) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=30,
)


@given(body=st.dictionaries(st.sampled_from(KEYS), anything))
def test_a_body_of_any_shape_is_counted(body):
    """The API may refuse it; counting does not fall over it."""
    assert count_request(body, load("o200k_base")).tokens >= 2
