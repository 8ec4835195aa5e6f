"""MCP: servers on stdio, their tools in the request, their results in the conversation."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import server as wire
from tests.conftest import KEY, Result, part
from tests.waiting import until

part("mcp")
RAW = Path(__file__).parents[1] / "mcp" / "raw.py"


def raw(**how: object) -> str:
    """The command of a raw server that behaves so."""
    return shlex.join([sys.executable, "-S", str(RAW), json.dumps(how)])


def tool(name: str, **schema: object) -> dict:
    return {"name": name, "inputSchema": {"type": "object", **schema}}


def text(*texts: str, **more: object) -> dict:
    return {"content": [{"type": "text", "text": each} for each in texts], **more}


def configured(path: Path, servers: object, key: str = "mcpServers") -> list[str]:
    path.write_text(json.dumps({key: servers} if key else servers))
    return ["--mcp-config", str(path)]


def entry(**how: object) -> dict:
    words = shlex.split(raw(**how))
    return {"command": words[0], "args": words[1:]}


@pytest.fixture
def sent(cli) -> Callable[..., list[dict]]:
    """The tools that a dry run would send, with a server that behaves as told."""

    def run(*argv: str, **how: object) -> list[dict]:
        result = cli("ask", "-m", "offline/echo", "--dry-run", "--mcp", raw(**how), *argv, "hi")
        assert result.code == 0, result.err
        return [each["function"] for each in json.loads(result.out).get("tools", [])]

    return run


@pytest.fixture
def told(ask, server) -> Callable[..., list[dict]]:
    """What the model is told of one call of a tool of a server that behaves as told."""

    def run(name: str, *argv: str, arguments: object = None, **how: object) -> list[dict]:
        server.script = [wire.ok(tool_calls=[wire.call(name, arguments or {})]), wire.ok("Done.")]
        result: Result = ask("--mcp", raw(**{"tools": [tool(name)], **how}), *argv, "hi")
        assert (result.code, result.out) == (0, "Done.\n"), result.err
        messages = server.requests[1].json["messages"]
        return messages[2:]

    return run


def test_a_tool_of_a_server_is_called_and_its_result_goes_back(cli):
    argv = [
        "ask",
        "-m",
        "offline/echo",
        "--mcp",
        raw(tools=[tool("look")]),
        "--tool-choice",
        "required",
        "-v",
    ]
    result = cli(*argv, "hi")
    assert (result.code, result.out) == (0, "hi\n")
    assert "tool look: raw.look <<< {}\n" in result.err


def test_the_result_is_the_tool_message(told):
    (message,) = told("look", results={"look": text("one", "two")})
    assert (message["role"], message["content"]) == ("tool", "one\ntwo")


def test_a_server_that_does_not_start_is_exit_8_with_its_last_words(cli):
    result = cli(
        "ask", "-m", "offline/echo", "--mcp", raw(say=["Loading", "boom: no database"], exit=1), "hi"
    )
    assert (result.code, result.out) == (8, "")
    assert result.err.startswith(
        "llmcli: tools: MCP server raw: it ended with exit code 1: boom: no database ("
    )


def test_a_command_that_is_not_there(cli):
    result = cli("ask", "-m", "offline/echo", "--mcp", "no-such-server --x", "hi")
    said = "MCP server no-such-server: there is no such command (no-such-server); check the command, and PATH"
    assert (result.code, result.err) == (8, f"llmcli: tools: {said}\n")


# --- Which server -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"exit": 0}, "it ended with exit code 0"),
        ({"initialize": {"error": {"code": -32000, "message": "no licence"}}}, "no licence"),
        ({"verbatim": {"initialize": {"error": "no licence"}}}, "no licence"),
        ({"verbatim": {"initialize": {"result": {}}}}, "its answer is not what MCP says: capabilities: "),
        (
            {"verbatim": {"tools/list": {"result": {"tools": "none"}}}},
            "its answer is not what MCP says: tools: ",
        ),
        ({"verbatim": {"tools/list": None}}, "it closed its stdout"),
    ],
)
def test_a_server_that_fails_at_the_start(cli, how, said):
    result = cli("ask", "-m", "offline/echo", "--mcp", raw(**how), "hi")
    assert (result.code, result.out) == (8, "")
    assert result.err.startswith(f"llmcli: tools: MCP server raw: {said}")


@pytest.mark.parametrize(
    "says",
    [
        {"result": {"tools": []}},
        {"result": {"tools": None}},
        {"error": {"code": -32601, "message": "Method not found"}},
    ],
)
def test_a_server_without_tools_is_said(cli, says):
    result = cli("ask", "-m", "offline/echo", "--mcp", raw(verbatim={"tools/list": says}), "hi")
    assert (result.code, result.out, result.err) == (0, "hi\n", "llmcli: MCP server raw offers no tools\n")


def test_one_that_fails_ends_the_others(cli, tmp_path):
    pids = tmp_path / "pids"
    result = cli("ask", "-m", "offline/echo", "--mcp", raw(started=str(pids)), "--mcp", raw(exit=1), "hi")
    assert result.code == 8
    assert not any(map(alive, numbers(pids)))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--mcp", ""], "--mcp is empty; give it a value, or leave it out"),
        (["--mcp", "x 'y"], "--mcp no closing quotation in x 'y; mend the quotes"),
        (["--mcp-allow", "x"], "--mcp-allow without --mcp; add --mcp, or drop it"),
        (["--mcp-config", "none.json"], "--mcp-config cannot read none.json: No such file or directory"),
    ],
)
def test_what_is_refused(cli, argv, said):
    result = cli("ask", "-m", "offline/echo", *argv, "hi")
    assert (result.code, result.err) == (2, f"llmcli: usage: {said}\n")


@pytest.mark.parametrize("flag", ["--mcp", "--mcp-config"])
def test_a_batch_has_no_servers(cli, flag):
    result = cli("batch", "-m", "offline/echo", flag, "x", stdin=b'{"prompt":"x"}\n')
    said = f"llmcli: usage: {flag} is not for batch; calls of tools are the answer: run them afterwards\n"
    assert (result.code, result.err) == (2, said)


def test_all_pages_of_a_list_and_no_cursor_for_ever(sent):
    pages = [[tool("a")], [tool("b")], [tool("c")]]
    assert [each["name"] for each in sent(pages=pages)] == ["a", "b", "c"]
    assert [each["name"] for each in sent(tools=[tool("a")], endless=True)] == ["a"]


def test_only_the_tools_that_are_allowed(sent, cli):
    tools = [tool("git_log"), tool("git_push"), tool("time")]
    assert [each["name"] for each in sent("--mcp-allow", "git_*", tools=tools)] == ["git_log", "git_push"]
    assert [each["name"] for each in sent("--mcp-allow", "raw.time", tools=tools)] == ["time"]
    result = cli("ask", "-m", "offline/echo", "--mcp", raw(tools=tools), "--mcp-allow", "svn_*", "hi")
    known = "raw.git_log, raw.git_push, raw.time"
    assert (result.code, result.err) == (
        2,
        f"llmcli: usage: --mcp-allow svn_* fits no tool; there are: {known}\n",
    )


# --- What the model is offered ------------------------------------------------------------------------------


def test_names_that_providers_take(sent):
    long = "a" * 70
    names = [each["name"] for each in sent(tools=[tool("a.b c/d"), tool(long), tool("a.b c/d")])]
    assert names[0] == "a_b_c_d"
    assert len(names) == 2
    assert len(names[1]) == 64
    assert names[1].startswith("a" * 55 + "_")


def test_more_tools_than_most_providers_take_are_said(cli):
    many = raw(tools=[tool(f"tool{at}") for at in range(129)])
    result = cli("ask", "-m", "offline/echo", "--mcp", many, "hi")
    said = "llmcli: 129 tools, and most providers take 128 at most; --mcp-allow GLOB limits them\n"
    assert (result.code, result.err) == (0, said)
    assert cli("ask", "-m", "offline/echo", "--mcp", many, "--mcp-allow", "tool?", "hi").err == ""


def test_names_that_two_have(cli):
    definitions = json.dumps([{"name": "time", "parameters": {"type": "object"}}])
    two = ["--mcp", raw(tools=[tool("look"), tool("time")]), "--mcp", raw(tools=[tool("look")])]
    result = cli("ask", "-m", "offline/echo", "--dry-run", "--tools", definitions, *two, "hi")
    names = [each["function"]["name"] for each in json.loads(result.out)["tools"]]
    assert names == ["time", "raw_look", "raw_time", "raw_look_2"]
    assert result.err == "llmcli: MCP servers were started for their tools: raw (2), raw (1)\n"


def schema(given: object, sent) -> dict:
    (function,) = sent(tools=[{"name": "x", "description": "d", "inputSchema": given}])
    assert function.keys() == {"name", "description", "parameters"}  # not strict
    return function["parameters"]


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ({"type": "object"}, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        (
            {"type": ["object", "null"], "properties": None, "required": None},
            {"type": "object", "properties": {}},
        ),
        (
            {
                "$schema": "x",
                "type": "object",
                "properties": {"a": {"type": "array"}},
                "oneOf": [{"required": ["a"]}],
            },
            {"type": "object", "properties": {"a": {"type": "array", "items": {}}}},
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/A"}, "enum": {"enum": ["x"]}},
                "$defs": {"A": {"items": {"$ref": "#/$defs/B"}}, "B": {"$ref": "#/$defs/A"}, "C": {}},
            },
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/A"}, "enum": {"enum": ["x"]}},
                "$defs": {"A": {"items": {"$ref": "#/$defs/B"}}, "B": {"$ref": "#/$defs/A"}},
            },
        ),
    ],
)
def test_schemas_that_providers_take(sent, given, becomes):
    assert schema(given, sent) == becomes


def test_what_the_sdk_refuses_of_one_tool_costs_no_other(sent):
    odd = [
        tool("a", outputSchema=1),
        {"name": "b", "inputSchema": {"type": "array"}, "outputSchema": {"type": "string"}, "title": 5},
        {"name": "c", "description": 7, "annotations": {"title": 1, "readOnlyHint": True}},
        {"noname": 1},
        {"name": "task", "inputSchema": {"type": "object"}, "execution": {"taskSupport": "required"}},
    ]
    assert [each["name"] for each in sent(tools=odd)] == ["a", "b", "c"]


def test_a_rejection_of_a_tool_names_it(ask, server):
    server.script = [
        wire.status(400, wire.error("Invalid 'tools[1].function.parameters'.", param="tools[1]"))
    ]
    result = ask("--mcp", raw(tools=[tool("a"), tool("b.c")]), "hi")
    assert result.code == 65
    assert "(tools[1] is raw.b.c)" in result.err


# --- What the model is told ---------------------------------------------------------------------------------

PIXEL = "iVBORw0KGgo="


@pytest.mark.parametrize(
    ("result", "content"),
    [
        (text("one", "two", structuredContent={"a": 1}), "one\ntwo"),
        ({"content": [], "structuredContent": {"a": 1}}, '{"a":1}'),
        ({"content": []}, "(no output)"),
        ({"structuredContent": {"result": None}}, "(no output)"),
        (text("no such city", isError=True), "error: the tool failed\nno such city"),
        ({"content": "bare words"}, "bare words"),
        (text("fine", isError=None), "fine"),
        ({"content": [{"type": "new", "x": 1}]}, '{"type":"new","x":1}'),
        ({"error": {"code": -32602, "message": "Unknown tool"}}, "error: Unknown tool (code -32602)"),
        ({"content": [{"type": "resource_link", "name": "a", "uri": "demo://a"}]}, "a demo://a"),
        ({"content": [{"type": "resource", "resource": {"uri": "x://y", "text": "in it"}}]}, "in it"),
        (
            {"content": [{"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}]},
            "[audio: audio/wav, 3 bytes]",
        ),
        (
            {"content": [{"type": "resource", "resource": {"uri": "x://y", "blob": "AAAA"}}]},
            "[resource x://y: application/octet-stream, 3 bytes]",
        ),
        (text("", ""), "(no output)"),
    ],
)
def test_results_as_the_model_reads_them(told, result, content):
    (message,) = told("look", results={"look": result})
    assert message["content"] == content


def test_images_come_after_all_results_of_the_turn(ask, server):
    shot = {"content": [{"type": "image", "data": PIXEL, "mimeType": "image/png"}]}
    calls = [wire.call("shot", {}, "call_1"), wire.call("shot", {}, "call_2")]
    server.script = [wire.ok(tool_calls=calls), wire.ok("Done.")]
    result = ask("--mcp", raw(tools=[tool("shot")], results={"shot": shot}), "hi")
    assert result.code == 0
    first, second, images = server.requests[1].json["messages"][2:]
    assert first["content"] == "[image 1: image/png, 9 bytes]"
    assert second["content"] == "[image 2: image/png, 9 bytes]"
    assert images["role"] == "user"
    assert [part["image_url"]["url"] for part in images["content"][1:]] == [
        f"data:image/png;base64,{PIXEL}"
    ] * 2


def test_a_model_without_eyes_has_the_words_alone(cli, server):
    shot = {"content": [{"type": "image", "data": PIXEL, "mimeType": "image/png"}]}
    server.script = [wire.ok(tool_calls=[wire.call("shot", {})]), wire.ok("Done.")]
    argv = ["ask", "-m", "gpt-3.5-turbo", "--base-url", server.base_url]
    result = cli(*argv, "--mcp", raw(tools=[tool("shot")], results={"shot": shot}), "hi", env=KEY)
    assert result.code == 0, result.err
    (message,) = server.requests[1].json["messages"][2:]
    assert message["content"] == "[image 1: image/png, 9 bytes]"


def test_what_a_schema_lost_is_said_with_v(cli):
    odd = raw(tools=[tool("x", oneOf=[{"required": ["a"]}])])
    result = cli("ask", "-m", "offline/echo", "-v", "--mcp", odd, "hi")
    assert "llmcli: mcp: raw.x: oneOf at the root of its schema is left out\n" in result.err


def test_a_session_keeps_the_calls_and_their_results(cli, tmp_path):
    path = tmp_path / "talk.jsonl"
    argv = ["ask", "-m", "offline/echo?tools=each", "--session", str(path), "--mcp", raw()]
    assert cli(*argv, "hi").code == 0
    roles = [json.loads(line).get("role") for line in path.read_text().splitlines()]
    assert roles == [None, "user", "assistant", "tool", "assistant"]


def test_a_servers_own_check_of_arguments_is_the_one_that_counts(told):
    zod = tool("shot", properties={"scale": {"enum": ["css"], "default": "css"}}, required=["scale"])
    (message,) = told("shot", tools=[zod])
    assert message["content"] == "{}"


def test_arguments_that_are_no_object_never_reach_a_server(told):
    (message,) = told("look", arguments="[1]")
    assert message["content"] == "error: the arguments are not a valid JSON object: they are no object"


def test_a_call_that_takes_too_long(told):
    (message,) = told("slow", "--tool-timeout", "0.3", hang="slow")
    assert message["content"] == "error: the tool did not finish within 0.3 s"


def test_a_server_that_dies_in_a_call(told):
    (message,) = told("wall", die="wall")
    said = "error: MCP server raw: it ended with exit code 3: it hit a wall"
    assert message["content"] == said


@pytest.mark.parametrize(
    ("says", "content"),
    [
        ({"error": "boom"}, "error: boom (code -32000)"),
        ({"error": {"message": "boom"}}, "error: boom (code -32000)"),
        ({"result": None}, "(no output)"),
        ({"result": ["a"]}, '["a"]'),
        ({"result": "plain"}, "plain"),
        ({"result": text("fine"), "error": None}, "fine"),
        ({"result": text("fine"), "jsonrpc": "1.0"}, "fine"),
        (
            {"result": {"content": [None, {"type": "text"}, {"type": "image"}]}},
            'null\n{"type":"text"}\n{"type":"image"}',
        ),
    ],
)
def test_an_answer_that_is_no_json_rpc_is_not_waited_for(told, says, content):
    (message,) = told("look", verbatim={"tools/call": says})
    assert message["content"] == content


def test_a_long_result_is_whole(told):
    (message,) = told("big", big=10_000_000)
    assert len(message["content"]) == 10_000_000


def test_a_message_longer_than_max_reply(told):
    (message,) = told("big", "--max-reply", "100000", big=200_000)
    assert "sent more than 100,000 bytes in one message; see --max-reply" in message["content"]


def test_junk_on_stdout_is_passed_over_and_stderr_shown_with_v(cli):
    how = raw(banner="Welcome!", say=["listening"])
    result = cli("ask", "-m", "offline/echo", "--mcp", how, "-v", "hi")
    assert (result.code, result.out) == (0, "hi\n")
    assert "llmcli: mcp raw: listening\n" in result.err
    assert "llmcli: mcp raw: no message on stdout: Welcome!\n" in result.err
    assert cli("ask", "-m", "offline/echo", "--mcp", how, "hi").err == ""


# --- Environment --------------------------------------------------------------------------------------------


def test_a_server_gets_our_environment_less_the_keys(told, cli):
    cli.env.update(SECRET_API_KEY="sk-1", OTHER_API_KEY="sk-2", PLAIN="here")
    names = ["SECRET_API_KEY", "OTHER_API_KEY", "PLAIN"]
    (message,) = told("env", "--tool-env", "OTHER_API_KEY", env=names)
    assert message["content"] == "SECRET_API_KEY=None\nOTHER_API_KEY=sk-2\nPLAIN=here"


def test_what_was_withheld_is_said_where_a_tool_fails(ask, server, cli):
    cli.env["SECRET_API_KEY"] = "sk-1"
    server.script = [wire.ok(tool_calls=[wire.call("x", {})]), wire.ok("Done.")]
    result = ask("--mcp", raw(tools=[tool("x")], results={"x": text("no key", isError=True)}), "hi")
    said = "llmcli: tool x failed; tools are not given SECRET_API_KEY (--tool-env NAME gives one to them)\n"
    assert result.err == said


def test_no_key_is_shown_that_a_server_says(cli, tmp_path):
    cli.env.update(SECRET_API_KEY="sk-123456789", MINE="tokentoken1")
    said = {**entry(say=["sk-123456789 tokentoken1"], exit=1), "env": {"MY_TOKEN": "${MINE}"}}
    argv = configured(tmp_path / "mcp.json", {"a": said})
    result = cli("ask", "-m", "offline/echo", "-v", *argv, "hi")
    assert result.code == 8
    assert "sk-123456789" not in result.err
    assert "tokentoken1" not in result.err


# --- Counted, rehearsed, recorded ---------------------------------------------------------------------------


def test_count_knows_the_tools(cli):
    without = cli("count", "-m", "gpt-4o", "hi")
    result = cli("count", "-m", "gpt-4o", "--mcp", raw(), "hi")
    assert int(result.out) > int(without.out) + 10
    assert result.err == "llmcli: MCP servers were started for their tools: raw (1)\n"


def test_a_budget_knows_the_tools(cli):
    argv = ["-m", "gpt-4o", "-M", "1", "--dry-run", "--max-cost", "0.00003", "hi"]
    assert cli("ask", *argv).code == 0
    assert cli("ask", "--mcp", raw(), *argv).code == 6


def test_a_whole_loop_is_replayed_without_a_server(cli, tmp_path):
    mark, kept = tmp_path / "pids", tmp_path / "kept"
    argv = [
        "ask",
        "-m",
        "offline/echo?tools=each",
        "--mcp",
        raw(started=str(mark), tools=[tool("a"), tool("b")]),
        "hi",
    ]
    first = cli(*argv, "--record", str(kept))
    assert (first.code, len(numbers(mark))) == (0, 1)
    again = cli(*argv, "--replay", str(kept))
    assert (again.code, again.out, again.err) == (0, first.out, "")
    assert len(numbers(mark)) == 1
    dry = cli(*argv, "--replay", str(kept), "--dry-run")
    assert [each["function"]["name"] for each in json.loads(dry.out)["tools"]] == ["a", "b"]
    other = cli(*argv[:-1], "--mcp", "other", "hi", "--replay", str(kept))
    assert (other.code, other.err.split(" (")[0]) == (
        66,
        "llmcli: no input: the tools of the MCP server other was not recorded",
    )


def test_images_and_errors_are_replayed_as_they_were(ask, server, tmp_path):
    shot = {"content": [{"type": "image", "data": PIXEL, "mimeType": "image/png"}]}
    bad = text("no such page", isError=True)
    servers = ["--mcp", raw(tools=[tool("shot"), tool("bad")], results={"shot": shot, "bad": bad})]
    calls = [wire.call("shot", {}, "1"), wire.call("bad", {}, "2")]
    server.script = [wire.ok(tool_calls=calls), wire.ok("Done.")]
    path = tmp_path / "first.jsonl", tmp_path / "again.jsonl"
    assert ask(*servers, "--record", str(tmp_path / "kept"), "--session", str(path[0]), "hi").code == 0
    again = ask(*servers, "--replay", str(tmp_path / "kept"), "--session", str(path[1]), "hi")
    assert (again.code, again.out, len(server.requests)) == (0, "Done.\n", 2), again.err
    first, second = ([*map(json.loads, each.read_text().splitlines())][1:] for each in path)
    plain = [[{**line, "llmcli": None} for line in lines] for lines in (first, second)]
    assert plain[0] == plain[1]
    assert [line["role"] for line in first] == ["user", "assistant", "tool", "tool", "user", "assistant"]


def test_chat_keeps_its_servers(cli, tmp_path):
    mark = tmp_path / "pids"
    argv = ["chat", "-m", "offline/echo?tools=each", "--mcp", raw(started=str(mark))]
    result = cli(*argv, stdin=b"one\ntwo\n")
    assert (result.code, result.out) == (0, "one\ntwo\n")
    assert len(numbers(mark)) == 1


# --- The end ------------------------------------------------------------------------------------------------


def numbers(path: Path) -> list[int]:
    """The processes that were noted; none where the first came to no note."""
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("child", ["near", "away"])
def test_a_server_and_its_children_have_ended_with_the_command(cli, tmp_path, child):
    pids = tmp_path / "pids"
    result = cli("ask", "-m", "offline/echo", "--mcp", raw(started=str(pids), child=child, deaf=True), "hi")
    assert (result.code, len(numbers(pids))) == (0, 2)
    assert gone(numbers(pids))


def gone(pids: list[int]) -> bool:
    """Whether all of them end."""
    until(lambda: not any(map(alive, pids)))
    return True
