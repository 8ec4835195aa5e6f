"""Every exit code that ask and count can give, and the one line on stderr that goes with it."""

from __future__ import annotations

import subprocess

import pytest

from llmcli.errors import ExitCode
from tests import server as wire
from tests.conftest import Result


def explained(result: Result, code: int, name: str, out: str = "") -> bool:
    """Whether this is the exit, with this stdout and exactly one line of explanation."""
    lines = result.err.splitlines()
    assert result == Result(code, out, result.err)
    assert len(lines) == 1
    assert lines[0].startswith(f"llmcli: {name}: ")
    return True


def test_exit_0_stop(ask, server):
    server.script = wire.ok("Hi")
    assert ask("x") == Result(0, "Hi\n", "")


def test_exit_0_tool_calls(ask, server):
    server.script = wire.ok(tool_calls=[wire.call("f", {})])
    assert ask("--tools", '{"name": "f"}', "x") == Result(
        0, '{"id":"call_1","name":"f","arguments":{}}\n', ""
    )


def test_exit_0_done_without_a_finish_reason(ask, server):
    server.script = wire.ok("Hi", finish_reason=None)
    assert ask("x") == Result(0, "Hi\n", "")


def test_exit_1_no_model_matches(cli):
    assert explained(cli("models", "no such model"), 1, "error")


@pytest.mark.parametrize(
    "argv",
    [
        ["ask", "--bogus"],
        ["ask", "--temperature", "9", "x"],
        ["ask", "-m"],
        ["ask", "-f", "/no/such", "x"],
        ["ask", ""],
        ["ask", "--ok", "nope", "x"],
        ["count", ""],
        ["count", "--split", "0", "x"],
        ["count", "--bogus"],
        ["models", "a", "b"],
        ["bogus"],
        ["--bogus"],
    ],
    ids=" ".join,
)
def test_exit_2_usage(cli, argv):
    assert explained(cli(*argv), 2, "usage")


def test_exit_2_unreadable_input(ask, server):
    assert explained(ask(stdin=b"\xff"), 2, "usage")
    assert server.requests == []


@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_exit_3_incomplete_length(ask, server, flag):
    server.script = wire.ok("par", finish_reason="length")
    assert explained(ask(flag, "x"), 3, "incomplete", "par\n")


def test_exit_3_incomplete_stream_without_an_end(ask, server):
    server.script = wire.ok("par", finish_reason=None, done=False)
    assert explained(ask("x"), 3, "incomplete", "par\n")


def test_exit_3_incomplete_connection_cut_after_text(ask, server):
    server.script = wire.events([wire.chunk("par"), wire.chunk("t")])
    assert explained(ask("x"), 3, "incomplete", "part\n")


THINKS = wire.chunk(reasoning_content="Hm")
BREAKS = {
    "cut": wire.cut(wire.events([THINKS, wire.chunk("never")]), 200),
    "error": wire.events([THINKS, {"error": {"message": "overloaded"}}]),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_stream_that_breaks_while_the_model_thinks_is_tried_again(ask, server, name):
    server.script = [BREAKS[name], wire.ok("Hello", reasoning="Hmm")]
    assert ask("hi") == Result(0, "Hello\n", "")


@pytest.mark.parametrize("flags", [["--reasoning"], ["--format", "events"]])
@pytest.mark.parametrize("name", BREAKS)
def test_a_stream_whose_thoughts_were_shown_is_not_tried_again(ask, server, name, flags):
    server.script = [BREAKS[name], wire.ok("Hello")]
    result = ask(*flags, "hi")
    assert (result.code, len(server.requests)) == (75, 1)
    assert ("Hm\nllmcli: tempfail: " in result.err) == (flags == ["--reasoning"])


def test_exit_75_tempfail_a_stream_of_nothing_is_tried_again(ask, server):
    server.script = [wire.events([wire.DONE]), wire.events([{"choices": []}, wire.DONE]), wire.ok("Hello")]
    assert ask("hi") == Result(0, "Hello\n", "")
    server.script = [wire.events([wire.DONE]), wire.ok("Hello")]
    result = ask("--retries", "0", "hi")
    assert explained(result, 75, "tempfail")
    server.script = [wire.events([wire.DONE]), wire.ok("Hello")]
    assert ask("--retries", "0", "--fallback", "other", "hi") == Result(0, "Hello\n", "")


@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_exit_4_refused(ask, server, flag):
    server.script = wire.ok(refusal="I cannot do that.")
    result = ask(flag, "x")
    assert explained(result, 4, "refused")
    assert "I cannot do that." in result.err


def test_exit_4_refused_content_filter(ask, server):
    server.script = wire.ok("par", finish_reason="content_filter")
    assert explained(ask("x"), 4, "refused", "par\n")


def test_exit_5_invalid_json(ask, server):
    server.script = wire.ok("no json")
    assert explained(ask("--json-mode", "x"), 5, "invalid", "no json\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": "\\ud800"}', "it cannot be checked: "),
        ('{"a": ' + "[" * 600 + "]" * 600 + "}", "the answer is not valid JSON"),
    ],
    ids=["half a character", "too deep"],
)
def test_exit_5_invalid_what_cannot_be_checked(ask, cli, server, tmp_path, text, why):
    server.script = wire.ok(text)
    schema = '{"type": "object", "properties": {"a": {"enum": ["x"]}}}'
    result = ask("--schema", schema, "x")
    assert explained(result, 5, "invalid", text + "\n")
    assert why in result.err
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "x"}\n')
    argv = ("--base-url", server.base_url, "-m", "tiny", "--schema", schema)
    assert cli("batch", "-q", str(rows), *argv, "-O", str(tmp_path / "out.jsonl")).code == 7
    assert '"code":"invalid"' in (tmp_path / "out.errors.jsonl").read_text()


def test_exit_5_invalid_arguments_of_a_call(ask, server):
    server.script = wire.ok(tool_calls=[wire.call("f", '{"a":')])
    tools = ("--tools", '{"name": "f"}')
    assert explained(ask(*tools, "x"), 5, "invalid", '{"id":"call_1","name":"f","arguments":"{\\"a\\":"}\n')


@pytest.mark.parametrize("status", [400, 404, 405, 413, 418, 422, 301])
def test_exit_65_rejected(ask, server, status):
    server.script = wire.status(status)
    assert explained(ask("x"), 65, "rejected")
    assert len(server.requests) == 1


def test_exit_69_quota(ask, server):
    server.script = wire.quota()
    assert explained(ask("x"), 69, "quota")
    assert len(server.requests) == 1


def test_exit_69_quota_payment_required(ask, server):
    server.script = wire.status(402)
    assert explained(ask("x"), 69, "quota")
    assert len(server.requests) == 1


def test_exit_74_io_output_in_no_directory(ask, server, tmp_path):
    assert explained(ask("-O", str(tmp_path / "no" / "x"), "x"), 74, "io")
    assert server.requests == []


def test_exit_74_io_usage_file_before_anything_is_paid_for(ask, server, tmp_path):
    assert explained(ask("--usage-file", str(tmp_path / "no" / "x"), "x"), 74, "io")
    assert server.requests == []


def test_exit_74_io_full_device(cli):
    assert explained(cli("ask", "-m", "offline/echo", "-O", "/dev/full", "x"), 74, "io")


def test_exit_74_io_full_stdout(process):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = process.start("ask", "-m", "offline/echo", "x", stdout=full, stdin=subprocess.DEVNULL)
        err = done.communicate(timeout=60)[1].decode()
    assert explained(Result(done.returncode, "", err), 74, "io")


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_exit_75_tempfail(ask, server, status):
    server.script = wire.status(status)
    assert explained(ask("--retries", "1", "x"), 75, "tempfail")
    assert len(server.requests) == 2


def test_exit_75_tempfail_a_day_to_wait(ask, server, clock):
    server.script = wire.status(429, headers={"retry-after": "86400"})
    result = ask("x")
    assert result.err == (
        "llmcli: tempfail: The server says 429.; the server asks to wait 86400 s"
        " (HTTP 429, openai/tiny, request req_1); try again later\n"
    )
    assert (result.code, result.out, clock.slept) == (75, "", [])


def test_exit_75_tempfail_network(cli):
    argv = ["--base-url", "http://127.0.0.1:9/v1", "-m", "tiny", "--retries", "0", "x"]
    assert explained(cli("ask", *argv), 75, "tempfail")


@pytest.mark.parametrize("scenario", [wire.reset(), wire.drop()], ids=["reset", "drop"])
def test_exit_75_tempfail_connection_lost(ask, server, scenario):
    server.script = scenario
    assert explained(ask("--retries", "0", "x"), 75, "tempfail")


@pytest.mark.parametrize("body", ["<html><title>Log in</title>", {"a": 1}, [], {"choices": []}, b"", b"{"])
@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_exit_75_tempfail_no_chat_completion(ask, server, body, flag):
    server.script = wire.reply(body)
    result = ask(flag, "--retries", "0", "x")
    assert result.code == 75 or (flag, body, result.code) == ("--stream", b"", 3)
    assert result.out == ""


def test_exit_75_tempfail_error_in_a_200_body(ask, server):
    server.script = wire.ok(error={"message": "boom"})
    assert explained(ask("--no-stream", "--retries", "0", "x"), 75, "tempfail")


def test_exit_75_tempfail_error_in_a_stream(ask, server):
    server.script = wire.ok("part", error={"message": "boom"}, after=1)
    assert explained(ask("--retries", "0", "x"), 75, "tempfail", "part\n")


def test_exit_77_auth_no_key(cli):
    assert explained(cli("ask", "x"), 77, "auth")


def test_another_address_wants_a_key_for_the_models_of_the_provider_alone(cli, server):
    there = ["--base-url", server.base_url]
    for argv in ([], ["-m", "gpt-4o"], ["-m", "groq/openai/gpt-oss-120b"]):
        assert explained(cli("ask", *there, *argv, "x"), 77, "auth")
    assert server.requests == []
    for model in ("tiny", "ollama/gpt-4o", "groq/tiny"):
        assert cli("ask", *there, "-m", model, "x") == Result(0, "x\n", "")


@pytest.mark.parametrize("status", [401, 403])
def test_exit_77_auth(ask, server, status):
    server.script = wire.status(status)
    assert explained(ask("x"), 77, "auth")
    assert len(server.requests) == 1


@pytest.mark.parametrize("command", [["ask", "x"], ["count", "x"], ["models"]], ids=" ".join)
def test_exit_78_config(cli, config, command):
    config.write_text("model = ")
    assert explained(cli(*command), 78, "config")


# --- --ok ---------------------------------------------------------------------------------------------------


def test_ok_turns_an_exit_to_0_and_still_says_why(ask, server):
    server.script = wire.ok("par", finish_reason="length")
    bare = ask("x")
    accepted = ask("--ok", "incomplete", "x")
    assert (accepted.code, accepted.out) == (0, bare.out)
    assert accepted.err.startswith("llmcli: incomplete: ")


@pytest.mark.parametrize(
    "names", [["incomplete,refused"], ["refused, Incomplete"], ["refused", "--ok", "incomplete"]]
)
def test_ok_takes_several_names(ask, server, names):
    server.script = wire.ok("par", finish_reason="length")
    assert ask("--ok", *names, "x").code == 0


def test_ok_of_another_name_changes_nothing(ask, server):
    server.script = wire.ok("par", finish_reason="length")
    assert ask("--ok", "refused", "x").code == 3


def test_ok_of_an_unknown_name(ask, server):
    result = ask("--ok", "incomplete,fine", "x")
    assert explained(result, 2, "usage")
    assert result.err.startswith(
        "llmcli: usage: --ok fine: no such exit; one of ok, error, usage, incomplete,"
    )
    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "argv"),
    [
        ("usage", ["ask", "--temperature", "9", "x"]),
        ("usage", ["ask", ""]),
        ("auth", ["ask", "x"]),
        ("io", ["ask", "-m", "offline/echo", "-O", "/no/such/x", "x"]),
        ("tempfail", ["ask", "-m", "offline/flaky?rate=1", "--retries", "0", "x"]),
        ("error", ["models", "no such model"]),
    ],
)
def test_ok_holds_for_every_exit(cli, name, argv):
    bare = cli(*argv)
    assert bare.code != 0
    assert cli(argv[0], "--ok", name, *argv[1:]) == Result(0, bare.out, bare.err)


def test_ok_holds_for_a_broken_config(cli, config):
    config.write_text("bogus = 1")
    assert cli("ask", "--ok", "config", "x").code == 0


def test_ok_from_a_profile(ask, server, config):
    config.write_text('[profiles.p]\nok = ["incomplete", "refused"]')
    server.script = wire.ok("par", finish_reason="length")
    assert ask("--profile", "p", "x").code == 0


def test_every_exit_has_a_name_that_ok_takes(cli):
    for code in ExitCode:
        assert cli("ask", "--ok", code.label.replace(" ", "-"), "-m", "offline/echo", "x") == Result(
            0, "x\n", ""
        )


def test_quiet_keeps_the_error(ask, server):
    server.script = wire.ok("par", finish_reason="length")
    assert explained(ask("-q", "x"), 3, "incomplete", "par\n")


@pytest.mark.parametrize("flag", ["--timeout", "--deadline", "--tool-timeout", "--max-cost"])
@pytest.mark.parametrize("value", ["inf", "1e400", "nan", "-1"])
def test_exit_2_usage_a_number_that_no_clock_or_purse_holds(cli, flag, value):
    done = cli("ask", "-m", "offline/echo", f"{flag}={value}", "hi")
    assert done.code == 2
    assert done.err.startswith(f"llmcli: usage: Invalid value for '{flag}': ")


@pytest.mark.parametrize(
    "argv", ["--ok usage ask --temp 1 hi", "ask --temp 1 hi --ok=usage", "asc --ok usage"]
)
def test_ok_holds_for_a_line_that_cannot_be_parsed(cli, argv):
    done = cli(*argv.split())
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("llmcli: usage: ")
