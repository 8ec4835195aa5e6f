"""Flags with nothing in them, as a variable that is not set leaves them behind: never taken for something else."""

from __future__ import annotations

import pytest

from tests.conftest import Result

COMMANDS = {"ask": None, "chat": b"hi\n", "batch": b'{"prompt":"hi"}\n', "count": None}
FLAGS = [
    "--model", "--fallback", "--output", "--record", "--replay", "--api-key-file", "--budget-file", "--profile",
 "--reasoning-effort", "--service-tier", "--user", "--option", "--header", "--file", "--tools",
]  # fmt: skip


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_flag_with_nothing_in_it_is_refused(cli, command, flag):
    words = ["hi"] if COMMANDS[command] is None else []
    result = cli(command, "-m", "offline/echo", flag, "", *words, stdin=COMMANDS[command])
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"llmcli: usage: {flag}")


def test_it_says_what_to_do(cli):
    said = "llmcli: usage: --model is empty; give it a value, or leave it out\n"
    assert cli("ask", "-m", "", "hi") == Result(2, "", said)


@pytest.mark.parametrize("name", [" ", "groq/", "groq/ "])
def test_a_name_of_blanks_is_no_model(cli, name):
    assert cli("ask", "-m", name, "hi").code == 2
    result = cli("ask", "-m", "offline/echo", "--fallback", name, "hi")
    assert result == Result(
        2, "", "llmcli: usage: --fallback names no model; write --fallback PROVIDER/NAME\n"
    )


def test_an_empty_flag_of_a_profile_is_the_profiles_fault(cli, config):
    config.write_text('[profiles.p]\nrecord = ""\n')
    result = cli("ask", "-m", "offline/echo", "--profile", "p", "hi")
    assert (result.code, result.out) == (78, "")


def test_an_empty_system_message_is_none_of_them(cli):
    assert cli("ask", "-m", "offline/echo", "-s", "", "hi") == Result(0, "hi\n", "")
