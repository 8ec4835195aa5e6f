"""The README says what the program does: its blocks are what comes out today."""

from __future__ import annotations

import re

import pytest

from tests.docs.conftest import ROOT
from tests.docs.readme import EXAMPLE, HELP, Shell, lacks_a_program, rendered, shell_blocks
from tests.docs.tree import commands

README = (ROOT / "README.md").read_text("utf-8")


def test_help_exit_codes_and_examples_are_up_to_date(tmp_path, up_to_date):
    up_to_date("README.md", rendered(README, Shell(tmp_path)))


def test_every_command_has_its_help():
    assert [found["command"] for found in HELP.finditer(README)] == [
        "llmcli",
        *(command.name for command in commands()),
    ]


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.name)
def test_every_long_option_is_documented(command):
    words = set(re.findall(r"--[\w-]+", README))
    assert not {name for flag in command.flags for name in flag.long} - words


def test_options_that_the_readme_speaks_of_exist():
    prose = HELP.sub("", README)
    prose = re.sub(r"^```sh\n.*?^```\n", "", prose, flags=re.DOTALL | re.MULTILINE)
    known = {name for command in commands() for flag in command.flags for name in flag.long}
    elsewhere = {"--version", "--help", "--update-docs", "--data-raw", "--quick"}
    assert not set(re.findall(r"(?<![\w-])--[a-z][\w-]*", prose)) - known - elsewhere


def test_there_are_examples():
    assert len(EXAMPLE.findall(README)) > 10


def test_the_first_two_commands_set_up_and_test():
    first, second = next(shell_blocks(README)).splitlines()
    assert "llmcli ask -m offline/echo" in first
    assert "pytest" in second


def test_links_lead_to_headings():
    prose = re.sub(r"^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)", prose, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= anchors


def test_examples_of_a_missing_program_are_left_as_they_are():
    assert lacks_a_program("$ jq . out.jsonl\n", lambda _: None)
    assert not lacks_a_program("$ llmcli ask hello\n", lambda _: None)
    assert not lacks_a_program("$ jq . out.jsonl\n", lambda name: f"/usr/bin/{name}")
