"""Headers of the user's own: what is sent in every command, to whom, and what of them is shown to nobody."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests import server as wire
from tests.conftest import Result

TOKEN = {"TOK": "tok-secret-0123456789"}
COMMANDS = ["ask", "ask, streamed", "chat", "batch", "batch, streamed", "models"]


@pytest.fixture
def call(cli, server, tmp_path):
    """A call of the server by a command, with flags; what came of it and the request that the server saw."""
    server.models = wire.reply({"object": "list", "data": [{"id": "tiny"}]})

    def run(command: str, *flags: str, **more: object) -> tuple[Result, wire.Request | None]:
        words = ["--base-url", server.base_url, *flags]
        name, _, streamed = command.partition(", ")
        if name == "models":
            done = cli("models", "--live", *words, **more)
        elif name == "chat":
            done = cli("chat", "-m", "tiny", *words, stdin=b"hi\n", **more)
        elif name == "batch":
            rows = tmp_path / "rows.jsonl"
            rows.write_text('{"prompt": "hi"}\n')
            stream = ["--stream"] if streamed else []
            done = cli(
                "batch",
                "-m",
                "tiny",
                *stream,
                *words,
                str(rows),
                "--fresh",
                "-O",
                f"{tmp_path}/o.jsonl",
                **more,
            )
        else:
            done = cli("ask", "-m", "tiny", *([] if streamed else ["--no-stream"]), *words, "hi", **more)
        return done, server.requests[-1] if server.requests else None

    return run


def everything(done: Result, tmp_path: Path) -> str:
    """All that a command line left behind."""
    kept = (path for path in tmp_path.rglob("*") if path.is_file() and path.name != "config.toml")
    return done.out + done.err + "".join(path.read_text("utf-8") for path in kept)


@pytest.mark.parametrize("command", COMMANDS)
class TestEveryCommand:
    """What holds for every command that calls."""

    def test_a_header_is_sent(self, call, command):
        done, request = call(command, "-H", "X-Team: research", "--header", "X-Empty-Handed:yes ")
        assert done.code == 0, done.err
        assert (request.headers["x-team"], request.headers["x-empty-handed"]) == ("research", "yes")

    def test_a_variable_is_read_anywhere_in_a_value(self, call, command):
        env = {"A": "one-of-two-secrets", "B_2": "two-of-two-secrets"}
        done, request = call(command, "-H", "X-Pair: <$A|${B_2}x>", env=env)
        assert request.headers["x-pair"] == "<one-of-two-secrets|two-of-two-secretsx>"
        assert "-of-two" not in done.out + done.err

    def test_a_variable_that_is_not_set_is_exit_2(self, call, command):
        done, request = call(command, "-H", "X-Pair: $NOT_THERE")
        assert (done.code, request) == (2, None)
        assert done.err == "llmcli: usage: --header: the variable NOT_THERE is not set\n"

    def test_authorization_takes_the_place_of_the_key(self, call, command):
        env = {**TOKEN, "OPENAI_API_KEY": "sk-the-usual-one"}
        done, request = call(command, "-H", "authorization: Bearer $TOK", env=env)
        assert done.code == 0, done.err
        assert request.headers["authorization"] == "Bearer tok-secret-0123456789"

    @pytest.mark.parametrize("name", ["User-Agent", "authorization"])
    def test_a_header_of_ours_can_be_removed(self, call, command, name):
        done, request = call(command, "-H", f"{name}:", env={"OPENAI_API_KEY": "sk-the-usual-one"})
        assert done.code == 0, done.err
        assert name.lower() not in request.headers

    def test_it_wins_over_ours(self, call, command):
        _, request = call(command, "-H", "user-agent: mine/1", "-H", "accept: application/vnd.mine")
        assert request.headers["user-agent"] == "mine/1"
        assert request.headers["accept"] == "application/vnd.mine"

    def test_the_account_is_read_from_the_environment(self, call, command):
        env = {
            "OPENAI_ORG_ID": "org-1",
            "OPENAI_PROJECT_ID": "proj-1",
            "OPENAI_CUSTOM_HEADERS": "X-Own: a: b\nno header\nX-Gateway-Token: gw-secret-0123456789",
        }
        done, request = call(command, "-H", "OpenAI-Project:", env=env)
        assert done.code == 0, done.err
        assert request.headers["openai-organization"] == "org-1"
        assert "openai-project" not in request.headers
        assert request.headers["x-own"] == "a: b"
        assert request.headers["x-gateway-token"] == "gw-secret-0123456789"

    @pytest.mark.parametrize(
        "line",
        ["no colon", ": nothing", "X Y: z", "Caf\xe9: au lait", "X-A: b\r\nX-C: d", "Content-Length: 3"],
    )
    def test_a_bad_header_is_exit_2(self, call, command, line):
        done, request = call(command, "-H", line)
        assert (done.code, request) == (2, None)
        assert done.err.startswith("llmcli: usage: --header")

    @pytest.mark.parametrize(
        ("line", "secret"),
        [
            ("Authorization: Bearer lit-secret-0123456789", "lit-secret-0123456789"),
            ("Cookie: session=lit-secret-0123456789; theme=dark", "lit-secret-0123456789"),
            ("X-API-KEY: lit-secret-0123456789", "lit-secret-0123456789"),
            ("x-AccessToken: lit-secret-0123456789", "lit-secret-0123456789"),
            ("Client-Secret: lit-secret-0123456789", "lit-secret-0123456789"),
            ("X-Plain: a $TOK b", TOKEN["TOK"]),
        ],
    )
    def test_a_server_that_echoes_a_secret_is_not_repeated(
        self, call, server, command, line, secret, tmp_path
    ):
        def echo(request: wire.Request) -> wire.Scenario:
            said = json.dumps(dict(request.headers))
            return wire.status(400, {"error": {"message": said}}, headers={"x-request-id": secret})

        server.script = server.models = echo
        argv = ["-H", line, "-v"] if command != "models" else ["-H", line]
        done, request = call(command, *argv, env=TOKEN)
        assert secret in str(request.headers)
        assert secret not in everything(done, tmp_path)


def test_an_answer_that_echoes_a_secret_has_stars(ask, server):
    for stream in ([], ["--no-stream"]):
        server.script = wire.ok(f"It is {TOKEN['TOK']}, I think")
        assert ask("-H", "X-A: $TOK", *stream, "hi", env=TOKEN) == Result(0, "It is ***, I think\n", "")


def test_both_values_of_a_name_are_sent(ask, server):
    assert ask("-H", "X-A: 1", "-H", "x-a: 2", "-H", "Cookie: a=1", "-H", "Cookie: b=2", "hi").code == 0
    assert (server.requests[0].headers["x-a"], server.requests[0].headers["cookie"]) == ("1, 2", "a=1; b=2")


def test_no_key_is_looked_for_where_a_header_says_who(cli, server, config):
    config.write_text(f'[providers.corp]\nbase_url = "{server.base_url}"\napi_key_command = "false"\n')
    done = cli("ask", "-m", "corp/tiny", "-H", "Authorization: Bearer $TOK", "hi", env=TOKEN)
    assert done == Result(0, "hi\n", "")


def test_another_kind_of_key_will_do(cli, server, config):
    config.write_text(f'[providers.corp]\nbase_url = "{server.base_url}"\napi_key_env = "NOT_SET"\n')
    assert cli("ask", "-m", "corp/tiny", "hi").code == 77
    assert cli("ask", "-m", "corp/tiny", "-H", "X-Api-Key: $TOK", "hi", env=TOKEN) == Result(0, "hi\n", "")
    assert "authorization" not in server.requests[0].headers


def test_a_refused_header_is_what_is_to_be_checked(ask, server):
    server.script = wire.status(401)
    done = ask("-H", "Authorization: Bearer $TOK", "hi", env=TOKEN)
    assert done.code == 77
    assert done.err.endswith("; check the headers that say who asks (-H, or headers in the config file)\n")


# --- Where they go ------------------------------------------------------------------------------------------------


def test_a_secret_does_not_go_to_a_fallback_of_another_provider(cli, server, config):
    with wire.Server() as other:
        config.write_text(
            f'[providers.one]\nbase_url = "{server.base_url}"\n[providers.one.headers]\nX-One-Token = "one-secret-1"\n'
            f'[providers.two]\nbase_url = "{other.base_url}"\n[providers.two.headers]\nX-Two = "2"\n'
        )
        server.script = wire.status(503)
        argv = ["-m", "one/tiny", "--fallback", "one/small", "--fallback", "two/tiny", "--retries", "0"]
        headers = ["-H", "Authorization: Bearer $TOK", "-H", "X-Team: research"]
        assert cli("ask", *argv, *headers, "hi", env=TOKEN) == Result(0, "hi\n", "")
        for request in server.requests:
            assert request.headers["authorization"] == "Bearer tok-secret-0123456789"
            assert request.headers["x-one-token"] == "one-secret-1"
        (request,) = other.requests
        assert (request.headers["x-team"], request.headers["x-two"]) == ("research", "2")
        assert not {"authorization", "x-one-token"} & set(request.headers)


def test_a_secret_does_not_go_to_another_provider_at_the_same_server(cli, server, config):
    config.write_text(
        "".join(
            f'[providers.{name}]\nbase_url = "{server.base_url[:-3]}/{name}/v1"\n' for name in ("one", "two")
        )
    )
    server.script = [wire.status(503), wire.ok("Two")]
    argv = ["-m", "one/tiny", "--fallback", "two/tiny", "--retries", "0", "-H", "X-Key: $TOK", "hi"]
    assert cli("ask", *argv, env=TOKEN) == Result(0, "Two\n", "")
    assert ["x-key" in request.headers for request in server.requests] == [True, False]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_secret_does_not_go_along_a_redirect(call, server, command, code):
    with wire.Server() as other:
        server.script = server.models = wire.redirect(code, f"{other.base_url}/chat/completions")
        done, _ = call(command, "-H", "X-Key: $TOK", env=TOKEN)
        assert done.code != 0
        assert other.requests == []


def test_rows_of_another_provider_do_not_get_a_secret(cli, server, config, tmp_path):
    with wire.Server() as other:
        config.write_text(
            f'[providers.one]\nbase_url = "{server.base_url}"\n[providers.two]\nbase_url = "{other.base_url}"\n'
        )
        rows = tmp_path / "rows.jsonl"
        rows.write_text('{"prompt": "a"}\n{"prompt": "b", "model": "two/tiny"}\n')
        argv = ["-m", "one/tiny", "-H", "Authorization: Bearer $TOK", "-H", "X-Team: a"]
        assert cli("batch", *argv, str(rows), env=TOKEN).code == 0
        assert server.requests[0].headers["authorization"] == "Bearer tok-secret-0123456789"
        assert "authorization" not in other.requests[0].headers
        assert other.requests[0].headers["x-team"] == "a"


def test_the_account_of_openai_goes_to_openai_alone(cli, server, config):
    config.write_text(f'[providers.corp]\nbase_url = "{server.base_url}"\n')
    env = {"OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "p", "OPENAI_CUSTOM_HEADERS": "X-Own: 1"}
    assert cli("ask", "-m", "corp/tiny", "hi", env=env).code == 0
    assert not {"openai-organization", "openai-project", "x-own"} & set(server.requests[0].headers)


# --- The config file ----------------------------------------------------------------------------------------------


def test_headers_of_the_config_file_are_sent(cli, server, config):
    config.write_text(
        f'[providers.corp]\nbase_url = "{server.base_url}"\n'
        '[providers.corp.headers]\nX-Team = "research"\nX-Gateway = "gw $TOK"\nUser-Agent = ""\n'
    )
    done = cli("ask", "-m", "corp/tiny", "-H", "x-team: mine", "hi", env=TOKEN)
    assert done == Result(0, "hi\n", "")
    headers = server.requests[0].headers
    assert (headers["x-team"], headers["x-gateway"]) == ("mine", f"gw {TOKEN['TOK']}")
    assert "user-agent" not in headers


def test_a_variable_of_the_config_file_that_is_not_set(cli, config):
    config.write_text(
        '[providers.corp]\nbase_url = "http://h/v1"\n[providers.corp.headers]\nX-A = "$NOT_THERE"\n'
    )
    for command in (
        ["ask", "-m", "corp/tiny", "hi"],
        ["ask", "--dry-run", "-m", "corp/tiny", "hi"],
        ["models", "--live", "corp/"],
    ):
        assert cli(*command) == Result(
            2,
            "",
            "llmcli: usage: the variable NOT_THERE is not set ([providers.corp.headers] in the config file)\n",
        )


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("headers = 1", "headers: must be a table: [providers.corp.headers]"),
        ("headers = {X-A = 1}", "headers.X-A: must be a string"),
        ('headers = {"X A" = "b"}', "headers.X A: the name is none that a header can have"),
        (
            'headers = {X-A = "b\\nc"}',
            "headers.X-A: the value has a line break or another control character in it",
        ),
    ],
)
def test_bad_headers_of_the_config_file(cli, config, table, problem):
    config.write_text(f'[providers.corp]\nbase_url = "http://h/v1"\n{table}\n')
    done = cli("ask", "hi")
    assert done == Result(78, "", f"llmcli: config: providers.corp.{problem} ({config}:3); mend the file\n")


# --- What is shown ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("X-Team: it's", "'X-Team: it'\"'\"'s'"),
        ("X-Team: $TOK", '"X-Team: $TOK"'),
        ('X-Team: `${TOK}s\\"', '"X-Team: \\`${TOK}s\\\\\\""'),
        ("Authorization: Bearer $TOK", '"Authorization: Bearer $TOK"'),
        ("Authorization: Bearer literal", '"Authorization: ***"'),
        ("X-Api-Key: abc-$TOK", '"X-Api-Key: ***$TOK"'),
        ("Cookie: a=b; session=$TOK", '"Cookie: ***; session=$TOK"'),
        ("User-Agent:", "User-Agent:"),
        ("Content-Type: x/y", "'Content-Type: x/y'"),
    ],
)
def test_curl_shows_variables_and_stars(cli, line, shown):
    done = cli("ask", "--curl", "--base-url", "http://h/v1", "-m", "tiny", "-H", line, "hi", env=TOKEN)
    assert f" -H {shown} " in done.out
    assert TOKEN["TOK"] not in done.out
    assert done.out.count("Content-Type") == 1
    assert ("***" in done.out) == ("put it in again" in done.err)


def test_curl_sends_what_ask_sends(cli, server):
    env = {**TOKEN, "OPENAI_ORG_ID": "org-1"}
    flags = [
        "-H",
        "Authorization: Bearer $TOK",
        "-H",
        'X-Odd: "`$" \\ ${TOK}s',
        "-H",
        "X-Plain: it's $5",
        "hi",
    ]
    argv = ["--base-url", server.base_url, "-m", "tiny", "--no-stream", *flags]
    shown = cli("ask", "--curl", *argv, env=env)
    words = shown.out.replace("curl ", "curl --silent --noproxy '*' ", 1).encode()
    subprocess.run(
        ["/bin/sh"], input=words, env={"PATH": "/usr/bin:/bin", **env}, check=True, capture_output=True
    )
    assert cli("ask", *argv, env=env).code == 0
    curl, ours = (request.headers for request in server.requests)
    for name in ("authorization", "x-odd", "x-plain", "openai-organization", "content-type"):
        assert curl[name] == ours[name]


@pytest.mark.parametrize("form", [["-H", "{}"], ["-H{}"], ["--header", "{}"], ["--header={}"]])
def test_the_command_to_resume_shows_no_secret_of_a_header(call, server, tmp_path, form):
    server.script = wire.status(400)
    words = [word.format("X-Api-Key: lit-secret-0123456789") for word in form]
    done, request = call("batch", *words)
    assert request.headers["x-api-key"] == "lit-secret-0123456789"
    assert "X-Api-Key: ***" in done.err
    assert "lit-secret" not in everything(done, tmp_path)


def test_a_dry_run_shows_the_body_alone(ask):
    argv = ["--dry-run", "-H", "X-Team: research", "hi"]
    assert ask(*argv).out == ask("--dry-run", "hi").out


def test_count_takes_them_too(cli):
    assert cli("count", "-m", "gpt-4o", "-H", "X-A: 1", "hi").out == cli("count", "-m", "gpt-4o", "hi").out
    assert cli("count", "-m", "gpt-4o", "-H", "no colon", "hi").code == 2


# --- The store ----------------------------------------------------------------------------------------------------


def test_headers_are_a_part_of_what_is_kept(ask, server):
    server.script = [wire.ok("first"), wire.ok("second"), wire.ok("third"), wire.ok("fourth")]
    assert ask("--cache", "hi").out == "first\n"
    assert ask("--cache", "-H", "X-A: 1", "hi").out == "second\n"
    assert ask("--cache", "-H", "X-A: 2", "hi").out == "third\n"
    assert ask("--cache", "-H", "x-a: 1", "hi").out == "second\n"
    assert ask("--cache", "hi", env={"OPENAI_ORG_ID": "org-1"}).out == "first\n"
    assert ask("--cache", "-H", "X-A:", "hi").out == "fourth\n"


def test_a_secret_is_kept_as_its_name(ask, server, tmp_path):
    server.script = [wire.ok("first"), wire.ok("second")]
    argv = ["--record", f"{tmp_path}/kept", "-H", "Authorization: Bearer $TOK", "hi"]
    done = ask(*argv, env=TOKEN)
    assert done.out == "first\n"
    assert TOKEN["TOK"] not in everything(done, tmp_path)
    replay = ["--replay", f"{tmp_path}/kept", "-H", "Authorization: Bearer ${TOK}", "hi"]
    assert ask(*replay, env={"TOK": "another one"}).out == "first\n"
    assert ask("--replay", f"{tmp_path}/kept", "hi").code == 66


# --- Azure --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "key", "name", "value"),
    [
        ("/openai/v1", "azure-key", "authorization", "Bearer azure-key"),
        ("/openai/deployments/dep?api-version=1", "azure-key", "api-key", "azure-key"),
        ("/openai/deployments/dep?api-version=1", "eyJhbGciOi.x.y", "authorization", "Bearer eyJhbGciOi.x.y"),
    ],
)
@pytest.mark.parametrize("command", ["ask", "batch"])
def test_azure_gets_its_key_where_its_address_wants_it(
    cli, server, tmp_path, command, path, key, name, value
):
    env = {"AZURE_OPENAI_ENDPOINT": server.base_url.removesuffix("/v1") + path, "AZURE_OPENAI_API_KEY": key}
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "hi"}\n')
    what = str(rows) if command == "batch" else "hi"
    assert cli(command, "-m", "azure/dep", what, env=env).code == 0
    headers = server.requests[0].headers
    assert {each: headers[each] for each in ("authorization", "api-key") if each in headers} == {name: value}
    shown = cli("ask", "-m", "azure/dep", "--curl", "hi", env=env).out
    assert ('"api-key: $AZURE_OPENAI_API_KEY"' in shown) == ("deployments" in path)
