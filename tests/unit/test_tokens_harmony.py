"""Prompt tokens of gpt-oss: a table that OpenAI's own openai-harmony 0.0.8 made."""

from __future__ import annotations

import pytest

from llmcli.tokens.count import Count, counted_request

# Without the line of the date, which a request does not say: a server that puts it in adds 11 tokens.
TABLE = {
    "hi": (57, {"messages": [{"role": "user", "content": "hi"}]}),
    "system": (
        67,
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]},
    ),
    "developer": (
        67,
        {"messages": [{"role": "developer", "content": "Be brief.\n"}, {"role": "user", "content": "hi"}]},
    ),
    "turns": (
        70,
        {
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "Hello!"},
                {"role": "user", "content": "bye"},
            ]
        },
    ),
    "special": (63, {"messages": [{"role": "user", "content": "<|end|> is text"}]}),
    "bare tool": (
        95,
        {
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [{"type": "function", "function": {"name": "now"}}],
        },
    ),
    "described": (
        120,
        {
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
            "tools": [
                {"type": "function", "function": {"name": "now", "description": "The time\nof day."}},
                {
                    "type": "function",
                    "function": {
                        "name": "two",
                        "description": "Two",
                        "parameters": {"type": "object", "properties": {}},
                    },
                },
            ],
        },
    ),
    "flat": (
        142,
        {
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "w",
                        "description": "Weather",
                        "parameters": {
                            "type": "object",
                            "properties": {
                                "city": {"type": "string", "description": "The city"},
                                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                                "days": {"type": "integer"},
                                "f": {"type": "number"},
                                "b": {"type": "boolean"},
                                "l": {"type": "array", "items": {"type": "string"}, "description": "Many"},
                                "n": {"type": ["string", "null"]},
                            },
                            "required": ["city"],
                        },
                    },
                }
            ],
        },
    ),
    "defaults": (
        131,
        {
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "w",
                        "parameters": {
                            "type": "object",
                            "properties": {
                                "b": {"type": "boolean", "default": True},
                                "i": {"type": "integer", "default": 3},
                                "e": {"type": "string", "enum": ["a", "b"], "default": "a"},
                            },
                            "required": ["b"],
                        },
                    },
                }
            ],
        },
    ),
    "default text": (
        109,
        {
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "w",
                        "parameters": {
                            "type": "object",
                            "properties": {"s": {"type": "string", "default": "x y"}},
                            "required": ["s"],
                        },
                    },
                }
            ],
        },
    ),
    "default null": (
        107,
        {
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "w",
                        "parameters": {
                            "type": "object",
                            "properties": {"s": {"type": "string", "default": None}},
                            "required": ["s"],
                        },
                    },
                }
            ],
        },
    ),
    "default list": (
        108,
        {
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "w",
                        "parameters": {
                            "type": "object",
                            "properties": {
                                "s": {"type": "array", "items": {"type": "string"}, "default": ["x"]}
                            },
                            "required": ["s"],
                        },
                    },
                }
            ],
        },
    ),
    "enum list": (
        108,
        {
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "w",
                        "parameters": {
                            "type": "object",
                            "properties": {
                                "s": {"type": "array", "items": {"type": "string", "enum": ["x", "y"]}}
                            },
                            "required": ["s"],
                        },
                    },
                }
            ],
        },
    ),
    "desc multi": (
        106,
        {
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "w",
                        "parameters": {
                            "type": "object",
                            "properties": {"s": {"type": "string", "description": "one\ntwo"}},
                            "required": ["s"],
                        },
                    },
                }
            ],
        },
    ),
    "null type": (
        102,
        {
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "w",
                        "parameters": {
                            "type": "object",
                            "properties": {"s": {"type": "null"}},
                            "required": ["s"],
                        },
                    },
                }
            ],
        },
    ),
}


@pytest.mark.parametrize(("tokens", "body"), TABLE.values(), ids=TABLE)
@pytest.mark.parametrize(
    ("provider", "model"),
    [("groq", "openai/gpt-oss-20b"), ("ollama", "gpt-oss:20b"), ("vllm", "GPT-OSS-120B")],
)
def test_a_request_has_the_tokens_that_harmony_renders(provider, model, tokens, body):
    assert counted_request(provider, model, {"model": model, **body}) == Count(tokens, exact=True)


HI = {"role": "user", "content": "hi"}
CALL = {"id": "1", "type": "function", "function": {"name": "w", "arguments": '{"a":1}'}}


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "system", "content": "a"}, {"role": "system", "content": "b"}, HI]},
        {"messages": [{**HI, "name": "joe"}]},
        {"messages": [HI, {"role": "assistant", "tool_calls": [CALL]}]},
        {"messages": [HI], "response_format": {"type": "json_object"}},
        {"messages": [HI], "tools": [{"type": "custom", "custom": {"name": "x"}}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
    ],
    ids=str,
)
def test_what_servers_render_each_in_their_way_is_an_estimate(body):
    counted = counted_request("groq", "openai/gpt-oss-20b", {"model": "openai/gpt-oss-20b", **body})
    assert (counted.tokens > 50, counted.exact) == (True, False)
