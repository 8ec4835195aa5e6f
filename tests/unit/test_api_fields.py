"""The fields that near misses are measured by are those of the SDK's own types."""

from __future__ import annotations

from openai.types.chat import completion_create_params as sdk

from llmcli.request.params import API_FIELDS, EXTENSIONS


def test_the_api_fields_are_those_of_the_sdk():
    streaming = sdk.CompletionCreateParamsStreaming.__annotations__
    whole = sdk.CompletionCreateParamsNonStreaming.__annotations__
    base = sdk.CompletionCreateParamsBase.__annotations__
    assert set(streaming) | set(whole) | set(base) == API_FIELDS


def test_no_extension_is_a_field_of_the_api():
    assert frozenset() == API_FIELDS & EXTENSIONS
