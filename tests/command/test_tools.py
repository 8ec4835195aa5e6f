"""Tools: what is sent, what is printed, and the loop in which they run."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests import server as wire
from tests.conftest import Result
from tests.waiting import until

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
        },
    },
}
TOOLS = json.dumps([WEATHER])


def tool(name: str) -> dict:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def results(server, request: int = 1) -> list[str]:
    """The tool messages that a request took back to the server."""
    messages = server.requests[request].json["messages"]
    return [message["content"] for message in messages if message["role"] == "tool"]


@pytest.fixture
def looped(ask, server):
    """`llmcli ask` of a model that calls the weather tool once, with these arguments, and then answers."""

    def run(command: str, *argv: str, arguments: object = None, **more: object) -> Result:
        given = {"city": "Oslo"} if arguments is None else arguments
        server.script = [wire.ok(tool_calls=[wire.call("weather", given)]), wire.ok("It rains.")]
        return ask("--tools", TOOLS, "--exec", f"weather={command}", *argv, "hi", **more)

    return run


# --- Definitions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", [[WEATHER], WEATHER, WEATHER["function"], [WEATHER["function"]], {"tools": [WEATHER]}]
)
def test_definitions_in_any_wrapping(cli, tmp_path, given):
    (tmp_path / "tools.json").write_text(json.dumps(given))
    for value in (json.dumps(given), f"{tmp_path}/tools.json", f"@{tmp_path}/tools.json"):
        result = cli("ask", "--dry-run", "--tools", value, "hi")
        assert (result.code, result.err) == (0, "")
        assert json.loads(result.out)["tools"] == [WEATHER]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("[]", "--tools: the list is empty"),
        (json.dumps([tool("a"), tool("a")]), "--tools: two tools are named 'a'; names must differ"),
        ('[{"type": "function", "function": {}}]', "--tools: tool 0 has no name"),
        ('["weather"]', '--tools: tool 0 is no function definition; it needs "name" and "parameters"'),
        (
            '[{"name": "a", "parameters": 1}]',
            "--tools: the parameters of 'a' are no JSON Schema object",
        ),
        (
            '[{"name" "a"}]',
            "--tools is not valid JSON: Expecting ':' delimiter: line 1 column 10 (char 9)",
        ),
        ("nobody.json", "cannot read nobody.json: No such file or directory; check the path"),
    ],
)
def test_definitions_that_are_none(ask, server, given, message):
    assert ask("--tools", given, "hi") == Result(2, "", f"llmcli: usage: {message}\n")
    assert server.requests == []


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("clock=date", "--exec clock: there is no such tool; --tools defines: weather"),
        ("weather=", "--exec weather: the command is empty; write NAME=COMMAND"),
        ("weather='", "--exec weather: no closing quotation in the command; mend the quotes"),
    ],
)
def test_a_command_that_cannot_be_meant(ask, server, command, message):
    assert ask("--tools", TOOLS, "--exec", command, "hi") == Result(2, "", f"llmcli: usage: {message}\n")
    assert server.requests == []


def test_a_command_without_tools(ask):
    assert ask("--exec", "weather=date", "hi") == Result(
        2, "", "llmcli: usage: --exec weather: there is no such tool; --tools defines: none\n"
    )


def test_two_commands_for_one_tool(ask):
    assert ask("--tools", TOOLS, "--exec", "weather=a", "--exec", "weather=b", "hi") == Result(
        2, "", "llmcli: usage: --exec weather is given twice; one command runs a tool\n"
    )


def test_count_knows_about_tools(cli):
    without = int(cli("count", "-m", "gpt-4o", "hi").out)
    assert int(cli("count", "-m", "gpt-4o", "--tools", TOOLS, "hi").out) > without + 10


# --- Calls as the answer ------------------------------------------------------------------------------------


def test_without_commands_the_calls_are_the_answer(ask, server):
    server.script = wire.ok(
        tool_calls=[wire.call("weather", {"city": "Oslo"}), wire.call("weather", {}, "call_2")]
    )
    assert ask("--tools", TOOLS, "hi") == Result(
        0,
        '{"id":"call_1","name":"weather","arguments":{"city":"Oslo"}}\n'
        '{"id":"call_2","name":"weather","arguments":{}}\n',
        "",
    )


def test_a_call_of_a_tool_without_a_command_is_the_answer(ask, server, tmp_path):
    server.script = wire.ok(tool_calls=[wire.call("weather", {}), wire.call("clock", {}, "call_2")])
    tools = json.dumps([WEATHER, tool("clock")])
    assert ask("--tools", tools, "--exec", f"weather=touch {tmp_path}/ran", "hi") == Result(
        0,
        '{"id":"call_1","name":"weather","arguments":{}}\n{"id":"call_2","name":"clock","arguments":{}}\n',
        "",
    )
    assert not (tmp_path / "ran").exists()


def test_huge_integers_in_arguments_stay_whole(ask, server, looped):
    huge = {"city": "Oslo", "height": 2**256 - 1}
    server.script = wire.ok(tool_calls=[wire.call("weather", huge)])
    assert json.loads(ask("--tools", TOOLS, "hi").out)["arguments"] == huge
    looped("cat", arguments=huge)
    assert json.loads(results(server, 2)[0]) == huge


def test_calls_whose_arguments_are_no_json_are_invalid(ask, server):
    server.script = wire.ok(tool_calls=[wire.call("weather", '{"city": "Os')])
    assert ask("--tools", TOOLS, "hi") == Result(
        5,
        '{"id":"call_1","name":"weather","arguments":"{\\"city\\": \\"Os"}\n',
        "llmcli: invalid: the arguments of the call of weather are not a valid JSON object:"
        " Unterminated string starting at: line 1 column 10 (char 9) (openai/tiny, request req_1); try again\n",
    )


# --- The loop -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [[], ["--no-stream"]], ids=["stream", "whole"])
def test_a_tool_runs_and_its_output_goes_back(looped, server, how):
    assert looped("cat", *how) == Result(0, "It rains.\n", "")
    first, second = (request.json for request in server.requests)
    assert second["messages"] == [
        *first["messages"],
        second["messages"][1],
        {"role": "tool", "tool_call_id": "call_1", "content": '{"city":"Oslo"}'},
    ]
    assert second["messages"][1]["tool_calls"] == [wire.call("weather", {"city": "Oslo"})]
    assert {**second, "messages": None} == {**first, "messages": None}


def opened_call(*blocks: object) -> object:
    """A stream that opens a call of the weather tool and then goes on with these blocks."""
    function = {"name": "weather", "arguments": ""}
    opening = {"index": 0, "id": "call_1", "type": "function", "function": function}
    return wire.events([wire.chunk(role="assistant", tool_calls=[opening]), *blocks])


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (opened_call(), 3),
        (opened_call(wire.chunk(finish_reason="length"), wire.DONE), 3),
        (wire.cut(opened_call(wire.chunk("x" * 99)), -99), 3),
        (opened_call(wire.chunk(finish_reason="content_filter"), wire.DONE), 4),
        (opened_call(wire.chunk(refusal="No."), wire.chunk(finish_reason="stop"), wire.DONE), 4),
    ],
    ids=["no end", "length", "broken off", "filtered", "refused"],
)
def test_no_tool_runs_for_an_answer_that_is_not_whole(ask, server, tmp_path, answer, code):
    server.script = answer
    result = ask("--tools", TOOLS, "--exec", f"weather=touch {tmp_path}/ran", "hi")
    assert (result.code, result.out) == (code, '{"id":"call_1","name":"weather","arguments":{}}\n')
    assert not (tmp_path / "ran").exists()
    assert len(server.requests) == 1


def test_calls_that_the_server_gave_no_id_get_one(ask, server):
    calls = [{**wire.call("weather", {}), "id": name} for name in (None, "", "mine")]
    server.script = [wire.ok(tool_calls=calls), wire.ok("Done")]
    assert ask("--no-stream", "--tools", TOOLS, "--exec", "weather=cat", "hi") == Result(0, "Done\n", "")
    _, said, *answers = server.requests[1].json["messages"]
    names = [call["id"] for call in said["tool_calls"]]
    assert names == [answer["tool_call_id"] for answer in answers] == ["call_2_0", "call_2_1", "mine"]


def test_no_shell_reads_the_command(looped, server):
    looped("printf '%s\\n' $(id) ; 'a  b' | cat `x` > /tmp/y && *")
    assert results(server) == ["$(id)\n;\na  b\n|\ncat\n`x`\n>\n/tmp/y\n&&\n*"]


def test_output_that_is_no_utf8_does_no_harm(looped, server):
    looped("printf '\\377x\\n\\n'")
    assert results(server) == ["\ufffdx\n"]


def test_a_tool_may_leave_its_input_unread(looped, server):
    assert looped("true", "--no-stream", arguments={"city": "x" * 1_000_000}) == Result(0, "It rains.\n", "")
    assert results(server) == [""]


def test_a_custom_tool_gets_its_input_as_it_is(ask, server):
    custom = {"type": "custom", "custom": {"name": "shout"}}
    call = {"id": "call_1", "type": "custom", "custom": {"name": "shout", "input": "hey\nyou"}}
    body = {"role": "assistant", "content": None, "tool_calls": [call]}
    answer = {"choices": [{"index": 0, "message": body, "finish_reason": "tool_calls"}]}
    server.script = [wire.reply(answer), wire.ok("Done")]
    assert (
        ask("--no-stream", "--tools", json.dumps([custom]), "--exec", "shout=tr a-z A-Z", "hi").out
        == "Done\n"
    )
    assert results(server) == ["HEY\nYOU"]


def test_calls_of_one_turn_run_side_by_side(ask, server, tmp_path):
    # Each tool waits for the other: one after the other they would wait for ever.
    for name in ("one", "two"):
        os.mkfifo(tmp_path / name)
    first = script(tmp_path / "first", f"echo x > {tmp_path}/one; cat {tmp_path}/two > /dev/null; echo 1")
    second = script(tmp_path / "second", f"cat {tmp_path}/one > /dev/null; echo x > {tmp_path}/two; echo 2")
    server.script = [wire.ok(tool_calls=[wire.call("a", {}), wire.call("b", {}, "call_2")]), wire.ok("Done")]
    tools = json.dumps([tool("a"), tool("b")])
    assert ask("--tools", tools, "--exec", f"a={first}", "--exec", f"b={second}", "hi") == Result(
        0, "Done\n", ""
    )
    assert results(server) == ["1", "2"]


def test_verbose_says_what_runs(looped):
    assert looped("cat -u", "-v").err == (
        'llmcli: tool weather: cat -u <<< {"city":"Oslo"}\n'
        "llmcli: tool weather: exit code 0, 15 bytes\n"
        "llmcli: request req_2, 1 attempt\n"
    )


def test_a_failing_tool_is_told_to_the_model(looped, server, tmp_path):
    command = script(tmp_path / "weather", "echo part; echo no such city >&2; exit 3")
    assert looped(command) == Result(0, "It rains.\n", "")
    assert results(server) == ["error: the tool failed with exit code 3\nno such city\npart"]


def test_only_the_end_of_a_long_stderr_is_told(looped, server, tmp_path):
    command = script(tmp_path / "weather", "yes | head -c 100000 >&2; echo the end >&2; exit 1")
    looped(command)
    assert results(server)[0].startswith("error: the tool failed with exit code 1\n")
    assert results(server)[0].endswith("y\nthe end")
    assert len(results(server)[0]) < 2100


def test_output_without_end_is_cut_and_the_tool_killed(looped, server, tmp_path):
    command = script(tmp_path / "weather", "yes >&2 & exec yes")
    assert (
        looped(command, "-v").err.splitlines()[1] == "llmcli: tool weather: more than 1,000,000 bytes, killed"
    )
    assert results(server) == [
        "y\n" * 500_000 + "\nerror: the tool wrote more than 1,000,000 bytes; the rest is cut off"
    ]


def test_a_tool_that_the_model_made_up_is_told_to_it(ask, server):
    calls = [wire.call("wether", {}), wire.call("weather", {}, "call_2")]
    server.script = [wire.ok(tool_calls=calls), wire.ok("It rains.")]
    result = ask("--tools", TOOLS, "--exec", "weather=echo rain", "-v", "hi")
    assert (result.code, result.out) == (0, "It rains.\n")
    assert "llmcli: tool wether: there is none\n" in result.err
    assert results(server) == ["error: there is no tool wether; there are: weather", "rain"]


def test_a_tool_without_a_command_is_the_users_to_run(ask, server):
    server.script = wire.ok(tool_calls=[wire.call("weather", {}), wire.call("clock", {}, "call_2")])
    tools = json.dumps([WEATHER, tool("clock")])
    result = ask("--tools", tools, "--exec", "weather=false", "hi")
    assert (result.code, len(server.requests)) == (0, 1)
    assert [json.loads(line)["name"] for line in result.out.splitlines()] == ["weather", "clock"]


def test_a_tool_that_a_signal_ends_is_told_to_the_model(looped, server, tmp_path):
    looped(script(tmp_path / "weather", "kill -9 $$"))
    assert results(server) == ["error: the tool failed with signal 9"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ('{"city": "Os', "Unterminated string starting at: line 1 column 10 (char 9)"),
        ("[1]", "they are no object"),
    ],
)
def test_arguments_that_are_no_json_are_told_to_the_model(looped, server, tmp_path, arguments, reason):
    result = looped(f"touch {tmp_path}/ran", "-v", arguments=arguments)
    assert result == Result(
        0,
        "It rains.\n",
        f"llmcli: tool weather: the arguments are not a valid JSON object: {reason}\n"
        "llmcli: request req_2, 1 attempt\n",
    )
    assert results(server) == [f"error: the arguments are not a valid JSON object: {reason}"]
    assert not (tmp_path / "ran").exists()


def test_no_arguments_are_an_empty_object(looped, server):
    looped("cat", arguments="")
    assert results(server) == ["{}"]


@pytest.mark.parametrize(
    ("command", "reason"),
    [("/nowhere/weather", "No such file or directory"), ("/etc", "Permission denied")],
)
def test_a_tool_that_cannot_start_is_exit_8(looped, server, command, reason):
    assert looped(command) == Result(
        8, "", f"llmcli: tools: the tool weather cannot be started: {reason} ({command}); check --exec\n"
    )
    assert len(server.requests) == 1


def test_a_tool_that_cannot_start_stops_the_others(ask, server, tmp_path):
    os.mkfifo(tmp_path / "never")
    server.script = wire.ok(tool_calls=[wire.call("a", {}), wire.call("b", {}, "call_2")])
    tools = json.dumps([tool("a"), tool("b")])
    result = ask("--tools", tools, "--exec", f"a=cat {tmp_path}/never", "--exec", "b=/nowhere", "hi")
    assert result.code == 8


def test_the_turns_are_bounded(ask, server, tmp_path):
    server.script = wire.ok(tool_calls=[wire.call("weather", {})])
    command = script(tmp_path / "weather", f"echo x >> {tmp_path}/ran")
    assert ask("--tools", TOOLS, "--exec", f"weather={command}", "--max-turns", "3", "hi") == Result(
        8, "", "llmcli: tools: the model still calls tools after 3 turns (openai/tiny); raise --max-turns\n"
    )
    assert len(server.requests) == 3
    assert (tmp_path / "ran").read_text() == "x\n" * 2


def test_what_was_paid_before_the_turns_ran_out_is_told(ask, server, tmp_path):
    server.script = wire.ok(tool_calls=[wire.call("weather", {})], usage=wire.usage(10, 1))
    command = script(tmp_path / "weather", "echo x")
    told = ("-u", "--price", "1,100", "--max-turns", "2")
    result = ask("--tools", TOOLS, "--exec", f"weather={command}", *told, "hi")
    assert result.code == 8
    assert "usage: 20 in (0 cached) + 2 out (0 reasoning) = 22 tokens, $0.000220, " in result.err


def test_a_forced_choice_is_not_forced_again(ask, server):
    server.script = [wire.ok(tool_calls=[wire.call("weather", {})]), wire.ok("Done")]
    for choice in ("required", "weather"):
        server.script = [wire.ok(tool_calls=[wire.call("weather", {})]), wire.ok("Done")]
        assert ask("--tools", TOOLS, "--tool-choice", choice, "--exec", "weather=true", "hi").out == "Done\n"
        assert server.requests[-1].json["tool_choice"] == "auto"


def test_usage_and_cost_are_those_of_all_turns(ask, server):
    server.script = [
        wire.ok(tool_calls=[wire.call("weather", {})], usage=wire.usage(10, 1)),
        wire.ok("Done", usage=wire.usage(20, 2)),
    ]
    result = ask("--tools", TOOLS, "--exec", "weather=true", "--price", "1,100", "-u", "hi")
    assert (
        result.err
        == "usage: 30 in (0 cached) + 3 out (0 reasoning) = 33 tokens, $0.000330, 0.00 s, openai/tiny\n"
    )


def test_a_schema_holds_for_the_answer_after_the_tools(ask, server):
    server.script = [wire.ok(tool_calls=[wire.call("weather", {})]), wire.ok("no"), wire.ok('{"rain": true}')]
    argv = ["--tools", TOOLS, "--exec", "weather=true", "--schema", "rain bool", "--repair", "1"]
    assert ask(*argv, "hi") == Result(0, '{"rain": true}\n', "")


def test_the_loop_closes_offline(cli):
    argv = ["-m", "offline/echo", "--tools", TOOLS, "--tool-choice", "required"]
    assert cli("ask", *argv, "--exec", "weather=cat", "hi") == Result(0, "hi\n", "")


def test_a_weather_tool_written_in_shell_closes_the_loop_with_llama_cpp(cli, llama, tmp_path):
    # The model writes at random what the schema allows: a call that it can end within its tokens
    weather = json.loads(TOOLS)
    weather[0]["function"]["parameters"]["properties"]["city"] = {"enum": ["Oslo", "Rome"]}
    command = script(tmp_path / "weather", f"cat > {tmp_path}/given; echo It rains.")
    result = cli(
        "ask", "--base-url", llama, "-m", "tiny-bigram", "-M", "200", "--seed", "1", "--tools", json.dumps(weather),
        "--tool-choice", "required", "--exec", f"weather={command}", "--ok", "incomplete", "-v", "hi",
        env={"OPENAI_API_KEY": "sk-test"},
    )  # fmt: skip
    assert result.code == 0, result.err
    assert "tool weather: exit code 0, 10 bytes" in result.err
    assert json.loads((tmp_path / "given").read_text())["city"] in {"Oslo", "Rome"}


# --- The end of a tool that does not end --------------------------------------------------------------------


def lives(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def gone(pid: int) -> bool:
    """Whether a process ends: a kill is not at once."""
    until(lambda: not lives(pid))
    return True


def test_a_time_out_kills_all_that_the_tool_started(looped, server, tmp_path):
    command = script(
        tmp_path / "weather", f"cat /dev/zero > /dev/null & echo $! > {tmp_path}/pid; cat {tmp_path}/never"
    )
    os.mkfifo(tmp_path / "never")
    result = looped(command, "--tool-timeout", "0.3", "-v")
    assert (result.code, result.out) == (0, "It rains.\n")
    assert "llmcli: tool weather: no end within 0.3 s, killed\n" in result.err
    assert results(server) == ["error: the tool did not finish within 0.3 s"]
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_time_out_kills_what_holds_the_output_when_the_tool_has_ended(looped, server, tmp_path):
    command = script(tmp_path / "weather", f"tail -f {tmp_path}/weather & echo $! > {tmp_path}/pid")
    looped(command, "--tool-timeout", "0.3")
    assert results(server) == ["error: the tool did not finish within 0.3 s"]
    assert gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_kills_the_tools_that_run(process, server, tmp_path, stop, code):
    os.mkfifo(tmp_path / "pid")
    command = script(tmp_path / "weather", f"tail -f {tmp_path}/weather & echo $$ $! > {tmp_path}/pid; wait")
    server.script = wire.ok(tool_calls=[wire.call("weather", {})])
    child = process.start(
        "ask", "--base-url", server.base_url, "-m", "tiny", "--tools", TOOLS, "--exec", f"weather={command}", "hi"
    )  # fmt: skip
    pids = (tmp_path / "pid").read_text().split()
    child.send_signal(stop)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out) in {(code, b""), (-stop, b"")}
    assert err.count(b"\n") == 1
    assert all(gone(int(pid)) for pid in pids)
