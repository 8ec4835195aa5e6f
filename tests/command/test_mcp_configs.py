"""Config files of MCP servers: the dialects of many programs, and the variables in them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests import server as wire
from tests.command.test_mcp import RAW, configured, entry, tool
from tests.conftest import part
from tests.mcp.web import serving

part("mcp")


@pytest.mark.parametrize("key", ["mcpServers", "servers", ""])
def test_config_files_of_many_programs(cli, tmp_path, key):
    argv = configured(tmp_path / "mcp.json", {"one": entry(), "two": {**entry(), "disabled": True}}, key)
    result = cli("ask", "-m", "offline/echo", "--dry-run", *argv, "hi")
    assert (result.code, result.err) == (0, "llmcli: MCP servers were started for their tools: one (1)\n")


def test_comments_and_trailing_commas(cli, tmp_path):
    words = json.dumps({**entry(), "x": "// no comment, }"})
    (tmp_path / "mcp.json").write_text(f'{{ // here\n "servers": {{ "a": {words}, /* and\nhere */ }}, }}')
    result = cli("ask", "-m", "offline/echo", "--dry-run", "--mcp-config", str(tmp_path / "mcp.json"), "hi")
    assert result.code == 0, result.err


@pytest.fixture
def seen(ask, server, tmp_path):
    """What a server of a config file has in its environment, and what is said of the file."""

    def run(own: dict, name: str = "mcp.json", **more: object) -> tuple[dict[str, str], str]:
        server.script = [wire.ok(tool_calls=[wire.call("env", {})]), wire.ok("Done.")]
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        given = {**entry(tools=[tool("env")], env=[*own, "B", "C", "SECRET_API_KEY"]), "env": own, **more}
        result = ask(*configured(path, {"cfg": given}), "hi")
        assert result.code == 0, result.err
        lines = server.requests[-1].json["messages"][-1]["content"].splitlines()
        return dict(line.split("=", 1) for line in lines), result.err

    return run


def test_variables_of_the_environment(seen, cli):
    cli.env.update(SECRET_API_KEY="sk-1", NAME="it", HOME="/home/ann")
    own = {"A": "${SECRET_API_KEY}", "B": "${env:NAME}s", "C": "${GONE:-x}", "D": 5, "E": "pa$word"}
    found, said = seen({**own, "F": True, "G": "${userHome}/x", "H": "${NAME:-x}${NAME}"})
    told = {"A": "sk-1", "B": "its", "C": "x", "D": "5", "E": "pa$word", "F": "true", "G": "/home/ann/x"}
    assert found == {**told, "H": "itit", "SECRET_API_KEY": "None"}
    assert said == ""


def test_bare_names_are_variables_in_files_of_gemini_alone(seen, cli):
    cli.env["TOKEN"] = "tok"
    assert seen({"A": "$TOKEN"}, ".gemini/settings.json")[0]["A"] == "tok"
    assert seen({"A": "Bearer $TOKEN"}, trust=True)[0]["A"] == "Bearer tok"
    found, said = seen({"A": "$TOKEN"})
    assert found["A"] == "$TOKEN"
    assert said.endswith("mcp.json: cfg: $TOKEN stays as it is; write ${TOKEN} for the variable\n")


def test_a_file_of_variables(seen, tmp_path):
    (tmp_path / "own.env").write_text("# ours\nA=1\nexport B = 'two words'\n\nC=\"x\"\nD=file\n")
    found, _ = seen({"D": "entry"}, envFile=str(tmp_path / "own.env"))
    assert (found["B"], found["C"], found["D"]) == ("two words", "x", "entry")


def test_a_directory_to_run_in(cli, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    script = place / "here.py"
    script.write_text(f"import runpy; runpy.run_path({str(RAW)!r}, run_name='__main__')")
    given = {"command": sys.executable, "args": ["-S", "here.py"], "cwd": str(place)}
    result = cli("ask", "-m", "offline/echo", *configured(tmp_path / "mcp.json", {"a": given}), "hi")
    assert (result.code, result.err) == (0, "")
    given["cwd"] = str(tmp_path / "none")
    result = cli("ask", "-m", "offline/echo", *configured(tmp_path / "mcp.json", {"a": given}), "hi")
    assert result.err == (
        f"llmcli: tools: MCP server a: its working directory does not exist ({tmp_path}/none); mend cwd\n"
    )


def test_what_of_a_file_does_not_count_is_said(cli, tmp_path):
    odd = {**entry(), "timeout": 5, "excludeTools": ["x"], "alwaysAllow": ["y"]}
    path = tmp_path / "mcp.json"
    result = cli("ask", "-m", "offline/echo", *configured(path, {"a": odd}), "hi")
    assert (result.code, result.err.splitlines()) == (
        0,
        [
            f"llmcli: {path}: a: timeout is ignored, whose unit differs; --tool-timeout S is ours",
            f"llmcli: {path}: a: excludeTools is ignored; --mcp-allow GLOB is ours",
        ],
    )


def test_a_file_in_which_no_server_is_enabled(cli, tmp_path):
    path = tmp_path / "mcp.json"
    off = {"a": {**entry(), "disabled": True}, "b": {"url": "${input:x}", "enabled": False}}
    result = cli("ask", "-m", "offline/echo", *configured(path, off), "hi")
    assert (result.code, result.out) == (0, "hi\n")
    assert result.err == f"llmcli: {path}: no server in it is enabled\n"


@pytest.mark.parametrize(
    ("more", "transport"),
    [
        ({"type": "http"}, "streamable-http"),
        ({"type": "streamableHttp"}, "json"),
        ({"transport": "sse"}, "sse"),
        ({}, "sse"),
    ],
)
@pytest.mark.parametrize("key", ["url", "serverUrl", "httpUrl"])
def test_servers_behind_http_in_the_words_of_many_programs(cli, tmp_path, webs, key, more, transport):
    given = {key: webs[transport], **more}
    argv = configured(tmp_path / "mcp.json", {"web": given})
    result = cli("ask", "-m", "offline/echo", "--dry-run", *argv, "hi")
    assert result.code == 0, result.err
    names = [each["function"]["name"] for each in json.loads(result.out)["tools"]]
    assert names == ["add", "die", "big", "seen"]


@pytest.fixture(scope="module")
def webs() -> Iterator[dict[str, str]]:
    """The URLs of real servers, by their transport."""
    with ExitStack() as stack:
        yield {each: stack.enter_context(serving(each)) for each in ("streamable-http", "json", "sse")}


def test_a_token_in_the_path_of_a_url_is_not_shown(cli, tmp_path):
    cli.env["TOKEN"] = "tokentoken1"
    argv = configured(tmp_path / "mcp.json", {"a": {"url": "http://127.0.0.1:1/${TOKEN}/mcp"}})
    result = cli("ask", "-m", "offline/echo", "-v", *argv, "hi")
    assert result.err == (
        "llmcli: tools: MCP server a: cannot reach it: Connection refused (http://127.0.0.1:1/${TOKEN}/mcp); "
        "check the URL\n"
    )


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"command": "x", "args": ["${GONE}"]}, "${GONE} is not set; set GONE, or write ${GONE:-text}"),
        (
            {"url": "http://x/${input:token}"},
            "${input:token} is asked for, which a script cannot be; put ${NAME} there, a variable of the environment",
        ),
        ({"args": []}, "it has neither command nor url"),
        (
            {"command": "x", "type": "ws"},
            "type 'ws' is none of http, sse, stdio, streamable-http, streamableHttp",
        ),
        (5, "it is no object"),
    ],
)
def test_config_entries_that_cannot_be_used(cli, tmp_path, entry, said):
    path = tmp_path / "mcp.json"
    result = cli("ask", "-m", "offline/echo", *configured(path, {"a": entry}), "hi")
    assert result.code == 2
    assert result.err.startswith(f"llmcli: usage: --mcp-config {path}: a: {said}")
