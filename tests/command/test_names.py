"""Whose name, whose key: what is sent for `-m` at an address, and which provider's key goes there."""

from __future__ import annotations

import json

import pytest

from tests import server as wire
from tests.conftest import Result

ROUTER = "https://openrouter.ai/api/v1"
KEYS = {
    "OPENAI_API_KEY": "sk-openai-openai",
    "DEEPSEEK_API_KEY": "sk-deepseek-deepseek",
    "OPENROUTER_API_KEY": "sk-router-router",
    "OLLAMA_API_KEY": "sk-ollama-ollama",
}


@pytest.fixture
def sent(cli):
    """The body's model that a command line would send."""

    def run(*argv: str, **more: object) -> str:
        result = cli("ask", "--dry-run", *argv, "hi", **more)
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)["model"]

    return run


def curl(cli, *argv: str, **more: object) -> tuple[str, str | None]:
    """The address that is asked, and the variable of the key that goes there."""
    result = cli("ask", "--curl", *argv, "hi", **more)
    assert (result.code, result.err) == (0, "")
    words = result.out.split()
    key = next((word.strip('"$') for word in words if word.startswith("$")), None)
    return words[1].strip("'").removesuffix("/chat/completions"), key


# --- The name -----------------------------------------------------------------------------------------------

OWN = "http://127.0.0.1:9/v1"
NAMES = [
    ("openai/gpt-oss-20b", OWN, "openai/gpt-oss-20b"),  # what LM Studio calls it
    ("openai/gpt-oss-20b", "http://localhost:1234/v1", "openai/gpt-oss-20b"),
    ("mistral/devstral", OWN, "mistral/devstral"),
    ("groq/compound", OWN, "groq/compound"),
    ("gpt-oss-20b", OWN, "gpt-oss-20b"),
    ("qwen/qwen3-8b", OWN, "qwen/qwen3-8b"),
    ("deepseek/deepseek-chat", ROUTER, "deepseek/deepseek-chat"),
    ("openai/gpt-4o", "https://eu.openrouter.ai/api/v1", "openai/gpt-4o"),
    ("openai/gpt-4o", "https://api.openai.com/v1", "gpt-4o"),
    ("openai/gpt-4o", "https://eu.api.openai.com/v1/", "gpt-4o"),
    ("groq/llama-3.1-8b-instant", "https://api.groq.com/openai/v1", "llama-3.1-8b-instant"),
    ("openrouter/deepseek/deepseek-chat", ROUTER, "deepseek/deepseek-chat"),
    *((f"{name}/qwen3", OWN, "qwen3") for name in ("ollama", "vllm", "llamacpp", "lmstudio", "sglang")),
    ("llama.cpp/qwen3", OWN, "qwen3"),
    ("azure/deployment", OWN, "deployment"),
]


@pytest.mark.parametrize(("typed", "address", "name"), NAMES)
def test_a_name_goes_as_typed_but_to_its_providers_own_address(sent, typed, address, name):
    assert sent("-m", typed, "--base-url", address) == name


@pytest.mark.parametrize("typed", ["openai/gpt-oss-20b", "gpt-oss-20b"])
def test_the_variable_of_openais_address_is_as_base_url(sent, typed):
    assert sent("-m", typed, env={"OPENAI_BASE_URL": OWN}) == typed
    assert sent("-m", typed, env={"OPENAI_BASE_URL": "https://api.openai.com/v1"}) == "gpt-oss-20b"


@pytest.mark.parametrize(
    ("typed", "variable", "address"),
    [
        ("ollama/qwen3", "OLLAMA_HOST", "gpu:11434"),
        ("azure/qwen3", "AZURE_OPENAI_ENDPOINT", "https://r.azure"),
    ],
)
def test_a_providers_own_variable_makes_an_address_its_own(sent, typed, variable, address):
    assert sent("-m", typed, env={variable: address}) == "qwen3"


def test_config_makes_an_address_a_providers_own(sent, config):
    config.write_text(
        '[providers.groq]\nbase_url = "http://proxy/v1"\n[providers.mine]\napi_key_env = "MINE"\n'
    )
    assert sent("-m", "groq/llama") == "llama"
    assert sent("-m", "groq/llama", "--base-url", "http://proxy/v1/") == "llama"
    assert sent("-m", "groq/llama", "--base-url", "http://other/v1") == "groq/llama"
    assert sent("-m", "mine/llama", "--base-url", "http://anywhere/v1") == "llama"


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("openrouter/auto", "openrouter/auto"),
        ("openrouter/openrouter/auto", "openrouter/auto"),
        ("openrouter/openai/gpt-4o", "openai/gpt-4o"),
        ("groq/compound", "groq/compound"),
        ("groq/compound-mini", "groq/compound-mini"),
        ("groq/compound-beta", "groq/compound-beta"),
        ("groq/openai/gpt-oss-20b", "openai/gpt-oss-20b"),
        ("groq/llama-3.1-8b-instant", "llama-3.1-8b-instant"),
        ("nvidia/llama-3.1-nemotron-70b-instruct", "nvidia/llama-3.1-nemotron-70b-instruct"),
        ("nvidia/meta/llama-3.1-8b-instruct", "meta/llama-3.1-8b-instruct"),
        ("together/Tev1-4B-experimental", "together/Tev1-4B-experimental"),
    ],
)
def test_a_prefix_that_is_part_of_the_id_stays_at_home(sent, config, typed, name):
    assert sent("-m", typed) == name
    config.write_text(f'[providers.{typed.partition("/")[0]}]\nbase_url = "http://proxy/v1"\n')
    assert sent("-m", typed) == name


def test_what_a_user_typed_is_what_is_named(ask, server):
    result = ask("-m", "openai/gpt-oss-20b", "-u", "hi")
    assert server.requests[0].json["model"] == "openai/gpt-oss-20b"
    assert result.err.endswith(", openai/gpt-oss-20b\n")


def test_a_rows_own_model_goes_as_typed(cli, server):
    rows = b'{"prompt":"a","model":"openai/gpt-oss-20b"}\n{"prompt":"b"}\n'
    result = cli("batch", "--base-url", server.base_url, "-m", "mistral/tiny", "-j", "1", stdin=rows)
    assert [request.json["model"] for request in server.requests] == ["openai/gpt-oss-20b", "mistral/tiny"]
    models = {json.loads(line)["llmcli"]["model"] for line in result.out.splitlines()}
    assert models == {"openai/gpt-oss-20b", "mistral/tiny"}


def test_fallbacks_go_as_typed_to_the_same_address(ask, server):
    server.script = wire.status(503)
    ask("-m", "openai/a", "--fallback", "b", "--fallback", "openai/c", "--retries", "0", "hi")
    assert [request.json["model"] for request in server.requests] == ["openai/a", "b", "openai/c"]


def test_a_fallback_of_the_typed_provider_stays_with_the_router(cli, server, config):
    config.write_text(f'[providers.openrouter]\nbase_url = "{server.base_url}"\n')
    server.script = wire.status(503)
    argv = ["-m", "openrouter/x/a", "--fallback", "openrouter/auto", "--retries", "0", "hi"]
    cli("ask", *argv, env=KEYS)
    assert [request.json["model"] for request in server.requests] == ["x/a", "openrouter/auto"]


def test_the_models_of_a_gateway_are_listed_as_they_are_typed(cli, server):
    server.models = wire.reply({"data": [{"id": "openai/gpt-4o"}, {"id": "tiny"}]})
    argv = ["--live", "--base-url", server.base_url, "--json"]
    records = json.loads(cli("models", *argv).out)
    assert [record["id"] for record in records] == ["openai/gpt-4o", "tiny"]
    assert records[0]["context_window"] == 128000
    assert [record["id"] for record in json.loads(cli("models", *argv, "openai/").out)] == [
        "openai/gpt-4o",
        "tiny",
    ]


@pytest.mark.parametrize("typed", ["tiny", "openai/tiny", "openai/openai/tiny", "ollama/tiny", "groq/tiny"])
def test_a_session_asks_the_same_model_again(cli, server, tmp_path, typed):
    argv = ["--base-url", server.base_url, "--session", str(tmp_path / "s.jsonl"), "hi"]
    cli("ask", "-m", typed, *argv)
    cli("ask", *argv)
    first, second = (request.json["model"] for request in server.requests)
    assert first == second


def test_price_window_and_count_are_those_of_the_model(cli):
    plain = json.loads(cli("count", "--json", "-m", "gpt-4o-mini", "hi").out)
    behind = json.loads(cli("count", "--json", "-m", "openai/gpt-4o-mini", "--base-url", OWN, "hi").out)
    assert behind == {**plain, "model": "openai/gpt-4o-mini"}
    assert plain["cost_usd"]["input"] > 0


@pytest.mark.parametrize("priced", ["openai/gpt-oss-20b", "gpt-oss-20b"])
def test_a_price_of_the_config_holds_for_the_name_as_typed(cli, config, priced):
    config.write_text(f'[prices."{priced}"]\nin = 1\nout = 2\n')
    argv = ["count", "--json", "-m", "openai/gpt-oss-20b", "--base-url", OWN, "hi"]
    assert json.loads(cli(*argv).out)["cost_usd"]["input"] > 0


def test_a_reasoning_model_behind_a_gateway_refuses_what_it_refuses(cli):
    argv = ["ask", "--dry-run", "-m", "openai/o4-mini", "--base-url", OWN, "--temperature", "1.5", "hi"]
    assert cli(*argv).code == 2


# --- The key ------------------------------------------------------------------------------------------------

WHOSE = [
    ("deepseek/deepseek-chat", ROUTER, "OPENROUTER_API_KEY"),
    ("openai/gpt-4o", ROUTER, "OPENROUTER_API_KEY"),
    ("gpt-4o", ROUTER, "OPENROUTER_API_KEY"),
    ("ollama/x", ROUTER, "OPENROUTER_API_KEY"),
    ("openrouter/auto", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    ("deepseek/deepseek-chat", "https://gateway.example/v1", "DEEPSEEK_API_KEY"),
    ("deepseek/deepseek-chat", OWN, "DEEPSEEK_API_KEY"),
    ("deepseek/deepseek-chat", "http://localhost:11434/v1", "DEEPSEEK_API_KEY"),
    ("x", OWN, "OPENAI_API_KEY"),
    ("x", "http://localhost:8000/v1", "OPENAI_API_KEY"),
    ("x", "http://localhost:11434/v1", "OLLAMA_API_KEY"),
    ("ollama/x", "http://localhost:8000/v1", "OLLAMA_API_KEY"),
    ("vllm/x", "http://localhost:8000/v1", None),
    ("vllm/x", OWN, None),
]


@pytest.mark.parametrize(("typed", "address", "variable"), WHOSE)
def test_the_key_is_that_of_the_address_else_that_of_the_model(cli, typed, address, variable):
    assert curl(cli, "-m", typed, "--base-url", address, env=KEYS) == (address, variable)


@pytest.mark.parametrize("typed", ["deepseek/deepseek-chat", "ollama/x", "gpt-4o"])
def test_without_the_key_of_the_address_none_goes_there(cli, typed):
    env = {name: key for name, key in KEYS.items() if name != "OPENROUTER_API_KEY"}
    assert cli("ask", "-m", typed, "--base-url", ROUTER, "hi", env=env) == Result(
        77,
        "",
        "llmcli: auth: there is no key for openrouter; set OPENROUTER_API_KEY or use --api-key-file\n",
    )


def test_a_configs_own_provider_has_its_own_key_at_the_address_that_it_names(cli, config):
    config.write_text(f'[providers.work]\nbase_url = "{ROUTER}"\napi_key_env = "WORK_KEY"\n')
    env = {**KEYS, "WORK_KEY": "sk-work-work"}
    assert curl(cli, "-m", "work/x", env=env) == (ROUTER, "WORK_KEY")
    assert curl(cli, "-m", "work/x", "--base-url", "https://api.openai.com/v1", env=env) == (
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
    )


def test_a_config_that_moves_a_provider_to_anothers_address_moves_no_key(cli, config):
    config.write_text(f'[providers.deepseek]\nbase_url = "{ROUTER}"\n')
    assert curl(cli, "-m", "deepseek/deepseek-chat", env=KEYS) == (ROUTER, "OPENROUTER_API_KEY")


@pytest.mark.parametrize("command", ["ask", "batch"])
def test_a_key_goes_to_an_address_that_is_nobodys(cli, server, command):
    server.script = wire.echo_auth("sk-deepseek-deepseek")
    argv = ["-m", "deepseek/deepseek-chat", "--base-url", server.base_url]
    more = {"stdin": b'{"prompt":"hi"}\n'} if command == "batch" else {}
    assert cli(command, *argv, *["hi"] * (command == "ask"), env=KEYS, **more).code == 0


# --- The address --------------------------------------------------------------------------------------------

WRITTEN = [
    f" {OWN}\n",
    f"{OWN}/",
    f"{OWN}/chat/completions",
    f"{OWN}/chat/completions/",
    f"\t{OWN}/chat/completions \n",
]


@pytest.mark.parametrize("written", WRITTEN)
def test_an_address_is_trimmed_and_ends_before_the_endpoint(cli, config, written):
    assert curl(cli, "--base-url", written, "-m", "x")[0] == OWN
    assert curl(cli, "-m", "x", env={"OPENAI_BASE_URL": written})[0] == OWN
    config.write_text(f"[providers.mine]\nbase_url = {json.dumps(written)}\n")
    assert curl(cli, "-m", "mine/x")[0] == OWN


@pytest.mark.parametrize("written", [f"{OWN}?v=1", f"{OWN}/?v=1", f"{OWN}/chat/completions?v=1"])
def test_an_endpoint_is_taken_off_before_a_query_too(cli, written):
    assert curl(cli, "--base-url", written, "-m", "x")[0] == f"{OWN}/chat/completions?v=1"


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("gpu", "http://gpu:11434/v1"),
        ("0.0.0.0", "http://0.0.0.0:11434/v1"),
        (":8000", "http://127.0.0.1:8000/v1"),
        ("gpu:1 ", "http://gpu:1/v1"),
        ("[::1]", "http://[::1]:11434/v1"),
        ("https://ollama.example", "https://ollama.example/v1"),
    ],
)
def test_ollamas_variable_may_leave_the_port_or_the_host_out(cli, said, address):
    assert curl(cli, "-m", "ollama/x", env={"OLLAMA_HOST": said})[0] == address


def test_an_azure_resource_may_be_called_openai(cli):
    env = {"AZURE_OPENAI_ENDPOINT": "https://openai-prod.openai.azure.com/ "}
    assert curl(cli, "-m", "azure/x", env=env)[0] == "https://openai-prod.openai.azure.com/openai/v1"


@pytest.mark.parametrize("code", [404, 405])
def test_a_lost_request_shows_the_address_and_asks_whether_it_ends_in_v1(ask, server, code):
    server.script = wire.status(code, {"detail": "Not Found"})
    root = server.base_url.removesuffix("/v1")
    assert f"the address {root} (does it end in /v1?)\n" in ask("--base-url", root, "hi").err
    assert ask("hi").err.endswith(f"the address {server.base_url}\n")


def test_a_lost_request_of_a_batch_shows_it_too(cli, server):
    server.script = wire.status(404, {"detail": "Not Found"})
    root = server.base_url.removesuffix("/v1")
    out = cli("batch", "--base-url", root, "-m", "x", stdin=b'{"prompt":"hi"}\n').out
    assert f"the address {root} (does it end in /v1?)" in json.loads(out)["error"]["message"]
