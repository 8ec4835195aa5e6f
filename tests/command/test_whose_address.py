"""Where a model is asked, by which name and with whose key: every way to name a provider and an address."""

from __future__ import annotations

import json

import pytest

from llmcli.registry.providers import find_provider, provider_names
from tests import server as wire
from tests.conftest import Result

KEYS = {
    "OPENAI_API_KEY": "sk-openai-openai",
    "GROQ_API_KEY": "sk-groq-groq-groq",
    "OPENROUTER_API_KEY": "sk-router-router",
    "AZURE_OPENAI_API_KEY": "sk-azure-azure",
    "LAB_KEY": "sk-lab-lab-lab",
}
GATE, OTHER = "http://gate.example/v1", "http://other.example/v1"
GROQ, ROUTER, OPENAI = (find_provider(name).base_url for name in ("groq", "openrouter", "openai"))
OLLAMA = find_provider("ollama").base_url
LAB = '[providers.lab]\nbase_url = "http://lab.example/v1"\napi_key_env = "LAB_KEY"\n'


def sent(cli, *argv: str, env: dict[str, str]) -> tuple[str, str, str | None]:
    """The address, the name and the variable of the key of what a command line would send."""
    shown = cli("ask", "--curl", *argv, "hi", env={**KEYS, **env})
    assert (shown.code, shown.err) == (0, "")
    rehearsed = cli("ask", "--dry-run", *argv, "hi", env={**KEYS, **env})
    words = shown.out.split()
    key = next((word.strip("'\"$") for word in words if word.startswith("$")), None)
    return words[1].strip("'").removesuffix("/chat/completions"), json.loads(rehearsed.out)["model"], key


# model, OPENAI_BASE_URL, further variables, config -> address, name, key
WAYS = [
    ("llama", GATE, {}, "", GATE, "llama", "OPENAI_API_KEY"),
    ("openai/llama", GATE, {}, "", GATE, "openai/llama", "OPENAI_API_KEY"),
    ("groq/llama", GATE, {}, "", GATE, "groq/llama", "GROQ_API_KEY"),
    ("groq/llama", GROQ, {}, "", GROQ, "llama", "GROQ_API_KEY"),
    ("groq/llama", ROUTER, {}, "", ROUTER, "groq/llama", "OPENROUTER_API_KEY"),
    ("openrouter/x/llama", GROQ, {}, "", GROQ, "openrouter/x/llama", "GROQ_API_KEY"),
    ("ollama/llama", GATE, {}, "", GATE, "llama", None),
    ("azure/llama", GATE, {}, "", GATE, "llama", "AZURE_OPENAI_API_KEY"),
    # OpenAI's own address is what holds without the variable
    ("llama", OPENAI, {}, "", OPENAI, "llama", "OPENAI_API_KEY"),
    ("openai/llama", OPENAI, {}, "", OPENAI, "llama", "OPENAI_API_KEY"),
    ("groq/llama", OPENAI, {}, "", GROQ, "llama", "GROQ_API_KEY"),
    ("ollama/llama", OPENAI, {}, "", OLLAMA, "llama", None),
    # a provider's own variable is nearer to its models
    ("ollama/llama", GATE, {"OLLAMA_HOST": "http://gpu:1"}, "", "http://gpu:1/v1", "llama", None),
    (
        "azure/llama",
        GATE,
        {"AZURE_OPENAI_ENDPOINT": "https://r.openai.azure.com"},
        "",
        "https://r.openai.azure.com/openai/v1",
        "llama",
        "AZURE_OPENAI_API_KEY",
    ),
    ("groq/llama", GATE, {"OLLAMA_HOST": "http://gpu:1"}, "", GATE, "groq/llama", "GROQ_API_KEY"),
    # the environment goes before the file
    ("llama", "", {}, f'[providers.openai]\nbase_url = "{OTHER}"\n', OTHER, "llama", "OPENAI_API_KEY"),
    ("llama", GATE, {}, f'[providers.openai]\nbase_url = "{OTHER}"\n', GATE, "llama", "OPENAI_API_KEY"),
    ("groq/llama", "", {}, f'[providers.groq]\nbase_url = "{OTHER}"\n', OTHER, "llama", "GROQ_API_KEY"),
    ("groq/llama", GATE, {}, f'[providers.groq]\nbase_url = "{GATE}"\n', GATE, "llama", "GROQ_API_KEY"),
    ("groq/llama", GATE, {}, f'[providers.groq]\nbase_url = "{OTHER}"\n', GATE, "groq/llama", "GROQ_API_KEY"),
    ("lab/llama", "", {}, LAB, "http://lab.example/v1", "llama", "LAB_KEY"),
    ("lab/llama", GATE, {}, LAB, GATE, "llama", "LAB_KEY"),
    ("lab/llama", OPENAI, {}, LAB, "http://lab.example/v1", "llama", "LAB_KEY"),
]


@pytest.mark.parametrize(("model", "said", "env", "file", "address", "name", "key"), WAYS)
def test_the_variable_of_the_address_is_as_base_url(cli, config, model, said, env, file, address, name, key):
    config.write_text(file)
    assert sent(cli, "-m", model, env={"OPENAI_BASE_URL": said, **env}) == (address, name, key)


@pytest.mark.parametrize(
    ("model", "name"), [("llama", "llama"), ("groq/llama", "groq/llama"), ("ollama/x", "x")]
)
def test_the_flag_goes_before_every_variable(cli, model, name):
    env = {"OPENAI_BASE_URL": GATE, "OLLAMA_HOST": "http://gpu:1"}
    assert sent(cli, "-m", model, "--base-url", OTHER, env=env)[:2] == (OTHER, name)


def test_the_embedded_provider_is_nowhere_else(cli):
    env = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    assert cli("ask", "-m", "offline/echo", "hi", env=env) == Result(0, "hi\n", "")


def test_a_fallback_to_another_provider_is_asked_at_its_own_address(cli, server, config):
    config.write_text(f'[providers.groq]\nbase_url = "{server.base_url}"\n')
    server.script = wire.ok("Hello")
    env = {**KEYS, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    result = cli("ask", "-m", "llama", "--fallback", "groq/llama", "-q", "hi", env=env)
    assert (result, server.requests[0].json["model"]) == (Result(0, "Hello\n", ""), "llama")


# --- Whose key ----------------------------------------------------------------------------------------------


HOSTED = [name for name in provider_names() if find_provider(name).key_required]


@pytest.mark.parametrize("name", HOSTED)
def test_a_known_host_at_another_port_gets_its_own_key_alone(cli, name):
    provider = find_provider(name)
    host = provider.base_url.replace("{resource}", "mine").removeprefix("https://").partition("/")[0]
    env = {
        variable: "sk-of-everybody"
        for name in provider_names()
        for variable in find_provider(name).api_key_env
    }
    address = f"https://{host}:444/v1"
    assert sent(cli, "-m", "llama", "--base-url", address, env=env)[2] == provider.api_key_env[0]
    assert sent(cli, "-m", "mistral/x", "--base-url", address, env=env)[2] == provider.api_key_env[0]


@pytest.fixture(params=["ask", "ask --no-stream", "chat", "batch", "models --live"])
def call(request, cli):
    """A command that calls an address."""

    def run(*argv: str, **more: object) -> Result:
        command, *flags = request.param.split()
        if command == "models":
            return cli("models", *flags, *argv, **more)
        words = ["hi"] if command == "ask" else []
        stdin = {"ask": None, "chat": b"hi\n", "batch": b'{"prompt":"hi"}\n'}[command]
        return cli(command, "-q", *flags, "-m", "llama", *argv, *words, stdin=stdin, **more)

    return run


@pytest.mark.parametrize("host", ["api.groq.com", "api.groq.com:8080", "eu.api.openai.com", "openrouter.ai"])
@pytest.mark.parametrize("way", ["variable", "file"])
def test_no_key_goes_over_plain_http_to_a_known_provider(call, server, tmp_path, host, way):
    """The proxy sees what everybody on the way would see."""
    server.models = wire.reply({"data": [{"id": "llama"}]})
    (tmp_path / "key").write_text("sk-from-a-file")
    flags = ["--api-key-file", str(tmp_path / "key")] if way == "file" else []
    env = {
        **KEYS,
        "HTTP_PROXY": server.base_url.removesuffix("/v1"),
        "http_proxy": server.base_url.removesuffix("/v1"),
    }
    result = call("--base-url", f"http://{host}/v1", *flags, env=env)
    assert (result.code, result.err) == (0, "")
    assert [request.headers.get("authorization") for request in server.requests] == [None]


def test_a_refusal_over_plain_http_says_why_no_key_was_sent(cli, server):
    server.script = wire.status(401)
    env = {**KEYS, "http_proxy": server.base_url.removesuffix("/v1")}
    result = cli("ask", "--base-url", "http://api.groq.com/openai/v1", "-m", "llama", "hi", env=env)
    assert result.code == 77
    assert result.err.endswith("; no key was sent, since the address is plain http: write https://\n")
