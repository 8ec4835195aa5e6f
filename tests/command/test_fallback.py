"""`--fallback`: the next model, where one cannot answer."""

from __future__ import annotations

import json

import pytest

from tests import server as wire
from tests.conftest import Result


def by_model(**scenarios: wire.Scenario) -> wire.Scenario:
    """Each model has a scenario of its own; one that has none does not exist."""
    gone = wire.status(404, wire.error("There is no such model.", code="model_not_found"))
    return lambda request: scenarios.get(request.json["model"], gone)


def models(server) -> list[str]:
    return [request.json["model"] for request in server.requests]


BOTH = pytest.mark.parametrize("how", ["--stream", "--no-stream"])


@BOTH
def test_a_model_that_does_not_exist_is_replaced_and_verbose_says_why(ask, server, how):
    server.script = by_model(other=wire.ok("Hello!"))
    assert ask(how, "--fallback", "other", "-v", "hi") == Result(
        0,
        "Hello!\n",
        "llmcli: openai/tiny cannot answer: There is no such model. (HTTP 404, openai/tiny, request req_1);"
        f" check the model's name and the address {server.base_url}\n"
        "llmcli: request req_2, 2 attempts\n",
    )


@BOTH
def test_a_model_that_is_out_of_retries_is_replaced(ask, server, clock, how):
    server.script = by_model(tiny=wire.status(503), other=wire.ok("Hello!"))
    assert ask(how, "--fallback", "other", "--retries", "2", "hi") == Result(0, "Hello!\n", "")
    assert models(server) == ["tiny", "tiny", "tiny", "other"]
    assert len(clock.slept) == 2


@BOTH
@pytest.mark.parametrize("flags", [[], ["--deadline", "60"]])
def test_a_model_that_asks_for_a_day_is_replaced_at_once(ask, server, clock, how, flags):
    busy = wire.status(429, headers={"retry-after": "86400"})
    server.script = by_model(tiny=busy, other=wire.ok("Hello!"))
    result = ask(how, *flags, "--fallback", "other", "-v", "hi")
    assert (result.code, result.out, clock.slept) == (0, "Hello!\n", [])
    assert "the server asks to wait 86400 s" in result.err
    assert result.err.endswith("llmcli: request req_2, 2 attempts\n")
    server.script = busy
    assert ask(how, *flags, "--fallback", "other", "hi").code == (124 if flags else 75)


def test_a_model_without_credit_is_replaced(ask, server):
    server.script = by_model(tiny=wire.quota(), other=wire.ok("Hello!"))
    assert ask("--fallback", "other", "hi").out == "Hello!\n"


def test_every_record_says_which_model_answered(ask, server, tmp_path):
    server.script = by_model(other=wire.ok("Hello!", usage=wire.usage(1, 2)))
    result = ask("--fallback", "other", "--json", "-u", "--usage-file", f"{tmp_path}/usage", "hi")
    assert json.loads(result.out)["llmcli"]["model"] == "other"
    assert result.err.endswith(" s, openai/other\n")
    assert json.loads((tmp_path / "usage").read_text())["model"] == "other"


def test_several_are_tried_in_their_order(ask, server):
    server.script = by_model(c=wire.ok("c"))
    assert ask("--fallback", "a", "--fallback", "b", "--fallback", "c", "--fallback", "d", "hi").out == "c\n"
    assert models(server) == ["tiny", "a", "b", "c"]


@pytest.mark.parametrize("name", ["other", "openai/other", "meta-llama/other"])
def test_a_model_of_the_same_provider_is_asked_at_the_same_address_as_it_is_typed(ask, server, name):
    server.script = by_model(**{name: wire.ok("Hello!")})
    assert ask("--fallback", name, "hi").out == "Hello!\n"


def test_a_model_of_another_provider_is_asked_at_its_own_address_with_its_own_key(
    cli, server, config, tmp_path
):
    (tmp_path / "key").write_text("sk-openai")
    with wire.Server() as groq:
        config.write_text(f'[providers.groq]\nbase_url = "{groq.base_url}"\n')
        groq.script = wire.echo_auth("sk-groq", wire.ok("Hello!"))
        server.script = wire.status(404)
        argv = ["--base-url", server.base_url, "--api-key-file", f"{tmp_path}/key", "-m", "tiny"]
        result = cli("ask", *argv, "--fallback", "groq/llama", "hi", env={"GROQ_API_KEY": "sk-groq"})
        assert result == Result(0, "Hello!\n", "")
        assert models(groq) == ["llama"]
    assert server.requests[0].headers["authorization"] == "Bearer sk-openai"


def test_a_file_with_a_key_is_never_for_another_provider(cli, server, config, tmp_path):
    (tmp_path / "key").write_text("sk-openai")
    with wire.Server() as other:
        config.write_text(f'[providers.mine]\nbase_url = "{other.base_url}"\n')
        server.script = wire.status(404)
        argv = ["--base-url", server.base_url, "--api-key-file", f"{tmp_path}/key", "-m", "tiny"]
        assert cli("ask", *argv, "--fallback", "mine/x", "hi").code == 0
        assert "authorization" not in other.requests[0].headers


def test_the_embedded_provider_is_a_last_resort(ask, server):
    server.script = wire.status(404)
    assert ask("--fallback", "offline/echo", "hi") == Result(0, "hi\n", "")


# --- The request for the next model -------------------------------------------------------------------------


@pytest.fixture
def openai(cli, server, config):
    """`llmcli ask` of an openai whose address is the server's."""
    config.write_text(f'[providers.openai]\nbase_url = "{server.base_url}"\n')

    def run(*argv: str) -> Result:
        return cli(
            "ask", "--no-stream", *argv, env={"OPENAI_API_KEY": "sk-test", "DEEPSEEK_API_KEY": "sk-deep"}
        )

    return run


def test_the_limit_is_called_what_the_next_model_calls_it(openai, server, config):
    with wire.Server() as deepseek:
        with config.open("a") as file:
            file.write(f'[providers.deepseek]\nbase_url = "{deepseek.base_url}"\n')
        server.script = wire.status(404)
        assert openai("-m", "gpt-5", "-M", "7", "--fallback", "deepseek/deepseek-chat", "hi").code == 0
        assert server.requests[0].json["max_completion_tokens"] == 7
        assert deepseek.requests[0].json["max_tokens"] == 7
        assert "max_completion_tokens" not in deepseek.requests[0].json


def test_a_model_that_rejects_a_parameter_is_passed_over(openai, server):
    server.script = by_model(**{"gpt-4o": wire.ok("Hello!")})
    argv = ["-m", "gpt-4o-mini", "--temperature", "0", "--fallback", "o3", "--fallback", "gpt-4o", "-v", "hi"]
    result = openai(*argv)
    assert (result.code, result.out) == (0, "Hello!\n")
    assert models(server) == ["gpt-4o-mini", "gpt-4o"]
    assert "llmcli: o3 cannot answer: " in result.err


def test_where_all_others_are_passed_over_the_error_is_that_of_the_call(openai, server):
    server.script = wire.status(404)
    assert openai("-m", "gpt-4o", "--temperature", "0", "--fallback", "o3", "hi").code == 65


def test_a_prompt_that_does_not_fit_goes_to_a_model_with_a_wider_window(openai, server):
    server.script = wire.ok("Hello!")
    prompt = "word " * 20_000  # gpt-4 takes 8192 tokens
    result = openai("-m", "gpt-4", "--fallback", "gpt-4o", "-v", prompt)
    assert (result.code, result.out) == (0, "Hello!\n")
    assert models(server) == ["gpt-4o"]
    assert (
        "llmcli: openai/gpt-4 cannot answer: the prompt has 20008 tokens and openai/gpt-4 takes 8192;"
        in result.err
    )


def test_what_the_server_calls_too_long_goes_to_the_next_model(ask, server):
    long = wire.status(400, wire.error("Too long.", code="context_length_exceeded"))
    server.script = by_model(tiny=long, other=wire.ok("Hello!"))
    assert ask("--fallback", "other", "hi").out == "Hello!\n"


# --- Where no other model helps -----------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "code"), [(400, 65), (401, 77), (422, 65)])
def test_another_model_would_not_help(ask, server, status, code):
    server.script = wire.status(status)
    assert ask("--fallback", "other", "hi").code == code
    assert models(server) == ["tiny"]


def test_where_all_fail_the_last_error_counts(ask, server):
    server.script = by_model(tiny=wire.status(503), other=wire.quota())
    assert ask("--fallback", "other", "--retries", "0", "hi") == Result(
        69,
        "",
        "llmcli: quota: You exceeded your current quota. (HTTP 429, openai/other, request req_2);"
        " check the account's plan and billing\n",
    )


def test_a_stream_that_began_is_not_begun_again(ask, server):
    server.script = by_model(tiny=wire.cut(wire.ok("Hello there"), 700), other=wire.ok("Other"))
    result = ask("--fallback", "other", "hi")
    assert result.code == 3
    assert "Hello there".startswith(result.out.rstrip("\n"))
    assert models(server) == ["tiny"]


def test_a_tool_loop_goes_on_with_a_model_that_answers(ask, server):
    def other(request):
        answered = request.json["messages"][-1]["role"] == "tool"
        return wire.ok("Done") if answered else wire.ok(tool_calls=[wire.call("a", {})])

    server.script = by_model(other=other)
    assert ask("--tools", '{"name": "a"}', "--exec", "a=true", "--fallback", "other", "hi").out == "Done\n"
