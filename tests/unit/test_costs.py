"""What a change costs: the numbers of files that the contributing page names, where they can be counted."""
# No `from __future__ import annotations`: the annotations are read as objects.

from pathlib import Path
from typing import get_args

from llmcli import guide
from llmcli.cli.line import COMMANDS, story_of
from llmcli.exchange.unsent import curl_command
from llmcli.lean.annotated import Annotated
from llmcli.output.sink import RECORDS
from llmcli.request.builder import Builder
from llmcli.request.endpoint import Addresses
from llmcli.settings.flag import flag, options_of, settings
from llmcli.settings.output import Format
from llmcli.settings.request import RequestSettings

PACKAGE = Path(guide.__file__).parents[1]


@settings("Sampling")
class WithOneMore(RequestSettings):
    """A parameter that the program has never heard of."""

    patience_tokens: Annotated[
        int | None, flag("--patience-tokens", metavar="N", low=1, help="Of a test.", api=True)
    ] = None
    mood: Annotated[str | None, flag("--mood", metavar="MOOD", help="Of a test.", header="X-Llmcli-Mood")] = (
        None
    )


def test_a_flag_that_sends_a_header_is_one_field_of_the_request_settings():
    builder = Builder.of(WithOneMore(mood="calm"), Addresses({}, {}), lambda: b"")
    request = builder.request([{"role": "user", "content": "Hi"}])
    assert request.headers.sent({}) == {"X-Llmcli-Mood": "calm"}
    assert "calm" not in str(request.body())
    assert "-H 'X-Llmcli-Mood: calm'" in curl_command(request, [])
    assert builder.again(request, "gpt-4o").headers == request.headers
    assert builder.again(request, "groq/llama").headers == request.headers


def test_a_parameter_is_one_field_of_the_request_settings():
    assert WithOneMore(patience_tokens=3).parameters() == {"patience_tokens": 3}
    assert "--patience-tokens" in options_of(WithOneMore)


def test_the_name_of_a_plain_parameter_stands_in_no_other_module():
    # n, temperature and their like also have models and servers that refuse them, which is a table of its own
    for name in ("presence_penalty", "verbosity", "user"):
        files = [path for path in PACKAGE.rglob("*.py") if f"    {name}:" in path.read_text("utf-8")]
        assert files == [PACKAGE / "settings" / "request.py"], name


def test_an_output_format_is_its_name_and_its_sink():
    assert set(get_args(Format)) == {"text", *RECORDS}
    for name in ("jsonl", "events"):  # json is a word of many other things
        files = {
            path for path in (PACKAGE / "exchange").rglob("*.py") if f'"{name}"' in path.read_text("utf-8")
        }
        assert files == set(), name


def test_a_command_is_one_module_and_its_name():
    modules = {path.stem for path in (PACKAGE / "commands").glob("*.py")} - {"__init__"}
    assert modules == set(COMMANDS)
    for name in COMMANDS:
        story, _ = story_of(name)
        assert story.__module__ == f"llmcli.commands.{name}"


def test_a_page_of_the_guide_is_one_file_and_its_name():
    assert {path.stem for path in (PACKAGE / "guide").glob("*.md")} == set(guide.TOPICS)
    assert len(guide.TOPICS) == len(set(guide.TOPICS))
