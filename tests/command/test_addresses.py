"""Addresses: which host is meant, what is no host at all, and that all commands agree on it."""

from __future__ import annotations

import re
from base64 import b64encode

import pytest

from llmcli.address import address_of, asked, is_this_machine
from tests import server as wire

THIS_MACHINE = [
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "0177.0.0.1",
    "2130706433",
    "127.0.0.1.",
    "localhost",
    "LOCALHOST",
    "localhost.",
]
NO_HOSTS = [
    "192.168.1.256",
    "1.2.3.4.5",
    "256.1",
    "09.0.0.1",
    "4294967296",
    "99999999999999999999",
    "a..b",
    "h..",
    "a*b",
    "a%20b",
    "xn--\u00e9\uff0e..",
    f"{'a.' * 127}toolong",
]


@pytest.fixture(params=["ask", "ask --no-stream", "chat", "batch", "models --live"])
def call(request, cli, tmp_path):
    """A call of an address by a command."""
    command, *flags = request.param.split()

    def run(url: str, *more: str, **how: object):
        argv = [command, *flags, "--base-url", url, *more]
        if command != "models":
            argv += ["-m", "tiny", "--retries", "0"]
        if command == "batch":
            (tmp_path / "rows.jsonl").write_text('{"prompt": "hi"}\n')
            argv.append(str(tmp_path / "rows.jsonl"))
        elif command == "ask":
            argv.append("hi")
        return cli(*argv, stdin=b"hi\n", **how)

    return run


@pytest.fixture
def port(server) -> str:
    server.models = wire.reply({"object": "list", "data": [{"id": "tiny"}]})
    return server.base_url.rpartition(":")[2].partition("/")[0]


@pytest.mark.parametrize("host", THIS_MACHINE)
def test_a_spelling_of_this_machine_reaches_it(call, port, host):
    done = call(f"http://{host}:{port}/v1")
    assert done.code == 0, done.err
    assert "hi" in done.out or "tiny" in done.out
    assert is_this_machine(f"http://{host}/v1")


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "127.0.0.1.", "[::1]", "[0:0::1]"])
def test_a_port_of_this_machine_where_nothing_listens_is_said_so(call, host):
    done = call(f"http://{host}:9/v1")
    assert (done.code, "the local server is not running" in done.err + done.out) in {(75, True), (7, True)}
    assert f"http://{host}:9/v1" in done.err + done.out


@pytest.mark.parametrize("host", NO_HOSTS)
@pytest.mark.parametrize("way", ["flag", "variable", "config"])
def test_a_host_that_cannot_be_is_refused(cli, config, host, way):
    url = f"http://{host}:8080/v1"
    if way == "config":
        config.write_text(f'[providers.mine]\nbase_url = "{url}"\n')
    flag = ["--base-url", url] if way == "flag" else []
    env = {"OPENAI_BASE_URL": url} if way == "variable" else {}
    done = cli("ask", *flag, "-m", "mine/x" if way == "config" else "tiny", "hi", env=env)
    assert done.code == (78 if way == "config" else 2)
    assert "http(s) URL" in done.err


def test_a_number_that_is_no_address_is_told_from_other_faults(call):
    done = call("http://192.168.1.256:8080/v1")
    assert done.code == 2
    assert "'http://192.168.1.256:8080/v1' is no http(s) URL: its host is no IPv4 address" in done.err


def test_a_name_and_password_go_as_basic_authorization(call, server, port):
    done = call(f"http://me:p%40ss-hunter2@127.1:{port}/v1", env={"OPENAI_API_KEY": "sk-the-usual-one"})
    assert done.code == 0
    assert server.requests[0].headers["authorization"] == "Basic " + b64encode(b"me:p@ss-hunter2").decode()


def test_a_header_wins_over_the_name_and_password(call, server, port):
    assert call(f"http://me:hunter2@127.1:{port}/v1", "-H", "Authorization: Bearer mine").code == 0
    assert server.requests[0].headers["authorization"] == "Bearer mine"


@pytest.mark.parametrize("user", ["me:hunter2pass", "hunter2pass", "me:hunter2%70ass", ":hunter2pass"])
def test_no_part_of_who_asks_is_shown(call, server, port, user):
    def echo(request: wire.Request) -> wire.Scenario:
        token = request.headers["authorization"]
        return wire.status(
            401, {"error": {"message": f"{token} {token[6:]} of http://{user}@h is not let in"}}
        )

    server.script = server.models = echo
    done = call(f"http://{user}@127.0.0.1:{port}/v1?api-key=sesame123")
    assert done.code in {7, 77}
    token = b64encode(user.replace("%70", "p").encode()).decode().rstrip("=")
    assert not re.search(rf"hunter2|sesame|{token}", done.out + done.err)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://h.example./v1", "http://h.example./v1"),
        ("HTTP://H.Example/V1", "HTTP://h.example/V1"),
        ("http://me:pw@[::1]:8080/v1?key=1", "http://[::1]:8080/v1?key=1"),
        ("http://gr\xfcn.de/v1", "http://xn--grn-ioa.de/v1"),
        ("http://[fe80::1%25eth0]:80/v1", "http://[fe80::1%25eth0]:80/v1"),
        ("http://h/a b/\xe4%20/v1?x=\xf6&y=%2F", "http://h/a%20b/%C3%A4%20/v1?x=%C3%B6&y=%2F"),
    ],
)
def test_what_a_client_asks(url, sent):
    assert asked(url) == sent


@pytest.mark.parametrize(
    "same", ["https://API.openai.com/v1", "https://api.openai.com./v1", "https://api.openai.com:443/v1"]
)
def test_spellings_of_one_server_have_one_origin(same):
    assert address_of(same).origin == address_of("https://api.openai.com/v1").origin


def test_the_key_of_a_provider_goes_to_every_spelling_of_its_address(cli):
    shown = cli("ask", "--curl", "-m", "x", "--base-url", "https://API.GROQ.com./openai/v1", "hi").out
    assert "$GROQ_API_KEY" in shown
