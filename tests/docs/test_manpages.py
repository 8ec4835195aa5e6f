"""The man pages: up to date, without a word of complaint from what shows them, and saying what the guide says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from llmcli import guide
from llmcli.cli.line import COMMANDS
from tests.docs.conftest import ROOT
from tests.docs.manpages import pages

MAN = ROOT / "completions/man"
PAGES = pages()
# What shows a page, given its path, with every warning that it has.
READERS = {
    "groff": ["groff", "-man", "-k", "-ww", "-rHY=0", "-Tutf8"],
    "man": ["man", "--warnings", "-l"],
    "mandoc": ["mandoc", "-T", "lint", "-W", "error"],
}


def shown(reader: str, *paths: str) -> subprocess.CompletedProcess[str]:
    if shutil.which(reader) is None:
        pytest.skip(f"{reader} is not installed")
    env = {
        **os.environ,
        "LC_ALL": "C.UTF-8",
        "MANWIDTH": "80",
        "MANPAGER": "cat",
        "MANROFFOPT": "",
        "GROFF_NO_SGR": "1",
    }
    done = subprocess.run(
        [*READERS[reader], *paths], cwd=MAN, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    if "has been minimized" in done.stdout + done.stderr:
        pytest.skip(f"{reader} is a placeholder here")
    return done


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name, up_to_date):
    up_to_date(f"completions/man/{name}", PAGES[name])


def test_there_is_a_page_a_command_and_a_page_a_topic_and_no_other():
    found = {str(path.relative_to(MAN)) for path in MAN.rglob("*.*")}
    assert found == set(PAGES)
    assert {f"man1/llmcli-{command}.1" for command in COMMANDS} < found
    assert {f"man7/llmcli-{topic}.7" for topic in guide.TOPICS} < found


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_of_man_pages_has_a_warning(reader):
    for name in (
        PAGES if reader == "groff" else ["man1/llmcli.1", "man1/llmcli-batch.1", "man7/llmcli-tables.7"]
    ):
        done = shown(reader, f"./{name}")
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("section", [1, 7])
def test_the_man_page_and_the_help_of_a_topic_say_the_same(section):
    page = shown("groff", f"man{section}/llmcli-batch.{section}").stdout
    said = set(words(re.sub(r".\x08", "", page)))
    text = guide.page("batch").partition("\n")[2]
    text = re.sub(r" \(llmcli help \w+\)|^```.*$|^#+ ", "", text, flags=re.MULTILINE)
    assert not set(words(text)) - said


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]{3,}", text.lower())
