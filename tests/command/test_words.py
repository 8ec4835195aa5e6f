"""What is said on stderr is true: remedies that can help, counts that were counted, models that answered."""

from __future__ import annotations

import json
import socket

import pytest

from tests import server as wire
from tests.conftest import KEY, Result

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def refused_port() -> int:
    """A port of this machine at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


# --- Remedies -----------------------------------------------------------------------------------------------


def test_a_repair_is_offered_where_none_was_made(ask, server):
    server.script = wire.ok("no JSON")
    assert ask("--json-mode", "x").err.endswith("; try again, or let --repair N try\n")


@pytest.mark.parametrize(("repairs", "tried"), [("1", "the repair"), ("2", "2 repairs")])
def test_a_repair_is_not_offered_after_it_was_used_up(ask, server, repairs, tried):
    server.script = wire.ok("no JSON")
    result = ask("--json-mode", "--repair", repairs, "x")
    assert (result.code, len(server.requests)) == (5, int(repairs) + 1)
    assert result.err.endswith(f"; {tried} did not mend it: try another model, or a simpler schema\n")


def test_a_repair_is_not_offered_for_the_arguments_of_a_call(ask, server):
    server.script = wire.ok(tool_calls=[wire.call("f", "{broken")])
    result = ask("--tools", '[{"type": "function", "function": {"name": "f"}}]', "x")
    assert (result.code, "--repair" in result.err) == (5, False)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_was_not_sent_is_not_to_be_checked(ask, server, status):
    server.script = wire.status(status)
    result = ask("x")
    assert result.code == 77
    assert result.err.endswith("; no key was sent: set OPENAI_API_KEY or use --api-key-file\n")
    assert ask("x", env=KEY).err.endswith("; check the key\n")


def test_a_batch_says_that_no_key_was_sent(cli, server, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"prompt": "x"}\n')
    server.script = wire.status(401)
    result = cli("batch", "-m", "ollama/tiny", "--base-url", server.base_url, str(tmp_path / "rows.jsonl"))
    assert "no key was sent: set OLLAMA_API_KEY or use --api-key-file" in result.err


def test_a_list_of_models_is_no_model(cli, server):
    server.models = wire.status(401)
    result = cli("models", "--live", "--base-url", server.base_url)
    assert "(HTTP 401, openai, request req_" in result.err
    assert "openai/models" not in result.err


# --- A local server that is not running ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "start"),
    [
        ("ollama/llama3", "start it (ollama serve), or check the address"),
        ("lmstudio/x", "start it (lms server start), or check the address"),
        ("tiny", "start it, or check the address"),
    ],
)
@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_a_refused_port_of_this_machine_is_said_at_once(cli, clock, model, start, flag):
    address = f"http://127.0.0.1:{refused_port()}/v1"
    result = cli("ask", "-m", model, "--base-url", address, flag, "x")
    name = model if "/" in model else f"openai/{model}"
    assert result == Result(
        75,
        "",
        "llmcli: tempfail: the local server is not running: Connection refused"
        f" ({name} at {address}); {start}\n",
    )
    assert clock.slept == []


def test_a_refused_port_is_tried_again_where_the_user_says_how_often(cli, clock):
    result = cli(
        "ask", "-m", "x", "--base-url", f"http://127.0.0.1:{refused_port()}/v1", "--retries", "2", "x"
    )
    assert (result.code, len(clock.slept)) == (75, 2)
    assert "after 3 attempts" in result.err


def test_another_model_is_asked_where_the_local_server_is_not_running(cli, clock):
    address = f"http://127.0.0.1:{refused_port()}/v1"
    result = cli("ask", "-m", "ollama/x", "--base-url", address, "--fallback", "offline/echo", "hi")
    assert (result, clock.slept) == (Result(0, "hi\n", ""), [])


def test_a_list_of_models_says_that_the_local_server_is_not_running(cli):
    result = cli("models", "--live", "ollama/", env={"OLLAMA_HOST": f"127.0.0.1:{refused_port()}"})
    assert (result.code, result.out) == (75, "")
    assert result.err.endswith("; start it (ollama serve), or check the address\n")


# --- Usage --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "said"),
    [
        (USAGE, "10 in + 5 out = 15 tokens"),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": 0}}, "10 in (0 cached) + 5 out = 15 tokens"),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": None}}, "10 in + 5 out = 15 tokens"),
        ({**USAGE, "prompt_tokens_details": None}, "10 in + 5 out = 15 tokens"),
        ({**USAGE, "prompt_cache_hit_tokens": 4}, "10 in (4 cached) + 5 out = 15 tokens"),
        (
            {**USAGE, "completion_tokens_details": {"reasoning_tokens": 3}},
            "10 in + 5 out (3 reasoning) = 15 tokens",
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_what_the_server_did_not_count_is_not_said_to_be_0(ask, server, usage, said, flag):
    server.script = wire.ok("Hi", usage=usage)
    assert ask(flag, "-u", "--price", "1,1", "x").err == f"usage: {said}, $0.000015, 0.00 s, openai/tiny\n"


def test_a_price_that_was_given_is_not_unknown(ask, server):
    server.script = wire.ok("Hi", usage=None)
    said = "usage: tokens unknown, cost unknown, 0.00 s, openai/tiny\n"
    assert ask("-u", "--price", "1,2", "x").err == said


@pytest.mark.parametrize(
    ("told", "cost"),
    [
        ({"cost": 0.00014}, 0.00014),
        ({"cost": 0}, 0),
        ({"cost": "0.5"}, 0.5),
        ({"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.2}}, 0.21),
        ({"cost": 0.01, "cost_details": {"upstream_inference_cost": 0.01}}, 0.01),
        ({"cost": {"total_cost": 0.006, "request_cost": 0.005}}, 0.006),
        ({"estimated_cost": 1.5e-06}, 1.5e-06),
        ({"cost_in_usd_ticks": 37_756_000}, 0.0037756),
        ({"cost": None}, None),
        ({"cost": True}, None),
        ({"cost": -1}, None),
        ({"cost": "much"}, None),
        ({"cost": 1e300}, None),
        ({"cost": []}, None),
    ],
    ids=str,
)
@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_the_servers_own_cost_is_told_where_no_price_is_known(ask, server, told, cost, flag):
    server.script = wire.ok("Hi", usage={**USAGE, **told})
    assert json.loads(ask(flag, "--json", "x").out)["llmcli"]["cost_usd"] == cost


def test_a_price_of_the_users_wins_over_the_servers_cost(ask, server):
    server.script = wire.ok("Hi", usage={**USAGE, "cost": 9})
    assert "$0.000015" in ask("-u", "--price", "1,1", "x").err


def test_a_batch_adds_up_the_servers_own_costs(cli, server, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"prompt": "x"}\n' * 2)
    server.script = wire.ok("Hi", usage={**USAGE, "cost": 0.25})
    result = cli("batch", "-m", "x", "--base-url", server.base_url, str(tmp_path / "rows.jsonl"))
    assert [json.loads(line)["llmcli"]["cost_usd"] for line in result.out.splitlines()] == [0.25, 0.25]
    assert "$0.500000" in result.err


# --- The model that answered --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "answered", "said"),
    [
        ("auto", "anthropic/claude-x", " (answered by anthropic/claude-x)"),
        ("tiny", "tiny-bigram", " (answered by tiny-bigram)"),
        ("gpt-x", "gpt-x-mini", " (answered by gpt-x-mini)"),
        ("gpt-x", "two\nlines", " (answered by two lines)"),
        ("gpt-x", "gpt-x-2026-01-31", ""),
        ("gpt-x", "gpt-x-0613", ""),
        ("claude-x-latest", "claude-x-20260131", ""),
        ("llama3", "llama3:latest", ""),
        ("Qwen/Qwen3-8B", "qwen3-8b", ""),
        ("tiny", "/models/tiny.gguf", ""),
        ("tiny", "", ""),
        ("tiny", None, ""),
    ],
)
def test_the_usage_line_names_the_model_that_answered(cli, server, asked, answered, said):
    server.script = wire.ok("Hi", usage=USAGE, extra={"model": answered})
    argv = ("-m", f"vllm/{asked}", "--base-url", server.base_url)
    assert cli("ask", *argv, "-u", "x").err.endswith(f", 0.00 s, vllm/{asked}{said}\n")


def test_v_names_the_model_that_answered(ask, server):
    server.script = wire.ok("Hi", model="another")
    assert ask("-v", "x").err == "llmcli: request req_1, 1 attempt, answered by another\n"
    assert json.loads(ask("--json", "x").out)["model"] == "another"
