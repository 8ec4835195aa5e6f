"""What is refused before sending: every rule by a model that has it, and by one that has not."""

import pytest

from llmcli.registry.limits import is_reasoning, refused_parameters


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "o1"),
        ("openai", "o3"),
        ("openai", "o4-mini"),
        ("openai", "o3-2025-04-16"),
        ("openai", "gpt-5"),
        ("openai", "gpt-5.4-mini"),
        ("openai", "gpt-6-luna"),
        ("openai", "gpt-6.1-terra-2026-09-29"),
        ("openai", "gpt-7"),
        ("openai", "gpt-10-nova-2028-01-01"),
        ("openai", "ft:o4-mini-2025-04-16:acme::abc"),
        ("openai", "daybreak-blue-latest"),
        ("azure", "gpt-5"),
        ("azure", "o1-mini"),
        ("openrouter", "openai/gpt-6-luna"),
        ("openrouter", "openai/gpt-5:online"),
        ("xroute", "gpt-5.5"),
        ("acme", "gpt-5"),
    ],
)
def test_reasoning_models(provider, name):
    assert is_reasoning(provider, name)


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "gpt-4o"),
        ("openai", "gpt-4.1-mini"),
        ("openai", "gpt-3.5-turbo"),
        ("openai", "gpt-5-chat-latest"),
        ("openai", "gpt-5.3-chat-latest"),
        ("openai", "gpt-5-chat"),
        ("openai", "gpt-7-chat-latest"),
        ("openai", "chat-latest"),
        ("openai", "gpt-audio"),
        ("openai", "ft:gpt-4o:acme::abc"),
        ("azure", "gpt-5.2-chat"),
        ("azure", "gpt-35-turbo"),
        ("azure", "my-deployment"),
        ("groq", "openai/gpt-oss-120b"),
        ("anthropic", "claude-opus-5-5"),
        ("deepseek", "deepseek-reasoner"),
        ("ollama", "gpt-5"),
        ("llamacpp", "o1"),
        ("huggingface", "acme/o1x"),
        ("offline", "echo"),
    ],
)
def test_other_models(provider, name):
    assert not is_reasoning(provider, name)


SAMPLING = {
    "temperature": 0.2,
    "top_p": 0.9,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "logprobs": True,
    "top_logprobs": 3,
    "logit_bias": {"1": 1},
    "stop": ["x"],
    "seed": 1,
    "n": 3,
    "max_completion_tokens": 5,
    "max_tokens": 5,
    "top_k": 3,
    "verbosity": "low",
}
O_SERIES = {
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "max_tokens",
}
GPT = O_SERIES | {"stop"}


@pytest.mark.parametrize(
    ("provider", "name", "refused"),
    [
        ("openai", "gpt-4o", set()),
        ("openai", "gpt-5-chat-latest", set()),
        ("openai", "no-such-model", set()),
        ("acme", "whatever", set()),
        ("ollama", "llama3", set()),
        ("offline", "echo", set()),
        ("openai", "o1", O_SERIES),
        ("openai", "o3-mini", O_SERIES),
        ("openai", "o3", O_SERIES | {"stop"}),
        ("openai", "o4-mini", O_SERIES | {"stop"}),
        ("openai", "gpt-5", GPT),
        ("openai", "gpt-6-luna", GPT),
        ("azure", "gpt-6-astra", GPT),
        # the default effort of these is none: sampling is theirs, the rest is not
        ("openai", "gpt-5.1", GPT - {"temperature", "top_p", "logprobs", "top_logprobs"}),
        ("openai", "gpt-5.4-mini", GPT - {"temperature", "top_p", "logprobs", "top_logprobs"}),
        # a gateway translates max_tokens; an unknown model may be anybody's
        ("openrouter", "openai/gpt-6-luna", GPT - {"max_tokens"}),
        ("openai", "gpt-7", GPT - {"max_tokens"}),
        ("anthropic", "claude-sonnet-5-5", {"temperature", "top_p", "top_k", "n"}),
        ("anthropic", "claude-sonnet-4-5", {"n"}),
        ("gemini", "gemini-3.8-flash", {"temperature", "top_p", "top_k", "frequency_penalty"}),
        ("gemini", "gemini-2.5-flash", {"frequency_penalty"}),
        ("groq", "openai/gpt-oss-120b", {"logprobs", "top_logprobs", "logit_bias", "n"}),
        ("cerebras", "gpt-oss-120b", {"presence_penalty", "frequency_penalty", "logit_bias", "n"}),
        ("deepseek", "deepseek-v4-flash", {"n"}),
    ],
)
def test_which_parameters_are_refused(provider, name, refused):
    assert set(refused_parameters(provider, name, SAMPLING)) == refused


@pytest.mark.parametrize("name", ["modalities", "prediction", "audio", "web_search_options"])
def test_gpt_5_and_later_take_no_extras_of_their_elders(name):
    assert set(refused_parameters("openai", "gpt-6-sol", {name: {}})) == {name}
    assert refused_parameters("openai", "gpt-4o", {name: {}}) == {}


@pytest.mark.parametrize("name", ["o3", "gpt-5", "gpt-6-luna", "openai/gpt-6-luna"])
def test_what_changes_nothing_is_not_refused(name):
    parameters = {"temperature": 1, "top_p": 1.0, "logprobs": False, "stop": None, "logit_bias": None}
    assert refused_parameters("openai", name, parameters) == {}


def test_effort_none_brings_sampling_back():
    parameters = {"temperature": 0, "top_p": 0.5, "logprobs": True, "top_logprobs": 2}
    assert set(refused_parameters("openai", "gpt-6-luna", parameters)) == set(parameters)
    assert refused_parameters("openai", "gpt-6-luna", parameters | {"reasoning_effort": "none"}) == {}
    assert refused_parameters("openai", "gpt-5.1", parameters | {"reasoning_effort": "low"}).keys() == set(
        parameters
    )
    assert refused_parameters("openai", "gpt-5.1", parameters | {"reasoning_effort": None}) == {}


def test_effort_none_brings_nothing_back_where_there_is_no_effort_none():
    refused = refused_parameters("openai", "gpt-5", {"temperature": 0, "reasoning_effort": "none"})
    assert set(refused) == {"temperature", "reasoning_effort"}


@pytest.mark.parametrize(
    ("provider", "name", "effort", "reason"),
    [
        ("openai", "gpt-4o", "low", "gpt-4o is not a reasoning model and rejects reasoning_effort"),
        ("azure", "gpt-4o", "low", "gpt-4o is not a reasoning model and rejects reasoning_effort"),
        (
            "openrouter",
            "openai/gpt-4o",
            "low",
            "openai/gpt-4o is not a reasoning model and rejects reasoning_effort",
        ),
        ("openai", "gpt-5", "none", "gpt-5 does not take reasoning_effort none"),
        ("openai", "gpt-6-luna", "minimal", "gpt-6-luna does not take reasoning_effort minimal"),
        ("gemini", "gemini-3.8-flash", "minimal", "gemini-3.8-flash does not take reasoning_effort minimal"),
        (
            "together",
            "moonshotai/Kimi-K3",
            "medium",
            "moonshotai/Kimi-K3 takes reasoning_effort low or high or max, not medium",
        ),
        ("openai", "gpt-5", "minimal", None),
        ("openai", "gpt-6-luna", "none", None),
        ("openai", "gpt-6-luna", "max", None),
        ("openai", "o3", "high", None),
        ("openai", "no-such-model", "high", None),
        ("groq", "openai/gpt-oss-120b", "low", None),
        ("acme", "foo", "anything", None),
    ],
)
def test_reasoning_effort(provider, name, effort, reason):
    refused = refused_parameters(provider, name, {"reasoning_effort": effort})
    assert refused.get("reasoning_effort") == reason


@pytest.mark.parametrize(
    ("provider", "name", "parameters", "reason"),
    [
        (
            "openai",
            "gpt-6-luna",
            {"temperature": 0.2},
            "gpt-6-luna is a reasoning model and rejects temperature (only 1, or --reasoning-effort none)",
        ),
        ("openai", "gpt-5", {"top_p": 0.2}, "gpt-5 is a reasoning model and rejects top_p (only 1)"),
        (
            "openai",
            "gpt-6-sol",
            {"logprobs": True},
            "gpt-6-sol is a reasoning model and rejects logprobs (unless --reasoning-effort none)",
        ),
        ("openai", "o3", {"stop": "x"}, "o3 is a reasoning model and rejects stop"),
        (
            "openai",
            "o3",
            {"max_tokens": 5},
            "o3 is a reasoning model and rejects max_tokens (it takes max_completion_tokens)",
        ),
        (
            "anthropic",
            "claude-opus-5-5",
            {"top_k": 5},
            "claude-opus-5-5 takes no sampling parameters and rejects top_k",
        ),
        ("groq", "openai/gpt-oss-20b", {"logprobs": True}, "groq rejects logprobs"),
        ("groq", "openai/gpt-oss-20b", {"n": 2}, "groq gives 1 choice per request and rejects n=2"),
    ],
)
def test_the_reason_is_plain(provider, name, parameters, reason):
    assert refused_parameters(provider, name, parameters) == dict.fromkeys(parameters, reason)


def test_one_choice_is_never_too_many():
    assert refused_parameters("groq", "openai/gpt-oss-20b", {"n": 1}) == {}
