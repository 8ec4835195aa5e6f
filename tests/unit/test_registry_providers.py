"""Where models are served: names, addresses, and what to do with the first word of a model."""

import pytest

from llmcli.registry.providers import find_provider, provider_names, provider_of_url, split_model

HOSTED = [
    "openai",
    "azure",
    "anthropic",
    "gemini",
    "mistral",
    "groq",
    "deepseek",
    "xai",
    "openrouter",
    "together",
    "fireworks",
    "cerebras",
    "novita",
    "deepinfra",
    "nvidia",
    "huggingface",
    "xroute",
]
LOCAL = ["ollama", "lmstudio", "vllm", "llamacpp", "sglang", "local", "offline"]


def test_the_table_holds_every_promised_provider_and_no_other():
    assert sorted(provider_names()) == sorted(HOSTED + LOCAL)


@pytest.mark.parametrize("name", HOSTED)
def test_a_hosted_provider_has_an_https_address_and_a_key(name):
    provider = find_provider(name)
    assert provider.name == name
    assert provider.base_url.startswith("https://")
    assert provider.key_required
    assert provider.api_key_env


@pytest.mark.parametrize("name", LOCAL)
def test_a_local_provider_needs_no_key(name):
    assert not find_provider(name).key_required


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("openai", "OPENAI_BASE_URL"),
        ("azure", "AZURE_OPENAI_ENDPOINT"),
        ("ollama", "OLLAMA_HOST"),
        ("groq", None),
        ("offline", None),
    ],
)
def test_the_variable_of_the_address(name, variable):
    assert find_provider(name).base_url_env == variable


@pytest.mark.parametrize("name", HOSTED + LOCAL)
def test_the_output_limit_goes_by_the_name_that_the_provider_takes(name):
    newer = {"openai", "azure", "groq", "xroute", "offline"}
    expected = "max_completion_tokens" if name in newer else "max_tokens"
    assert find_provider(name).max_tokens_param == expected


def test_what_groq_rejects_whatever_the_model():
    groq = find_provider("groq")
    assert groq.rejected == {"logprobs", "top_logprobs", "logit_bias"}
    assert groq.max_n == 1


def test_what_anthropic_drops_in_silence():
    assert {"seed", "logprobs", "response_format", "reasoning_effort"} <= find_provider("anthropic").ignored


def test_an_unknown_provider_is_none():
    assert find_provider("perplexity") is None
    assert find_provider("_meta") is None


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("gpt-4o", (None, "gpt-4o")),
        ("openai/gpt-4o-mini", ("openai", "gpt-4o-mini")),
        ("groq/openai/gpt-oss-120b", ("groq", "openai/gpt-oss-120b")),
        ("acme/foo", (None, "acme/foo")),
        ("ollama/llama3:8b", ("ollama", "llama3:8b")),
        ("offline/flaky?rate=0.2&status=429", ("offline", "flaky?rate=0.2&status=429")),
        ("lm_studio/x", ("lmstudio", "x")),
        ("llama.cpp/x", ("llamacpp", "x")),
        ("together_ai/x/y", ("together", "x/y")),
        ("fireworks_ai/accounts/fireworks/models/x", ("fireworks", "accounts/fireworks/models/x")),
        ("openai", (None, "openai")),
        ("openai/", ("openai", "")),
        ("/x", (None, "/x")),
        ("_meta/x", (None, "_meta/x")),
        ("", (None, "")),
    ],
)
def test_split_model(spec, expected):
    assert split_model(spec) == expected


def test_providers_of_the_config_file_are_known_too():
    assert split_model("acme/foo/bar", known=["acme"]) == ("acme", "foo/bar")
    assert split_model("lm_studio/x", known={"lm_studio"}) == ("lm_studio", "x")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://API.OpenAI.com:443/v1/", "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("https://my-resource.openai.azure.com/openai/v1/", "azure"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.novita.ai/openai/v1", "novita"),
        ("https://api.novita.ai/v3/openai", "novita"),
        ("https://api.deepinfra.com/v1/openai", "deepinfra"),
        ("https://eu.openrouter.ai/api/v1", "openrouter"),
        ("https://us.api.x.ai/v1", "xai"),
        ("http://localhost:11434/v1", "ollama"),
        ("http://localhost:8080", "llamacpp"),
        ("offline:", "offline"),
        ("https://api.openai.com.evil.example/v1", None),
        ("https://evil-api.openai.com/v1", None),
        ("https://api.openai.com:8443/v1", "openai"),
        ("http://api.openai.com/v1", "openai"),
        ("http://EU.openrouter.ai:80/api/v1", "openrouter"),
        ("http://127.0.0.1:11434/v1", None),
        ("http://localhost:9999/v1", None),
        ("http://sub.localhost:11434/v1", None),
        ("http://localhost:port/v1", None),
        ("http://[::1", None),
        ("localhost", None),
        ("", None),
    ],
)
def test_provider_of_url(url, name):
    provider = provider_of_url(url)
    assert (provider and provider.name) == name


@pytest.mark.parametrize("name", HOSTED + LOCAL)
def test_every_address_of_the_table_leads_back_to_its_provider(name):
    url = find_provider(name).base_url.replace("{resource}", "mine")
    assert provider_of_url(url).name == name
