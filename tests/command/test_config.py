"""Keys and configuration: who wins, what is broken, and what is never shown."""

from __future__ import annotations

import json
import os

import pytest

from tests import server as wire
from tests.conftest import Result

KEYS = {"OPENAI_API_KEY": "sk-env"}


# --- Keys ---------------------------------------------------------------------------------------------------


@pytest.fixture
def key(ask, server):
    """The Authorization header that a command line sends."""

    def run(*argv: str, **more: object) -> str | None:
        assert ask(*argv, "hi", **more) == Result(0, "hi\n", "")
        return server.requests[-1].headers.get("authorization")

    return run


def test_the_order_of_keys(key, config, tmp_path):
    (tmp_path / "key").write_text("sk-file\n")
    config.write_text('[providers.openai]\napi_key_command = "echo sk-command"')
    assert key() == "Bearer sk-command"
    assert key(env=KEYS) == "Bearer sk-env"
    assert key("--api-key-file", str(tmp_path / "key"), env=KEYS) == "Bearer sk-file"
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbfsk-file\r\n")  # as editors of Windows write it
    assert key("--api-key-file", str(tmp_path / "key"), env=KEYS) == "Bearer sk-file"
    config.write_text('[providers.openai]\napi_key_env = "MINE"')
    assert key(env=KEYS | {"MINE": "sk-mine"}) == "Bearer sk-mine"


def test_a_server_of_ones_own_may_need_no_key(key):
    assert key() is None
    assert key(env={"OPENAI_API_KEY": "  "}) is None


def test_a_local_provider_needs_no_key(cli, server):
    env = {"OLLAMA_HOST": server.base_url.removesuffix("/v1")}
    assert cli("ask", "-m", "ollama/x", "hi", env=KEYS | env) == Result(0, "hi\n", "")
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize(
    ("model", "name"),
    [("gpt-6-luna", "OPENAI_API_KEY"), ("groq/x", "GROQ_API_KEY"), ("gemini/x", "GEMINI_API_KEY")],
)
def test_no_key(cli, model, name):
    provider = model.partition("/")[0] if "/" in model else "openai"
    env = {} if provider == "openai" else KEYS
    assert cli("ask", "-m", model, "hi", env=env) == Result(
        77, "", f"llmcli: auth: there is no key for {provider}; set {name} or use --api-key-file\n"
    )


def test_azure_without_a_key(cli, server):
    result = cli("ask", "-m", "azure/dep", "hi", env={"AZURE_OPENAI_ENDPOINT": server.base_url[:-3]})
    assert (result.code, server.requests) == (77, [])


def test_a_key_file_that_is_not_there(ask, server):
    result = ask("--api-key-file", "/no/such", "hi", env=KEYS)
    assert result == Result(
        2, "", "llmcli: usage: --api-key-file cannot read /no/such: No such file or directory\n"
    )
    assert server.requests == []


def test_a_key_file_that_is_empty(ask, server, tmp_path):
    (tmp_path / "key").write_text("\n")
    result = ask("--api-key-file", str(tmp_path / "key"), "hi", env=KEYS)
    assert result == Result(
        77, "", f"llmcli: auth: --api-key-file {tmp_path / 'key'} is empty; put the key into it\n"
    )
    assert server.requests == []


@pytest.mark.parametrize("command", ["false", "true", "/no/such/program", "echo 'unbalanced"])
def test_a_key_command_that_fails(ask, server, config, command):
    config.write_text(f'[providers.openai]\napi_key_command = "{command}"')
    result = ask("hi")
    assert (result.code, result.out, server.requests) == (77, "", [])
    assert result.err.startswith("llmcli: auth: api_key_command ")
    assert result.err.endswith("; mend it in the config file\n")


@pytest.mark.parametrize(
    "way", ['api_key_env = "OFFICE_KEY"', 'api_key_env = "OTHER"\napi_key_command = "true"']
)
def test_a_provider_whose_key_is_named_needs_it(cli, server, config, way):
    config.write_text(f'[providers.office]\nbase_url = "{server.base_url}"\n{way}')
    result = cli("ask", "-m", "office/x", "hi")
    assert (result.code, result.out, server.requests) == (77, "", [])
    config.write_text(f'[providers.office]\nbase_url = "{server.base_url}"')
    assert cli("ask", "-m", "office/x", "hi") == Result(0, "hi\n", "")


def test_what_is_for_an_unknown_provider_is_not_sent_to_openai(cli, server):
    said = "nosuch is no provider, and openai has no such model (nosuch/model)"
    assert cli("ask", "-m", "nosuch/model", "hi", env=KEYS) == Result(
        2,
        "",
        f"llmcli: usage: {said}; see llmcli models, or give the address with --base-url or in the config file\n",
    )
    result = cli("ask", "-m", "nosuch/model", "--base-url", server.base_url, "hi", env=KEYS)
    assert result == Result(0, "hi\n", "")
    assert server.requests[0].json["model"] == "nosuch/model"


def test_the_environments_address_beats_the_profiles(cli, config):
    config.write_text('[profiles.p]\nbase-url = "http://127.0.0.1:1/v1"')
    env = {"OPENAI_BASE_URL": "http://127.0.0.1:2/v1"}

    def address(*argv: str, env: dict[str, str] | None = None) -> str:
        shown = cli("ask", "--curl", "--profile", "p", *argv, "hi", env=env).out
        return shown.split("/v1/")[0].removeprefix("curl ")

    assert address("-m", "x") == "http://127.0.0.1:1"
    assert address("-m", "x", env=env) == "http://127.0.0.1:2"
    assert address("-m", "x", "--base-url", "http://127.0.0.1:3/v1", env=env) == "http://127.0.0.1:3"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('model = ""', "model: names no model ({}:1)"),
        ('model = "groq/"', "model: names no model ({}:1)"),
        (
            '[providers.x]\nbase_url = "http://h:99999/v1"',
            "providers.x.base_url: must be an http(s) URL ({}:2)",
        ),
        ('[providers.x]\nbase_url = "http://[::1/v1"', "providers.x.base_url: must be an http(s) URL ({}:2)"),
        ('[providers.x]\nbase_url = "x"', "providers.x.base_url: must be an http(s) URL ({}:2)"),
    ],
)
def test_values_that_can_be_of_no_use(cli, config, text, line):
    config.write_text(text)
    result = cli("models")
    assert result == Result(78, "", f"llmcli: config: {line.format(config)}; mend the file\n")


def test_a_key_command_ends_with_the_deadline(ask, server, config, tmp_path):
    script = tmp_path / "slow"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    script.chmod(0o755)
    config.write_text(f'[providers.openai]\napi_key_command = "{script}"')
    result = ask("--deadline", "1", "hi")
    assert (result.code, result.out, server.requests) == (124, "", [])
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_an_empty_key_command_is_a_broken_config(ask, config):
    config.write_text('[providers.openai]\napi_key_command = " "')
    assert ask("hi") == Result(
        78,
        "",
        f"llmcli: config: providers.openai.api_key_command: is empty ({config}:2); mend the file\n",
    )


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_a_key_is_never_shown(ask, server, status):
    server.script = wire.status(status, wire.error("Incorrect API key provided: sk-secret-123."))
    for argv in (["-v"], ["-v", "--json"], ["-u", "--no-stream"], ["--curl"], ["--dry-run"]):
        result = ask("--retries", "1", *argv, "hi", env={"OPENAI_API_KEY": "sk-secret-123"})
        assert "sk-secret" not in result.out + result.err


def test_no_flag_takes_a_key(cli):
    assert "--key" not in cli("ask", "--help").out
    assert cli("ask", "--api-key", "sk-1", "hi").code == 2


# --- Profiles -----------------------------------------------------------------------------------------------


@pytest.fixture
def sent(cli):
    def run(*argv: str, **more: object) -> dict:
        result = cli("ask", "--dry-run", *argv, "hi", **more)
        assert (result.code, result.err) == (0, "")
        body = json.loads(result.out)
        body.pop("messages")
        return body

    return run


def test_flag_beats_environment_beats_profile_beats_file(sent, config):
    config.write_text('model = "file"\n[profiles.p]\nmodel = "profile"\nno-stream = true\nseed = 1\n')
    assert sent()["model"] == "file"
    assert sent("--profile", "p") == {"model": "profile", "seed": 1}
    assert sent(env={"LLMCLI_PROFILE": "p"}) == {"model": "profile", "seed": 1}
    env = {"LLMCLI_MODEL": "env"}
    assert sent("--profile", "p", env=env) == {"model": "env", "seed": 1}
    assert sent("--profile", "p", "-m", "flag", "--seed", "2", env=env) == {"model": "flag", "seed": 2}


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("temperature = 0.5", {"temperature": 0.5}),
        ("temperature = 1", {"temperature": 1.0}),
        ("max-tokens = 5", {"max_completion_tokens": 5}),
        ("max_tokens = 5", {"max_completion_tokens": 5}),
        ('stop = ["a", "b"]', {"stop": ["a", "b"]}),
        ('stop = "a"', {"stop": ["a"]}),
        ('option = ["x=1", "y=z"]', {"x": 1, "y": "z"}),
        ("logprobs = true", {"logprobs": True}),
        ("parallel-tool-calls = false", {"parallel_tool_calls": False}),
        ("no-parallel-tool-calls = true", {"parallel_tool_calls": False}),
        ("json-mode = true", {"response_format": {"type": "json_object"}}),
        ("json-mode = false", {}),
        ("stream = true", {"stream": True, "stream_options": {"include_usage": True}}),
    ],
)
def test_a_profile_holds_any_long_option(sent, config, line, field):
    config.write_text(f"[profiles.p]\n{line}\n")
    stream = [] if "stream" in line else ["--no-stream"]
    assert sent("-m", "gpt-4o-mini", *stream, "--profile", "p") == {"model": "gpt-4o-mini"} | field


def test_a_flag_replaces_a_profiles_list(sent, config):
    config.write_text('[profiles.p]\nstop = ["a", "b"]\n')
    assert sent("-m", "gpt-4o", "--no-stream", "--profile", "p", "--stop", "c")["stop"] == ["c"]


def test_an_option_of_another_command_is_left_to_it(cli, config):
    config.write_text("[profiles.p]\nsplit = 2\nseed = 5\n")
    assert cli("ask", "-m", "offline/echo", "--profile", "p", "hi") == Result(0, "hi\n", "")
    assert cli("count", "-m", "offline/echo", "--profile", "p", "a b c").out.count("\n") == 2


def test_a_choice_of_another_command_is_left_to_it(cli, config):
    config.write_text("[profiles.p]\nformat = 'events'\n")
    assert '"chat.completion.chunk"' in cli("ask", "-m", "offline/echo", "--profile", "p", "hi").out
    assert cli("count", "-m", "gpt-4o-mini", "--profile", "p", "hello") == Result(0, "8\n", "")
    config.write_text("[profiles.p]\nformat = 'nosuch'\n")
    assert cli("count", "--profile", "p", "hi").code == 78


def test_a_flag_that_is_wrong_is_not_blamed_on_the_profile(cli, config):
    config.write_text("[profiles.p]\nprice = '1,2'\nbase-url = 'http://h/v1'\n")
    assert cli("ask", "--profile", "p", "--price", "x", "hi").code == 2
    assert cli("ask", "--profile", "p", "--base-url", "zzz", "hi").code == 2


def test_a_concurrency_that_is_none_in_a_profile(cli, config, tmp_path):
    config.write_text("[profiles.p]\nconcurrency = 'lots'\n")
    (tmp_path / "rows").write_text('{"prompt":"x"}')
    assert cli("batch", "--profile", "p", str(tmp_path / "rows")) == Result(
        78,
        "",
        "llmcli: config: profiles.p.concurrency: -j lots is no number of requests"
        f" ({config}:2); mend the file\n",
    )


def test_a_profile_that_is_not_there(cli, config):
    config.write_text("[profiles.p]\n[profiles.q]\n")
    assert cli("ask", "--profile", "r", "hi") == Result(
        2, "", f"llmcli: usage: there is no profile 'r' ({config}); known: p, q\n"
    )


# --- Broken -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["ask", "count"])
@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("bogus = 1", 1, "bogus"),
        ("\nmodel = 5", 2, "model"),
        ("model = 'x'\n\n[providers]\nmine = 5", 4, "providers.mine"),
        ("[providers.mine]\nbase_url = 5", 2, "providers.mine.base_url"),
        ("[providers.mine]\n# c\nbase-url = 'x'", 3, "providers.mine.base-url"),
        ("profiles = 5", 1, "profiles"),
        ("[profiles.p]\nbogus = 1", 2, "profiles.p.bogus"),
        ("[profiles.p]\nseed = 1\ntemperature = 'hot'", 3, "profiles.p.temperature"),
        ("[profiles.p]\ntemperature = 9", 2, "profiles.p.temperature"),
        ("[profiles.p]\ntemperature = true", 2, "profiles.p.temperature"),
        ("[profiles.p]\nmax_tokens = 1.5", 2, "profiles.p.max_tokens"),
        ("[profiles.p]\nseed = [1]", 2, "profiles.p.seed"),
        ("[profiles.p]\nstop = { a = 1 }", 2, "profiles.p.stop"),
        ("[profiles.p]\nno-stream = 'yes'", 2, "profiles.p.no-stream"),
        ("[profiles.p]\nquiet = 'maybe'", 2, "profiles.p.quiet"),
        ("[profiles.p]\nprice = 'x'", 2, "profiles.p.price"),
        ("[profiles.p]\nok = 'nosuch'", 2, "profiles.p.ok"),
        ("[profiles.p]\nseed = 1\nlogit-bias = 'x'", 3, "profiles.p.logit-bias"),
        ("[profiles.p]\nmetadata = ['a=b', 'x']", 2, "profiles.p.metadata"),
        ("[profiles.p]\noption = 'temprature=1'", 2, "profiles.p.option"),
        ("[profiles.p]\nmodel = ''", 2, "profiles.p.model"),
        ("[profiles.p]\nbase-url = 'zzz'", 2, "profiles.p.base-url"),
        ("[profiles.p]\nsystem = '''\nseed = 'y'\n'''\nseed = 'x'", 5, "profiles.p.seed"),
        ("[profiles.p]\nsystem = 'it' # '''\nseed = 'x'", 3, "profiles.p.seed"),
        ('[profiles.p]\nsystem = """\\"""\r\n[profiles.q]\n"""\nseed = "x"', 5, "profiles.p.seed"),
        ("[profiles.p]\nhelp = true", 2, "profiles.p.help"),
        ("[profiles.p]\nprofile = 'q'", 2, "profiles.p.profile"),
        ("[prices.tiny]\nin = 'x'\nout = 1", 2, "prices.tiny.in"),
        ("[prices.tiny]\nin = 1\nout = 1\nbogus = 1", 4, "prices.tiny.bogus"),
        ("[prices.tiny]\ninput = 'x'\noutput = 1", 2, "prices.tiny.input"),
        ("[prices.tiny]\nin = 1\ninput = 1\nout = 1", 3, "prices.tiny.input"),
        ("\n[prices.tiny]\nin = 1", 2, "prices.tiny.out"),
        ("[prices]\ntiny = {in = 1}", 2, "prices.tiny.out"),
        ("[prices.tiny]\nin = 1\nout = 1\n[prices.tiny.batch]\nin = 'x'", 5, "prices.tiny.batch.in"),
    ],
)
def test_a_broken_file_is_named_with_line_and_key(cli, config, command, text, line, key):
    config.write_text(text)
    profile = ["--profile", "p"] if "profiles.p" in key else []
    result = cli(command, *profile, "hi")
    assert (result.code, result.out, result.err.count("\n")) == (78, "", 1)
    assert result.err.startswith(f"llmcli: config: {key}: ")
    assert f"({config}:{line})" in result.err


def test_broken_toml_is_named_with_the_line(cli, config):
    config.write_text("model = 'x'\nbroken")
    result = cli("ask", "hi")
    assert (result.code, result.out) == (78, "")
    assert result.err.startswith("llmcli: config: not valid TOML: ")
    assert "line 2" in result.err
    assert str(config) in result.err


def test_a_file_that_is_no_utf8_is_named_with_the_line(cli, config):
    config.write_bytes(b"# one\nmodel = '\xff'\n")
    assert cli("ask", "hi") == Result(78, "", f"llmcli: config: not UTF-8 text ({config}:2); mend the file\n")


def test_a_file_that_was_named_and_is_not_there(cli):
    assert cli("ask", "hi", env={"LLMCLI_CONFIG": "/no/such.toml"}) == Result(
        78, "", "llmcli: config: no such file (LLMCLI_CONFIG=/no/such.toml); mend or unset LLMCLI_CONFIG\n"
    )


def test_a_file_that_nobody_named_may_be_absent(process):
    assert process("ask", "--no-stdin", "-m", "offline/echo", "hi") == Result(0, "hi\n", "")


def test_a_file_that_is_not_utf8(cli, config):
    config.write_bytes(b"model = '\xff'")
    assert cli("ask", "hi").code == 78


# --- Providers and prices -----------------------------------------------------------------------------------


def test_a_provider_of_ones_own(cli, server, config):
    config.write_text(f'[providers.mine]\nbase_url = "{server.base_url}"\napi_key_env = "MINE_KEY"\n')
    server.script = wire.echo_auth("sk-mine")
    assert cli("ask", "-m", "mine/tiny", "-M", "5", "hi", env={"MINE_KEY": "sk-mine"}) == Result(
        0, "hi\n", ""
    )
    assert server.requests[0].json["model"] == "tiny"
    assert server.requests[0].json["max_tokens"] == 5


def test_a_provider_of_ones_own_without_an_address(cli, server, config):
    config.write_text('[providers.mine]\napi_key_env = "MINE_KEY"\n')
    assert cli("ask", "-m", "mine/tiny", "hi") == Result(
        2, "", "llmcli: usage: mine has no address; give [providers.mine] a base_url, or use --base-url\n"
    )
    assert cli("ask", "-m", "mine/tiny", "--base-url", server.base_url, "hi") == Result(0, "hi\n", "")


def test_prices_of_ones_own_win(cli, config):
    config.write_text('[prices."gpt-4o-mini"]\ninput = 1000000\noutput = 0\n')
    cost = json.loads(cli("count", "-m", "gpt-4o-mini", "--json", "hi").out)
    assert cost["cost_usd"]["input"] == cost["tokens"]


PROFILED = [
    ("ollama/x", {}, [], "http://profile/v1"),
    ("ollama/x", {"OLLAMA_HOST": "http://gpu:1"}, [], "http://gpu:1/v1"),
    ("ollama/x", {"OLLAMA_HOST": "http://gpu:1"}, ["--base-url", "http://flag/v1"], "http://flag/v1"),
    ("ollama/x", {"OPENAI_BASE_URL": "http://gate/v1"}, [], "http://gate/v1"),
    ("ollama/x", {"OPENAI_BASE_URL": "https://api.openai.com/v1"}, [], "http://profile/v1"),
    ("gpt-4o", {"OLLAMA_HOST": "http://gpu:1"}, [], "http://profile/v1"),
    ("gpt-4o", {"OPENAI_BASE_URL": "https://api.openai.com/v1"}, [], "https://api.openai.com/v1"),
]


@pytest.mark.parametrize("how", ["-m", "LLMCLI_MODEL", "profile"])
@pytest.mark.parametrize(("model", "env", "flags", "address"), PROFILED)
def test_the_environments_address_goes_before_the_profiles(cli, tmp_path, model, env, flags, address, how):
    config = tmp_path / "c.toml"
    named = f'model = "{model}"\n' if how == "profile" else ""
    config.write_text(
        f'[providers.ollama]\nbase_url = "http://file/v1"\n[profiles.p]\n{named}base-url = "http://profile/v1"\n'
    )
    argv = ["ask", "--curl", "--profile", "p", *flags, *(["-m", model] if how == "-m" else []), "hi"]
    told = {"LLMCLI_MODEL": model} if how == "LLMCLI_MODEL" else {}
    shown = cli(*argv, env={"LLMCLI_CONFIG": str(config), **env, **told}).out
    assert shown.split()[1] == f"{address}/chat/completions"
