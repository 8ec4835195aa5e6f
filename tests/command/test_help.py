"""llmcli help: the guide in the terminal."""

from __future__ import annotations

import pytest

from llmcli import guide
from llmcli.cli.line import COMMANDS
from tests.conftest import Result


def test_without_a_topic_all_topics_are_listed_each_with_a_line(cli):
    done = cli("help")
    assert (done.code, done.err) == (0, "")
    listed = [line.split()[0] for line in done.out.splitlines() if line.startswith("  ")]
    assert listed == list(guide.TOPICS)
    assert "  budgets      A cap on what one call, or all calls together, may cost.\n" in done.out


@pytest.mark.parametrize("topic", guide.TOPICS)
def test_every_page_is_printed_by_its_name(cli, topic):
    done = cli("help", topic)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[:3] == guide.source(topic).splitlines()[:3]
    assert "<!--" not in done.out
    assert ".md)" not in done.out


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_a_topic_and_its_page_says_how_it_is_used(cli, command):
    assert f"Usage: llmcli {command} [OPTIONS]" in cli("help", command).out


def test_a_link_of_a_page_says_what_to_type(cli):
    assert "in the config (llmcli help config)" in cli("help", "models").out


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("buget", "did you mean llmcli help budgets?"),
        ("Rehearse", "did you mean llmcli help rehearsing?"),
        ("api-key-file", "did you mean llmcli help models?"),
        ("xyzzy", "llmcli help lists the topics"),
        ("", "llmcli help lists the topics"),
        ("../errors", "llmcli help lists the topics"),
    ],
)
def test_an_unknown_topic_is_exit_2_with_the_nearest(cli, word, hint):
    assert cli("help", word) == Result(2, "", f"llmcli: usage: {word}: no such topic; {hint}\n")


def test_a_topic_may_be_typed_in_capitals(cli):
    assert cli("help", "EXITS") == cli("help", "exits")


def test_two_topics_are_exit_2(cli):
    assert cli("help", "ask", "chat").code == 2


def test_a_broken_config_file_does_not_keep_from_reading_how_to_mend_it(cli, config):
    config.write_text("model = [")
    assert cli("help", "config", env={"LLMCLI_PROFILE": "nosuch"}).code == 0


def test_on_a_terminal_without_a_descriptor_the_text_is_plain(cli):
    assert cli("help", "exits", terminal=True, env={"PAGER": "less"}) == cli("help", "exits")


def test_the_program_alone_prints_its_help_and_exits_2(cli):
    done = cli()
    assert done.code == 2
    assert done.out == cli("--help").out
    assert done.err == (
        "llmcli: usage: there is no command; name one of these, or give a prompt of several words\n"
    )
