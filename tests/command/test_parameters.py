"""The request: every flag under the API's name, with its type, and nothing else."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests import server as wire
from tests.conftest import Result

MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture
def body(cli):
    """What is sent beside the messages, for gpt-4o-mini where no model is named."""

    def run(*argv: str, **more: object) -> dict[str, object]:
        model = [] if {"-m", "--model"} & set(argv) else ["-m", "gpt-4o-mini"]
        result = cli("ask", "--dry-run", "--no-stream", *model, *argv, "hi", **more)
        assert (result.code, result.err) == (0, "")
        sent = json.loads(result.out)
        assert sent.pop("messages") == MESSAGES
        return sent

    return run


@pytest.fixture
def refusal(cli):
    """The message with which a command line is refused before anything is sent."""

    def run(*argv: str, **more: object) -> str:
        result = cli("ask", "--dry-run", *argv, "hi", **more)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        return result.err.removeprefix("llmcli: usage: ").rstrip("\n")

    return run


# --- Everyday flags -----------------------------------------------------------------------------------------


def test_nothing_is_sent_that_nobody_asked_for(body):
    assert body() == {"model": "gpt-4o-mini"}


def test_a_stream_asks_for_its_usage(cli):
    sent = json.loads(cli("ask", "--dry-run", "-m", "gpt-4o-mini", "hi").out)
    assert sent == {
        "model": "gpt-4o-mini",
        "messages": MESSAGES,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize(
    ("argv", "sent"),
    [
        (["--temperature", "0"], {"temperature": 0.0}),
        (["--temperature", "0.7"], {"temperature": 0.7}),
        (["--top-p", "1"], {"top_p": 1.0}),
        (["-M", "9"], {"max_completion_tokens": 9}),
        (["--max-tokens", "9"], {"max_completion_tokens": 9}),
        (["--stop", "END"], {"stop": ["END"]}),
        (["--stop", "a", "--stop", "\n"], {"stop": ["a", "\n"]}),
        (["--n", "3"], {"n": 3}),
        (["--seed", "-5"], {"seed": -5}),
        (["--seed", "0"], {"seed": 0}),
        (["--presence-penalty", "-2"], {"presence_penalty": -2.0}),
        (["--frequency-penalty", "1.5"], {"frequency_penalty": 1.5}),
        (["--logit-bias", "1734=-100", "--logit-bias", "5=0.5"], {"logit_bias": {"1734": -100, "5": 0.5}}),
        (["--logprobs"], {"logprobs": True}),
        (["--top-logprobs", "3"], {"top_logprobs": 3, "logprobs": True}),
        (["--service-tier", "flex"], {"service_tier": "flex"}),
        (["--verbosity", "low"], {"verbosity": "low"}),
        (["--user", "u1"], {"user": "u1"}),
        (["--metadata", "k=v=w", "--metadata", "n=1"], {"metadata": {"k": "v=w", "n": "1"}}),
        (["--store"], {"store": True}),
        (["--modalities", "text,audio", "--json"], {"modalities": ["text", "audio"]}),
        (["--modalities", "text", "--modalities", "audio", "--json"], {"modalities": ["text", "audio"]}),
        (["--parallel-tool-calls"], {"parallel_tool_calls": True}),
        (["--no-parallel-tool-calls"], {"parallel_tool_calls": False}),
        (["--json-mode"], {"response_format": {"type": "json_object"}}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_flag_lands_under_the_name_of_the_api(body, argv, sent):
    assert body(*argv) == {"model": "gpt-4o-mini"} | sent


def test_reasoning_effort(body):
    assert body("-m", "gpt-6-luna", "--reasoning-effort", "high") == {
        "model": "gpt-6-luna",
        "reasoning_effort": "high",
    }


@pytest.mark.parametrize(
    "argv",
    [
        ["--temperature", "2.1"],
        ["--temperature", "nan"],
        ["--temperature", "warm"],
        ["--top-p", "-0.1"],
        ["--n", "0"],
        ["--n", "1.5"],
        ["-M", "0"],
        ["--seed", "x"],
        ["--top-logprobs", "21"],
        ["--presence-penalty", "inf"],
        ["--format", "yaml"],
    ],
    ids=" ".join,
)
def test_a_value_that_is_none_is_refused(refusal, argv):
    assert refusal(*argv).startswith(
        f"Invalid value for '{argv[0]}'" if argv[0] != "-M" else "Invalid value for"
    )


@pytest.mark.parametrize("text", ["x=1", "1734", "=1", "1734=", "1734=101", "1734=nan", "-1=5", "\u0661=1"])
def test_a_logit_bias_that_is_none(refusal, text):
    assert refusal("--logit-bias", text).startswith("--logit-bias")


@pytest.mark.parametrize(
    ("flag", "text", "todo"),
    [
        ("--metadata", "k", "; write --metadata k=VALUE"),
        ("--metadata", "=v", ""),
        ("-o", "k", "; write -o k=VALUE"),
        ("-o", "=v", "; -O FILE writes the answer to a file"),
    ],
)
def test_a_pair_that_is_none(refusal, flag, text, todo):
    assert refusal(flag, text) == f"{flag} takes KEY=VALUE, not {text!r}{todo}"


# --- -o -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x=1", 1),
        ("x=1.5", 1.5),
        ("x=true", True),
        ("x=null", None),
        ('x="1"', "1"),
        ('x={"a":[1]}', {"a": [1]}),
        ("x=text", "text"),
        ("x=", ""),
        ("x=a=b", "a=b"),
        ("x=True", "True"),
        ("x={broken", "{broken"),
        ("x=NaN", "NaN"),
        ("x=1e999", "1e999"),
        ("x=é", "é"),
        ("x=18446744073709551617", 2**64 + 1),
        (f"x=[-{2**256}]", [-(2**256)]),
    ],
)
def test_an_option_is_json_where_it_parses_else_text(body, text, value):
    assert body("-o", text) == {"model": "gpt-4o-mini", "x": value}


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("levels", [300, 600, 900, 100_000])
def test_what_is_nested_too_deep_is_refused(refusal, tmp_path, levels):
    file = tmp_path / "messages.json"
    file.write_text(f'[{{"role":"user","content":"hi","x":{deep(levels)}}}]')
    inner = f'{{"type":"object","x":{deep(levels)}}}'
    reason = "it is nested more than 200 deep"
    assert refusal("-o", f"x={deep(levels)}") == f"-o x: {reason}"
    assert refusal("--schema", inner) == f"--schema is not valid JSON: {reason}"
    assert (
        refusal("--tools", f'[{{"name":"f","parameters":{inner}}}]') == f"--tools is not valid JSON: {reason}"
    )
    assert reason in refusal("--messages", str(file))


def test_what_is_nested_too_deep_with_half_a_character_is_refused(refusal):
    assert refusal("-o", f'x=["\\ud800",{deep(600)}]') == "-o x: it is nested more than 200 deep"


def test_a_schema_that_its_list_nests_too_deep_is_refused(refusal):
    schema = '{"type":"array","items":' * 198 + "{}" + "}" * 198
    assert refusal("--schema", schema, "--schema-multi") == (
        "--schema is no valid JSON Schema: it is nested more than 200 deep; mend the schema"
    )


@pytest.mark.parametrize(
    "key",
    [
        "top_k",
        "min_p",
        "parse_tool_calls",
        "search_options",
        "max_new_tokens",
        "prompt_logprobs",
        "chat_template_kwargs",
        "X",
    ],
)
def test_a_key_that_is_not_known_is_sent_as_it_is(body, key):
    assert body("-o", f"{key}=1") == {"model": "gpt-4o-mini", key: 1}


def test_an_option_wins_over_a_flag(body):
    assert body("--seed", "1", "-o", "seed=2", "-o", "seed=3") == {"model": "gpt-4o-mini", "seed": 3}


def test_stream_options_are_added_to(cli):
    out = cli("ask", "--dry-run", "-o", 'stream_options={"include_obfuscation":false}', "hi").out
    assert json.loads(out)["stream_options"] == {"include_usage": True, "include_obfuscation": False}


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("temprature", "temperature"),
        ("Temperature", "temperature"),
        ("top-p", "top_p"),
        ("max_token", "max_tokens"),
        ("max-completion-tokens", "max_completion_tokens"),
        ("respone_format", "response_format"),
        ("stops", "stop"),
        ("sead", "seed"),
        ("sed", "seed"),
        ("toolz", "tools"),
        ("tolos", "tools"),
        ("modle", "model"),
        ("usr", "user"),
        ("tool_choise", "tool_choice"),
        ("reasoning_efort", "reasoning_effort"),
        ("service-tier", "service_tier"),
    ],
)
def test_a_near_miss_is_refused(refusal, key, meant):
    assert refusal("-o", f"{key}=1") == f"-o {key}: no such field; did you mean {meant}?"


@pytest.mark.parametrize(
    ("key", "todo"),
    [("messages", "give a PROMPT, -s, or --messages"), ("model", "use -m"), ("stream", "use --no-stream")],
)
def test_a_field_that_has_a_place_of_its_own(refusal, key, todo):
    assert refusal("-o", f"{key}=1") == f"-o {key}=... cannot be set here; {todo}"


@pytest.mark.parametrize(
    "text",
    [
        "n=abc",
        "n=1.5",
        'n="2"',
        "n=true",
        "max_tokens=many",
        "stop=5",
        "tools={}",
        "response_format=json",
        "stream_options=5",
        'service_tier=["flex"]',
        "reasoning_effort={}",
    ],
)
def test_a_field_of_the_wrong_shape_is_refused(refusal, text):
    key = text.partition("=")[0]
    assert refusal("-o", text).startswith(f"-o {text}: {key} is ")


# --- What a model and a provider take -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "field"),
    [
        ("gpt-4o-mini", "max_completion_tokens"),
        ("openai/o3", "max_completion_tokens"),
        ("groq/llama", "max_completion_tokens"),
        ("offline/echo", "max_completion_tokens"),
        ("ollama/llama3", "max_tokens"),
        ("llamacpp/x", "max_tokens"),
        ("llama.cpp/x", "max_tokens"),
        ("vllm/x", "max_tokens"),
        ("lmstudio/x", "max_tokens"),
        ("mistral/mistral-small-latest", "max_tokens"),
        ("anthropic/claude", "max_tokens"),
        ("gemini/gemini-3-pro", "max_tokens"),
        ("deepseek/deepseek-chat", "max_tokens"),
        ("openrouter/openai/gpt-4o", "max_tokens"),
    ],
)
def test_the_limit_goes_by_the_name_that_the_provider_takes(body, model, field):
    assert body("-m", model, "-M", "5") == {"model": model.partition("/")[2] or model, field: 5}


def test_the_limit_at_an_address_of_ones_own(body):
    at = ["--base-url", "http://localhost:9/v1", "-M", "5"]
    assert body(*at, "-m", "tiny") == {"model": "tiny", "max_tokens": 5}
    assert body(*at, "-m", "gpt-4o-mini") == {"model": "gpt-4o-mini", "max_completion_tokens": 5}


@pytest.mark.parametrize("model", ["gpt-6-luna", "o3", "gpt-5", "openai/gpt-6-luna-2026-09-22"])
@pytest.mark.parametrize("flag", ["--temperature", "--top-p"])
def test_a_reasoning_model_refuses_sampling(refusal, model, flag):
    name = model.removeprefix("openai/")
    reason = refusal("-m", model, flag, "0.5")
    assert reason.startswith(f"{name} is a reasoning model and rejects {flag[2:].replace('-', '_')} (only 1")
    assert reason.endswith("; drop it, or choose another model")


@pytest.mark.parametrize("model", ["gpt-6-luna", "o3", "gpt-5"])
@pytest.mark.parametrize(
    ("argv", "field"),
    [
        (["--presence-penalty", "1"], "presence_penalty"),
        (["--frequency-penalty", "1"], "frequency_penalty"),
        (["--logit-bias", "1=1"], "logit_bias"),
        (["--logprobs"], "logprobs"),
        (["-o", "max_tokens=5"], "max_tokens"),
    ],
)
def test_a_reasoning_model_refuses(refusal, model, argv, field):
    assert refusal("-m", model, *argv).startswith(f"{model} is a reasoning model and rejects {field}")


def test_a_refusal_comes_before_any_key_or_network(ask, server):
    result = ask("-m", "gpt-6-luna", "--temperature", "0", "hi")
    assert (result.code, server.requests) == (2, [])


def test_effort_none_allows_sampling(body, refusal):
    argv = ["--reasoning-effort", "none", "--temperature", "0.5", "--logprobs"]
    assert body("-m", "gpt-6-luna", *argv) == {
        "model": "gpt-6-luna",
        "temperature": 0.5,
        "logprobs": True,
        "reasoning_effort": "none",
    }
    assert refusal("-m", "o3", *argv)
    assert refusal("-m", "gpt-5", *argv)


def test_a_model_that_does_not_reason_refuses_effort(refusal):
    assert refusal("-m", "gpt-4o", "--reasoning-effort", "high") == (
        "gpt-4o is not a reasoning model and rejects reasoning_effort; drop it, or choose another model"
    )


def test_groq_gives_one_choice(refusal, body):
    assert refusal("-m", "groq/llama", "--n", "2") == (
        "groq gives 1 choice per request and rejects n=2; drop it, or choose another model"
    )
    assert body("-m", "groq/llama", "--n", "1") == {"model": "llama", "n": 1}


def test_what_a_provider_ignores_is_said(cli):
    result = cli("ask", "--dry-run", "-m", "ollama/x", "--user", "u", "hi")
    assert (result.code, result.err) == (0, "llmcli: warning: ollama takes user and ignores it\n")


# --- Tools --------------------------------------------------------------------------------------------------

FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}
TOOL = {"type": "function", "function": FUNCTION}
OTHER = {"type": "function", "function": {"name": "g"}}
CUSTOM = {"type": "custom", "custom": {"name": "c"}}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (TOOL, [TOOL]),
        ([TOOL], [TOOL]),
        (FUNCTION, [TOOL]),
        ([FUNCTION, OTHER], [TOOL, OTHER]),
        ({"tools": [TOOL, CUSTOM]}, [TOOL, CUSTOM]),
        ({"name": "f"}, [{"type": "function", "function": {"name": "f"}}]),
    ],
)
def test_tools_of_every_shape(body, tmp_path, given, sent):
    (tmp_path / "tools.json").write_text(json.dumps(given))
    for value in (json.dumps(given), "  " + json.dumps(given, indent=1), str(tmp_path / "tools.json")):
        assert body("--tools", value) == {"model": "gpt-4o-mini", "tools": sent}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("[]", "--tools: the list is empty"),
        ('[{"name":"f"},{"name":"f"}]', "--tools: two tools are named 'f'; names must differ"),
        (
            '[{"description":"d"}]',
            '--tools: tool 0 is no function definition; it needs "name" and "parameters"',
        ),
        ('[{"name":"f"},5]', '--tools: tool 1 is no function definition; it needs "name" and "parameters"'),
        ('{"type":"function","function":{}}', "--tools: tool 0 has no name"),
        ('{"type":"function","function":{"name":""}}', "--tools: tool 0 has no name"),
        ('{"type":"function","function":{"name":5}}', "--tools: tool 0 has no name"),
        ('{"name":"f","parameters":[]}', "--tools: the parameters of 'f' are no JSON Schema object"),
        ('[{"type":["x"]}]', '--tools: tool 0 is no function definition; it needs "name" and "parameters"'),
        (
            '[{"type":"search"}]',
            "--tools: tool 0 is no function definition; give other types with -o tools=[...]",
        ),
        ("/no/such", "cannot read /no/such: No such file or directory; check the path"),
    ],
)
def test_tools_that_are_none(refusal, given, reason):
    assert refusal("--tools", given) == reason


def test_tools_that_are_broken_json(refusal, tmp_path):
    (tmp_path / "t").write_text("{")
    assert refusal("--tools", "{broken").startswith("--tools is not valid JSON: ")
    assert refusal("--tools", str(tmp_path / "t")).startswith(f"--tools {tmp_path / 't'} is not valid JSON: ")


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("g", {"type": "function", "function": {"name": "g"}}),
        ('{"type":"function","function":{"name":"f"}}', {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_tool_choice(body, choice, sent):
    argv = ["--tools", json.dumps([TOOL, OTHER]), "--tool-choice", choice]
    assert body(*argv) == {"model": "gpt-4o-mini", "tools": [TOOL, OTHER], "tool_choice": sent}


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        ("{}", 'tool 0 is no function definition; it needs "name" and "parameters"'),
        ("5", 'tool 0 is no function definition; it needs "name" and "parameters"'),
        ('{"type":"function"}', "tool 0 has no name"),
    ],
)
def test_a_tool_given_as_an_option_is_checked(refusal, tool, reason):
    for more in ([], ["--exec", "a=b"]):
        assert refusal("-o", f"tools=[{tool}]", *more) == f"-o tools=[{tool}]: {reason}"


def test_a_tool_of_a_type_that_only_the_endpoint_knows_is_an_option(body, refusal):
    search = {"type": "browser_search"}
    argv = ["-o", f"tools={json.dumps([search, TOOL])}"]
    assert body(*argv) == {"model": "gpt-4o-mini", "tools": [search, TOOL]}
    assert refusal(*argv, "--exec", "x=y") == "--exec x: there is no such tool; --tools defines: f"


def test_a_tool_choice_is_of_the_tools_of_an_option_too(body):
    argv = ["-o", f"tools={json.dumps([TOOL])}", "--tool-choice"]
    assert body(*argv, "required")["tool_choice"] == "required"
    assert body(*argv, "f")["tool_choice"] == {"type": "function", "function": {"name": "f"}}


def test_a_custom_tool_is_chosen_as_the_api_wants_it(body):
    custom = {"type": "custom", "custom": {"name": "c"}}
    argv = ["--tools", json.dumps([TOOL, custom]), "--tool-choice", "c"]
    assert body(*argv)["tool_choice"] == {"type": "custom", "custom": {"name": "c"}}


def test_a_tool_choice_that_is_none(refusal):
    tools = ["--tools", json.dumps([TOOL, OTHER])]
    assert refusal(*tools, "--tool-choice", "h") == (
        "--tool-choice h: no such tool; one of auto, none, required, f, g"
    )
    assert refusal(*tools, "--tool-choice", "{").startswith("--tool-choice is not valid JSON: ")
    assert refusal("--tool-choice", "auto") == "--tool-choice without tools; give them with --tools"


# --- Model and address --------------------------------------------------------------------------------------


def test_the_model_by_flag_environment_config_and_default(cli, config):
    def model(*argv: str, **more: object) -> str:
        return json.loads(cli("ask", "--dry-run", *argv, "hi", **more).out)["model"]

    assert model() == "gpt-6-luna"
    config.write_text('model = "from-config"')
    assert model() == "from-config"
    assert model(env={"LLMCLI_MODEL": "from-env"}) == "from-env"
    assert model("-m", "from-flag", env={"LLMCLI_MODEL": "from-env"}) == "from-flag"
    assert model(env={"LLMCLI_MODEL": ""}) == "from-config"


def test_a_model_of_no_name_is_refused(refusal):
    assert refusal("-m", "") == "--model is empty; give it a value, or leave it out"
    assert refusal("-m", "openai/") == "no model in 'openai/'; write -m PROVIDER/NAME"


def test_openai_may_be_left_out(cli):
    argv = ["--curl", "-M", "5", "hi"]
    assert cli("ask", "-m", "gpt-4o-mini", *argv) == cli("ask", "-m", "openai/gpt-4o-mini", *argv)


def test_a_slash_without_a_provider_is_part_of_the_name(body):
    there = ("--base-url", "http://127.0.0.1:9/v1")
    assert body("-m", "meta-llama/Llama-3", *there) == {"model": "meta-llama/Llama-3"}


def address(result: Result) -> str:
    assert (result.code, result.err) == (0, "")
    return result.out.split()[1].strip("'").removesuffix("/chat/completions")


def test_the_address_by_flag_environment_config_and_default(cli, config):
    env = {"OPENAI_BASE_URL": "http://env/v1/"}
    assert address(cli("ask", "--curl", "hi")) == "https://api.openai.com/v1"
    config.write_text('[providers.openai]\nbase_url = "http://config/v1"')
    assert address(cli("ask", "--curl", "hi")) == "http://config/v1"
    assert address(cli("ask", "--curl", "hi", env=env)) == "http://env/v1"
    assert address(cli("ask", "--curl", "--base-url", "http://flag/v1", "hi", env=env)) == "http://flag/v1"


def test_ollama_listens_where_its_own_variable_says(cli):
    assert (
        address(cli("ask", "--curl", "-m", "ollama/x", "hi", env={"OLLAMA_HOST": "box:1"}))
        == "http://box:1/v1"
    )


NO_URLS = [
    "",
    "localhost:8080",
    "ftp://x/v1",
    "http://",
    "http:///v1",
    "http://[::1/v1",
    "http://h:abc/v1",
    "http://h:99999/v1",
    "http://h:-1/v1",
    "http://h\x01/v1",
    "http://h/v\n1",
    "http://a..b/v1",
    f"http://{'a' * 64}/v1",
    "http://a b/v1",
]


@pytest.mark.parametrize("url", NO_URLS)
def test_an_address_that_is_none(refusal, url):
    assert (
        refusal("--base-url", url) == f"{url!r} is no http(s) URL; e.g. --base-url http://localhost:8080/v1"
    )


@pytest.mark.parametrize("url", NO_URLS[1:])
def test_an_address_that_is_none_in_the_environment(cli, url):
    for command in ("ask", "count"):
        assert cli(command, "hi", env={"OPENAI_BASE_URL": url}) == Result(
            2,
            "",
            f"llmcli: usage: {url!r} is no http(s) URL (OPENAI_BASE_URL);"
            " e.g. --base-url http://localhost:8080/v1\n",
        )


def test_an_address_that_is_no_text(refusal):
    assert refusal("--base-url", "http://h\udcff/v1") == (
        "the argument is not UTF-8 text: byte 0xff at offset 8; convert it (iconv -t UTF-8)"
    )


@pytest.mark.parametrize(
    "url", ["http://[::1]:8080/v1", "http://h:1/v1", "http://h./v1", "http://gr\xfcn.de/v1"]
)
def test_an_address_that_is_one(cli, url):
    assert address(cli("ask", "--curl", "--base-url", url, "hi")) == url


def test_azure_without_an_endpoint(refusal):
    assert refusal("-m", "azure/dep") == (
        "azure has no address of its own; set AZURE_OPENAI_ENDPOINT to your resource's URL"
    )


def test_azure_with_an_endpoint_answers(cli, server):
    server.script = wire.echo_auth("azure-key")
    endpoint = server.base_url.removesuffix("/v1")
    env = {"AZURE_OPENAI_ENDPOINT": endpoint, "AZURE_OPENAI_API_KEY": "azure-key"}
    assert cli("ask", "-m", "azure/dep", "hi", env=env) == Result(0, "hi\n", "")
    assert server.requests[0].path == "/openai/v1/chat/completions"


# --- --curl and --dry-run -----------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 10_000])
def test_curl_reaches_the_server_with_the_same_body(cli, server, times):
    prompt = 'it\'s "quoted" $HOME `id` \\ \n\u00e9 @file \u001b' * times
    argv, piped = ["--base-url", server.base_url, "-m", "tiny", "--stop", "'"], prompt.encode()
    shown = cli("ask", "--curl", *argv, stdin=piped, env={"OPENAI_API_KEY": "sk-secret"})
    assert (shown.code, shown.err, "sk-secret" in shown.out) == (0, "", False)
    done = subprocess.run(
        ["/bin/sh"],
        input=shown.out.replace("curl ", "curl --silent --noproxy '*' ", 1).encode(),
        env={"PATH": "/usr/bin:/bin", "OPENAI_API_KEY": "sk-secret"},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == b""
    request = server.requests[0]
    assert request.body.rstrip(b"\n") + b"\n" == cli("ask", "--dry-run", *argv, stdin=piped).out.encode()
    assert request.headers["authorization"] == "Bearer sk-secret"
    assert request.headers["content-type"] == "application/json"
    assert cli("ask", *argv, stdin=piped).out == prompt + "\n"
    assert server.requests[1].json == request.json


def test_curl_names_the_variable_that_is_set(cli):
    shown = cli("ask", "--curl", "-m", "gemini/x", "hi", env={"GOOGLE_API_KEY": "secret"}).out
    assert '-H "Authorization: Bearer $GOOGLE_API_KEY"' in shown
    assert "secret" not in shown


def test_curl_to_a_local_server_has_no_key(cli):
    assert "Authorization" not in cli("ask", "--curl", "-m", "ollama/x", "hi").out


def test_curl_names_a_variable_for_the_key_of_a_command(cli, config):
    config.write_text('[providers.mine]\nbase_url = "http://h/v1"\napi_key_command = "pass"')
    assert '-H "Authorization: Bearer $OPENAI_API_KEY"' in cli("ask", "--curl", "-m", "mine/x", "hi").out


def test_curl_leaves_the_key_out_where_the_address_says_who_asks(cli):
    argv = ["--curl", "--base-url", "http://us:pw@h/v1", "hi"]
    assert "Authorization" not in cli("ask", *argv, env={"OPENAI_API_KEY": "sk"}).out


def test_curl_cannot_ask_the_embedded_provider(cli):
    assert cli("ask", "--curl", "-m", "offline/echo", "hi") == Result(
        2, "", "llmcli: usage: offline has no address that curl could ask; drop --curl\n"
    )


def test_a_dry_run_needs_no_key_and_sends_nothing(ask, server):
    result = ask("--dry-run", "hi")
    assert json.loads(result.out)["messages"] == MESSAGES
    assert (result.code, result.err, server.requests) == (0, "", [])
    assert result.out.count("\n") == 1


def test_count_takes_the_options_of_ask(cli):
    argv = ["--tools", json.dumps(TOOL), "-m", "gpt-4o-mini", "hi"]
    assert int(cli("count", *argv).out) > int(cli("count", "-m", "gpt-4o-mini", "hi").out)
    assert cli("count", "-m", "o3", "--temperature", "0", "hi").code == 2


EMPTY_STOPS = [("--stop", ""), ("--stop", "a", "--stop", ""), ("-o", 'stop=""'), ("-o", 'stop=["a",""]')]


@pytest.mark.parametrize("words", EMPTY_STOPS)
@pytest.mark.parametrize("command", ["ask", "count"])
def test_a_stop_that_is_empty_is_refused(cli, command, words):
    result = cli(command, "-m", "offline/echo", "Hi", *words)
    assert (result.code, result.out) == (2, "")
    assert "every answer would end before it begins" in result.err
