"""`llmcli models --live`: what an endpoint itself offers."""

from __future__ import annotations

import json

import pytest

from tests import server as wire
from tests.conftest import Result


def listing(*models: object) -> wire.Scenario:
    return wire.reply({"object": "list", "data": list(models)})


@pytest.fixture
def live(cli, server):
    def run(*argv: str, **more: object) -> Result:
        return cli("models", "--live", "--base-url", server.base_url, *argv, **more)

    return run


def test_a_table_of_what_is_offered(live, server):
    server.models = listing({"id": "tiny"}, {"id": "big", "context_length": 8192})
    assert live() == Result(
        0,
        "MODEL  CONTEXT  OUTPUT  $IN/M  $CACHED/M  $OUT/M  SHUTDOWN  SUPPORTS\n"
        "big    8192     -       -      -          -       -         -\n"
        "tiny   -        -       -      -          -       -         -\n",
        "",
    )
    assert [(request.method, request.path) for request in server.requests] == [("GET", "/v1/models")]


def test_what_the_table_knows_is_shown(live, cli, server):
    server.models = listing({"id": "gpt-4o"})
    known = json.loads(cli("models", "openai/gpt-4o", "--format", "json").out)
    assert json.loads(live("--format", "json").out) == [
        {**each, "id": "gpt-4o"} for each in known if each["id"] == "openai/gpt-4o"
    ]


def test_an_endpoint_may_offer_nothing(live, server):
    server.models = listing()
    assert live() == Result(
        1, "", "llmcli: error: the endpoint offers no models; check --base-url, or name one with -m\n"
    )


def test_a_pattern(live, server):
    server.models = listing({"id": "llama-1"}, {"id": "llama-2"}, {"id": "qwen"})
    for pattern in ("llama", "LLAMA*", "openai/llama-?", "openai/llama"):
        lines = live(pattern, "--format", "jsonl").out.splitlines()
        assert [json.loads(line)["model"] for line in lines] == ["llama-1", "llama-2"]


def test_a_provider_in_the_pattern_names_address_and_key(cli, server, config):
    config.write_text(f'[providers.groq]\nbase_url = "{server.base_url}"\n')
    server.models = wire.echo_auth("sk-groq", listing({"id": "x"}))
    result = cli(
        "models", "--live", "groq/", "--json", env={"GROQ_API_KEY": "sk-groq", "OPENAI_API_KEY": "sk-no"}
    )
    assert [each["id"] for each in json.loads(result.out)] == ["groq/x"]


def test_the_key_from_a_file(live, server, tmp_path):
    (tmp_path / "key").write_text("sk-file\n")
    server.models = wire.echo_auth("sk-file", listing({"id": "x"}))
    assert live("--api-key-file", f"{tmp_path}/key").code == 0


def test_a_bare_list_is_a_list_too(live, server):
    server.models = wire.reply([{"id": "x", "object": "model"}, {"no": "id"}, 7])
    assert [each["id"] for each in json.loads(live("--json").out)] == ["x"]


@pytest.mark.parametrize(
    ("scenario", "code", "said"),
    [
        (wire.status(401), 77, "llmcli: auth: The server says 401. (HTTP 401, "),
        (wire.status(404), 65, "llmcli: rejected: The server says 404. (HTTP 404, "),
        (wire.status(503), 75, "llmcli: tempfail: The server says 503. (HTTP 503, "),
        (
            wire.reply("<html>hello</html>"),
            75,
            "llmcli: tempfail: the reply is no list of models (HTTP 200, ",
        ),
        (
            wire.reply({"error": {"message": "no"}}),
            75,
            "llmcli: tempfail: the endpoint reported an error: no ",
        ),
        (wire.cut(listing({"id": "x"}), 5), 75, "llmcli: tempfail: "),
        (wire.drop(), 75, "llmcli: tempfail: the connection broke before an answer came: "),
    ],
)
def test_what_goes_wrong_has_the_usual_exit(live, server, scenario, code, said):
    server.models = scenario
    result = live("--retries", "0")
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith(said)
    assert result.err.count("\n") == 1


def test_no_key(cli):
    assert cli("models", "--live") == Result(
        77, "", "llmcli: auth: there is no key for openai; set OPENAI_API_KEY or use --api-key-file\n"
    )


def test_nothing_matches(live):
    assert live("nobody") == Result(
        1, "", "llmcli: error: no model matches 'nobody'; see llmcli models for all of them\n"
    )


ASKING = ("--base-url=http://localhost:1", "-Hx: y", "--max-reply=9", "--timeout=1")


@pytest.mark.parametrize("flag", [*ASKING, "--deadline=1", "--retries=600"])
def test_what_says_how_to_ask_is_for_live(cli, flag):
    name = "--header" if flag.startswith("-H") else flag.partition("=")[0]
    assert cli("models", flag) == Result(2, "", f"llmcli: usage: {name} is for --live; add --live\n")


def test_a_profile_may_say_how_to_ask_for_the_commands_that_do(cli, config):
    config.write_text("[profiles.p]\ntimeout = 5\nretries = 9\n")
    assert cli("models", "--profile", "p", "gpt-4o").code == 0


def test_a_list_is_asked_for_again(live, server, clock):
    script = iter([wire.status(503), wire.status(429, headers={"retry-after": "7"}), listing({"id": "x"})])
    server.models = lambda _request: next(script)
    assert (live("--json").code, len(server.requests), clock.slept[1]) == (0, 3, 7.0)


def test_a_list_is_asked_for_as_often_as_retries_say(live, server):
    server.models = wire.status(503)
    result = live("--retries", "1")
    assert (result.code, len(server.requests)) == (75, 2)
    assert ", after 2 attempts (HTTP 503, " in result.err


def test_a_list_that_does_not_come(live, server):
    server.models = wire.hang()
    result = live("--timeout", "0.2", "--retries", "0")
    assert (result.code, result.out) == (75, "")
    assert result.err.startswith("llmcli: tempfail: no answer within 0.2 s (")


def test_the_deadline_of_a_list(live, server):
    server.models = wire.status(503, headers={"retry-after": "60"})
    assert live("--deadline", "5").code == 124


def test_a_line_break_in_a_name_breaks_no_table(live, server):
    server.models = listing({"id": "a\nb\x1b[31m"}, {"id": "c"})
    shown = live().out.splitlines()
    assert [line.split()[0] for line in shown] == ["MODEL", "a\\nb\\x1b[31m", "c"]
    assert json.loads(live("--json").out)[0]["id"] == "a\nb\x1b[31m"


def test_the_embedded_provider_is_asked_without_a_network(cli):
    assert [each["id"] for each in json.loads(cli("models", "--live", "offline/", "--json").out)] == [
        "offline/echo",
        "offline/flaky",
    ]


def test_llama_cpp(cli, llama):
    result = cli("models", "--live", "--base-url", llama, "--json", env={"OPENAI_API_KEY": "sk-test"})
    assert [each["model"] for each in json.loads(result.out)] == ["tiny-bigram"]
