"""`llmcli doctor`: one line a check, no key in it, and nothing asked but for models."""

from __future__ import annotations

import json

import pytest

from tests import server as wire

KEY = "sk-0123456789abcdef"


@pytest.fixture
def checks(cli):
    """The checks of `doctor --json` by name, with the exit code."""

    def run(*argv: str, code: int = 0, **env: str) -> dict[str, dict]:
        result = cli("doctor", "--json", *argv, env=env)
        assert result.code == code, result.err
        assert KEY not in result.out + result.err
        told = json.loads(result.out)
        assert told["ok"] is (code == 0)
        return {check["check"]: check for check in told["checks"]}

    return run


def test_one_line_a_check(cli):
    result = cli("doctor", "--offline")
    assert (result.code, result.err) == (0, "")
    lines = [line.split(maxsplit=1) for line in result.out.splitlines()]
    assert {status for status, _ in lines} <= {"ok", "note"}
    said = [rest.split("  ")[0] for _, rest in lines]
    assert said == [
        *("python", "packages", "data", "config", "keys", "proxies", "certificates"),
        *("terminal", "completions", "man pages", "cache", "state"),
    ]


def test_without_a_key_nobody_is_asked_and_it_is_a_note(checks):
    found = checks()
    assert (found["keys"]["status"], found["keys"]["found"]) == ("note", [])
    assert not [name for name in found if name.startswith("provider")]


def test_the_age_of_the_tables_is_told(checks):
    assert checks("--offline")["data"]["days"] == 8


def test_a_provider_that_answers_and_takes_the_key(checks, server):
    found = checks(OPENAI_API_KEY=KEY, OPENAI_BASE_URL=server.base_url, LLMCLI_MODEL="tiny")
    provider = found["provider openai"]
    assert [provider[name] for name in ("status", "exit", "dns", "key")] == ["ok", 0, True, True]
    assert found["keys"]["found"] == ["OPENAI_API_KEY"]
    assert [request.path.rpartition("/")[2] for request in server.requests] == ["models"]


def test_offline_asks_nobody(checks, server):
    found = checks("--offline", OPENAI_API_KEY=KEY, OPENAI_BASE_URL=server.base_url)
    assert "provider openai" not in found
    assert server.requests == []


@pytest.mark.parametrize(("status", "code", "key"), [(401, 77, False), (503, 75, None), (404, 65, None)])
def test_a_provider_that_does_not_answer_well_is_exit_1_with_the_exit_that_a_call_would_give(
    checks, server, status, code, key
):
    server.models = wire.status(status)
    found = checks(code=1, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=server.base_url)
    provider = found["provider openai"]
    assert [provider[name] for name in ("status", "exit", "dns", "key")] == ["failed", code, True, key]


def test_what_failed_is_named_on_stderr(cli, server):
    server.models = wire.status(401)
    result = cli("doctor", env={"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url})
    assert result.code == 1
    assert result.err == "llmcli: error: 1 of 13 checks failed: provider openai\n"
    assert "failed  provider openai  " in result.out
    assert "(a call would exit 77, auth)" in result.out


def test_nobody_there(checks):
    found = checks(code=1, OPENAI_API_KEY=KEY, OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert found["provider openai"]["exit"] == 75


def test_a_broken_config_file_is_a_finding(checks, config):
    config.write_text("model = 1\n")
    found = checks("--offline", code=1)
    assert (found["config"]["status"], found["config"]["exit"]) == ("failed", 78)


def test_a_providers_own_key_of_the_config_file(checks, config, server):
    config.write_text(
        f'model = "work/tiny"\n[providers.work]\nbase_url = "{server.base_url}"\napi_key_env = "WORK_KEY"\n'
    )
    found = checks(WORK_KEY=KEY)
    assert found["provider work"]["status"] in {"ok", "note"}
    assert found["keys"]["found"] == ["WORK_KEY"]


def test_a_password_of_a_proxy_is_not_shown(checks):
    found = checks(
        "--offline", HTTPS_PROXY="http://me:secret-word@proxy.test:3128", ALL_PROXY="me:secret-word@x:1"
    )
    assert found["proxies"]["variables"] == {"HTTPS_PROXY": "http://proxy.test:3128", "ALL_PROXY": "x:1"}


def test_certificates_that_are_none(checks, tmp_path):
    found = checks("--offline", code=1, SSL_CERT_FILE=str(tmp_path / "none.pem"))
    assert found["certificates"]["exit"] == 2


def test_a_cache_that_is_a_file_cannot_be_written_to(checks, tmp_path):
    (tmp_path / "file").touch()
    found = checks("--offline", code=1, LLMCLI_CACHE=str(tmp_path / "file"))
    assert (found["cache"]["status"], found["cache"]["exit"]) == ("failed", 74)


def test_doctor_makes_no_directory(checks, tmp_path):
    checks("--offline")
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "state").exists()
