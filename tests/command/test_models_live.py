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
    result = live()
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


def test_an_address_without_live(cli):
    assert cli("models", "--base-url", "http://localhost:1") == Result(
        2,
        "",
        "llmcli: usage: --base-url, --api-key-file, --header and --max-reply are for --live; add --live\n",
    )


def test_the_embedded_provider_is_asked_without_a_network(cli):
    assert [each["id"] for each in json.loads(cli("models", "--live", "offline/", "--json").out)] == [
        "offline/echo",
        "offline/flaky",
    ]


def test_llama_cpp(cli, llama):
    result = cli("models", "--live", "--base-url", llama, "--json", env={"OPENAI_API_KEY": "sk-test"})
    assert [each["model"] for each in json.loads(result.out)] == ["tiny-bigram"]
