"""llmcli help at a real terminal: the pager."""

from __future__ import annotations

import re

import pexpect
import pytest

from llmcli import guide
from tests.process.conftest import program


@pytest.fixture
def screen(process, tmp_path):
    """Type `llmcli help pace` at a terminal; what is on the screen when it ended, and the exit status."""
    pager = tmp_path / "my pager"
    pager.write_text('#!/bin/sh\nhead -n 1\necho "paged by $1, LESS=$LESS"\n')
    pager.chmod(0o700)

    def run(**env: str) -> tuple[str, int | None]:
        wanted = {**process.env, **{name: text.replace("PAGER", f"'{pager}'") for name, text in env.items()}}
        child = pexpect.spawn(str(program()), ["help", "pace"], env=wanted, timeout=60, dimensions=(500, 200))
        shown = child.read().decode().replace("\r\n", "\n")
        child.close()
        return shown, child.exitstatus

    return run


def test_a_page_goes_through_the_pager_of_the_environment(screen):
    assert screen(PAGER="PAGER me") == ("# Pace\npaged by me, LESS=FRX\n", 0)


def test_what_the_environment_says_of_less_wins(screen):
    assert screen(PAGER="PAGER me", LESS="S") == ("# Pace\npaged by me, LESS=S\n", 0)


@pytest.mark.parametrize("pager", ["cat", "", "/no/such/pager", "a 'quote"])
def test_without_a_pager_the_page_is_plain(screen, pager):
    assert screen(PAGER=pager) == (guide.page("pace"), 0)


def test_a_dumb_terminal_gets_plain_text(screen):
    assert screen(PAGER="PAGER me", TERM="dumb") == (guide.page("pace"), 0)


def test_a_reader_who_leaves_early_is_no_error(screen):
    assert screen(PAGER="true") == ("", 0)


def test_ctrl_c_is_the_pagers_own(process):
    env = {
        **process.env,
        "PAGER": "sh -c 'trap \"echo caught; exit\" INT; echo ready; while :; do sleep 0.1; done'",
    }
    child = pexpect.spawn(str(program()), ["help", "pace"], env=env, timeout=60)
    child.expect("ready")
    child.sendintr()
    assert "caught" in child.read().decode()
    child.close()
    assert child.exitstatus == 0


def test_on_a_terminal_that_knows_styles_a_page_is_laid_out(screen):
    shown, code = screen(PAGER="cat", TERM="xterm-256color")
    assert code == 0
    assert "\x1b[1" in shown.splitlines()[0]
    assert "Pace" in shown.splitlines()[0]
    assert "**" not in shown
    assert max(map(len, re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines())) <= 100


def test_a_pager_that_shows_no_styles_gets_none(screen):
    assert screen(PAGER="PAGER me", TERM="xterm-256color") == ("Pace\npaged by me, LESS=FRX\n", 0)
