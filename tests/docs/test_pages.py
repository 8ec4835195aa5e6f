"""README and guide say what the program does: their blocks are what comes out today, and they leave nothing out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmcli import guide
from llmcli.cli.line import COMMANDS
from tests.docs.conftest import ROOT
from tests.docs.pages import (
    EXAMPLE,
    EXITS,
    HELP,
    OPTIONS,
    USAGE,
    Shell,
    lacks_a_program,
    rendered,
    shell_blocks,
)
from tests.docs.tree import commands

GUIDE = {f"llmcli/guide/{topic}.md": guide.source(topic) for topic in guide.TOPICS}
README = (ROOT / "README.md").read_text("utf-8")
CONTRIBUTING = (ROOT / ".github/CONTRIBUTING.md").read_text("utf-8")
PAGES = {"README.md": README, ".github/CONTRIBUTING.md": CONTRIBUTING, **GUIDE}
SHARED = [["README.md"], *([f"llmcli/guide/{topic}.md" for topic in part] for part in guide.PARTS.values())]
"""Pages whose examples run in one directory, in this order."""
NEIGHBOUR = re.compile(r"^\| `(?:llm|curl|sgpt|openai) .*? \| ", re.MULTILINE)
"""What one types elsewhere: the first cell of a row of the README's table."""


@pytest.mark.parametrize("names", SHARED, ids=lambda names: Path(names[0]).stem)
def test_help_exit_codes_and_examples_are_up_to_date(names, tmp_path, up_to_date):
    for name in names:
        up_to_date(name, rendered(PAGES[name], Shell(tmp_path)))


def test_every_page_is_a_topic():
    files = {path.name for path in (ROOT / "llmcli/guide").iterdir() if path.suffix}
    assert files == {"__init__.py", *(f"{topic}.md" for topic in guide.TOPICS)}


def test_every_command_has_a_page_that_says_how_it_is_used_and_no_other_page_does():
    found = [(block["command"], name) for name, text in PAGES.items() for block in USAGE.finditer(text)]
    assert sorted(found) == sorted((name, f"llmcli/guide/{name}.md") for name in COMMANDS)


def test_every_option_stands_once_in_the_guide_and_says_what_it_applies_to():
    assert [name for name, text in PAGES.items() if OPTIONS.search(text)] == ["llmcli/guide/options.md"]
    rows = re.findall(r"^\| (`-.*?) \| .* \| ([\w ]+) \|$", GUIDE["llmcli/guide/options.md"], re.MULTILINE)
    found = [
        (name, applies.split()) for names, applies in rows for name in re.findall(r"`(--?\w[\w-]*)", names)
    ]
    assert len({name for name, _ in found}) == len(found)
    for command in commands():
        assert {name for flag in command.flags for name in flag.names} == {
            name for name, applies in found if command.name in applies
        }


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_fits_two_screens_and_begins_with_four_examples(command, cli):
    text = cli(command, "--help").out
    assert len(text.splitlines()) <= 48
    assert max(map(len, text.splitlines())) <= 80
    examples = text.partition("\nExamples:\n")[2].partition("\n\n")[0].splitlines()
    assert len(examples) == guide.EXAMPLES
    assert all("llmcli" in example for example in examples)
    assert cli(command, "-h").out == text


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.name)
def test_help_all_has_every_option(command, cli):
    done = cli(command.name, "--help-all")
    assert (done.code, done.err) == (0, "")
    assert {name for flag in command.flags for name in flag.names} <= set(
        re.findall(r"--?\w[\w-]*", done.out)
    )


def test_the_exit_table_stands_in_the_readme_and_on_its_page():
    assert [name for name, text in PAGES.items() if EXITS.search(text)] == [
        "README.md",
        "llmcli/guide/exits.md",
    ]


def test_the_readme_can_be_read_in_one_go():
    assert len(README.splitlines()) <= 250


@pytest.mark.parametrize("name", PAGES)
def test_options_that_a_page_speaks_of_exist(name):
    prose = HELP.sub("", PAGES[name])
    if name.endswith("changes.md"):
        prose = prose.partition("### Removed")[0]
    prose = re.sub(r"^```sh\n.*?^```\n", "", prose, flags=re.DOTALL | re.MULTILINE)
    prose = NEIGHBOUR.sub("", prose)
    known = {name for command in commands() for flag in command.flags for name in flag.long}
    elsewhere = {"--version", "--help", "--update-docs", "--data-raw", "--quick", "--temp"}
    assert not set(re.findall(r"(?<![\w-])--[a-z][\w-]*", prose)) - known - elsewhere


def test_there_are_examples():
    assert sum(len(EXAMPLE.findall(text)) for text in PAGES.values()) > 30


def test_the_first_two_commands_set_up_and_test():
    first, second = next(shell_blocks(README)).splitlines()
    assert "llmcli ask -m offline/echo" in first
    assert "pytest" in second


def anchors(text: str) -> set[str]:
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    here = (ROOT / name).parent
    prose = re.sub(r"^```.*?^```", "", PAGES[name], flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)]+)\)", prose):
        path, _, anchor = link.partition("#")
        if path.startswith("https://"):
            continue
        target = (here / path).resolve() if path else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text("utf-8")), link


def test_the_readme_links_to_every_page():
    assert {f"llmcli/guide/{topic}.md" for topic in guide.TOPICS} <= set(re.findall(r"\]\(([^)#]+)", README))


@pytest.mark.parametrize("topic", guide.TOPICS)
def test_a_page_begins_with_a_title_and_one_line_that_says_what_it_is_about(topic):
    title, blank, summary, after = guide.source(topic).split("\n")[:4]
    assert title.startswith("# ")
    assert (blank, after) == ("", "")
    assert summary.endswith(".")
    assert max(map(len, guide.contents().splitlines())) <= 100


def test_the_contributing_page_speaks_of_files_that_exist():
    named = set(re.findall(r"`((?:llmcli|tests|completions)/[\w/.]+?)/?`", CONTRIBUTING))
    assert len(named) > 20
    assert [name for name in sorted(named) if "NAME" not in name and not (ROOT / name).exists()] == []


def test_examples_of_a_missing_program_are_left_as_they_are():
    assert lacks_a_program("$ jq . out.jsonl\n", lambda _: None)
    assert not lacks_a_program("$ llmcli ask hello\n", lambda _: None)
    assert not lacks_a_program("$ jq . out.jsonl\n", lambda name: f"/usr/bin/{name}")
