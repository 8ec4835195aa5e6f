"""The Responses API beside Chat Completions: what each calls the same thing, for every translation either way.

Where one name stands for both, the two APIs agree. Source: the SDK's types of both, and what servers do.
"""

from __future__ import annotations

RESPONSES = "responses"

SHARED_FIELDS = frozenset(
    [
        *("model", "stream", "store", "metadata", "user", "safety_identifier", "service_tier", "moderation"),
        *("temperature", "top_p", "top_logprobs", "parallel_tool_calls"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
    ]
)
"""Fields of a request that both have, under one name and with one meaning."""

MOVED_FIELDS = {
    "max_completion_tokens": ("max_output_tokens",),
    "max_tokens": ("max_output_tokens",),
    "reasoning_effort": ("reasoning", "effort"),
    "verbosity": ("text", "verbosity"),
}
"""Fields of Chat Completions that stand elsewhere in the other: the way to them."""

RESHAPED_FIELDS = frozenset(
    [
        *("messages", "tools", "tool_choice", "response_format", "logprobs", "stream_options"),
        "web_search_options",
    ]
)
"""Fields of Chat Completions whose values have another shape: `llmcli/request/responses/` has a function for each."""

LACKING_FIELDS = frozenset(
    [
        *("n", "stop", "seed", "logit_bias", "frequency_penalty", "presence_penalty"),
        *("prediction", "modalities", "audio", "functions", "function_call"),
    ]
)
"""Fields of Chat Completions that have no counterpart."""

ONLY_FIELDS = frozenset(
    [
        *(
            "input",
            "instructions",
            "include",
            "text",
            "reasoning",
            "truncation",
            "background",
            "conversation",
        ),
        *("previous_response_id", "max_output_tokens", "max_tool_calls", "prompt", "context_management"),
    ]
)
"""Fields that the Responses API alone has."""

SAID = {"text": "input_text", "image_url": "input_image", "file": "input_file"}
"""Parts of what is said to the model, by their type."""

ANSWERED = {"text": "output_text", "refusal": "refusal"}
"""Parts of what a model said."""

CALL_ITEMS = {"function_call": ("function", "arguments"), "custom_tool_call": ("custom", "input")}
"""Items that call a tool: the kind of the tool, and where what it is given stands in both."""

LOGPROBS = "message.output_text.logprobs"
ENCRYPTED = "reasoning.encrypted_content"
"""What `include` asks for beside an answer."""

USAGE_COUNTS = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens_details": "output_tokens_details",
}

CUT_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""A finish_reason, and the reason of an answer whose status is `incomplete`."""

UNFINISHED = frozenset({"queued", "in_progress"})
"""Statuses of an answer that is still made."""

SHARED_HEAD = ("id", "model", "service_tier", "system_fingerprint", "moderation", "timings")
"""What the two answers have in common beside what was said."""
