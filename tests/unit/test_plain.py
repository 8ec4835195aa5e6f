"""What is read without pydantic is what pydantic reads, and what is wrong is told in the same words."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import pytest
import typer
from typer.main import get_command

from llmcli.cli.line import COMMANDS, Line, Parsed, marks_of, options, story_of
from llmcli.cli.parse import parse
from llmcli.cli.plain import plainly, quicken
from llmcli.config import Config
from llmcli.errors import LlmcliError
from llmcli.habits.line import typed_words
from llmcli.settings.flag import Argument

WORDS = [
    *(
        "5",
        "-5",
        "0",
        "-0",
        "007",
        "1_0",
        " 5",
        "5 ",
        "5\n",
        "+5",
        "5.0",
        "5.5",
        ".5",
        "5.",
        "1e3",
        "nan",
        "inf",
    ),
    *("-inf", "", "x", "11", "99999999999999999999", "0.1234567890123456789", "\u0665", "red", "Red", "blue"),
]


def command(*, quick: bool):
    app = typer.Typer(add_completion=False)

    @app.command()
    def story(
        whole: Annotated[int | None, typer.Option(min=-5, max=10)] = None,
        real: Annotated[float | None, typer.Option(min=-5, max=10)] = None,
        free: Annotated[float, typer.Option()] = 3,
        text: Annotated[str | None, typer.Option()] = None,
        color: Annotated[Literal["red", "blue"], typer.Option()] = "red",
        many: Annotated[list[str] | None, typer.Option()] = None,
        numbers: Annotated[list[int], typer.Option()] = [1, 2],  # noqa: B006 - as in a settings class
        words: Annotated[list[str] | None, typer.Argument()] = None,
    ) -> str:
        return repr((whole, real, free, text, color, many, numbers, words))

    made = get_command(app)
    for parameter in made.params if quick else []:
        quicken(parameter)
    return made


def result(argv: list[str], defaults: dict[str, object] | None = None, *, quick: bool) -> str:
    try:
        return command(quick=quick)(argv, standalone_mode=False, default_map=defaults or {})
    except typer.TyperException as error:
        return error.format_message()


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("flag", ["--whole", "--real", "--free", "--text", "--color", "--many", "--numbers"])
def test_a_word_is_the_value_that_typer_makes_of_it(flag, word):
    argv = [f"{flag}={word}", "--many=a", "b", word or "c"]
    assert result(argv, quick=True) == result(argv, quick=False)


VALUES = [5, 5.0, 5.5, True, "5", "red", [1], ["1"], ["a", 1], [], 11, float("nan")]


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("name", ["whole", "real", "free", "text", "color", "many", "numbers"])
def test_a_value_of_a_profile_too(name, value):
    assert result([], {name: value}, quick=True) == result([], {name: value}, quick=False)


def test_a_typer_that_converts_in_another_way_is_left_alone():
    parameter = object()
    quicken(parameter)


# --- Whole lines: what is read without typer is what typer reads -------------------------------------------------


def words_for(kind: Any) -> list[str]:
    """Good words for a flag of a type, and words for another."""
    flat = [part for arg in get_args(kind) for part in (arg, *get_args(arg)) if isinstance(part, str)]
    return [*flat[:2], *WORDS] if flat else WORDS


def lines_of(command: str) -> list[list[str]]:
    """Each flag of a command by each of its names, with words of all kinds; and flags together."""
    lines: list[list[str]] = [[], ["a"], ["a", "b"], ["-"], ["--", "-x"], [""], ["a", "--", "b", "--"]]
    for _, kind, mark in marks_of(story_of(command)[1]):
        names = (
            [] if isinstance(mark, Argument) else [name for each in mark.names for name in each.split("/")]
        )
        for name in names:
            lines += [[name], [name, name], ["a", name, "b"], [f"{name}=b"], [name, "--", "c"]]
            if kind is not bool and bool not in get_args(kind):
                lines += [[f"{name}={word}"] for word in words_for(kind) if name.startswith("--")]
                lines += [[name, "5", "a", name, "6"], [name, "-5"], [f"{name}5"]]
    return lines


def line_of(config: Config, env: dict[str, str]) -> Line:
    return Line(lambda _: None, lambda: config, env)


def outcome(parsed: Parsed | None, line: Line) -> Any:
    """All that is known of a line then."""
    return parsed, line.accepted, line.defaults


def by_typer(command: str, argv: list[str], line: Line) -> Any:
    try:
        return outcome(parse([command, *argv], line), line)
    except LlmcliError as error:
        return error


PROFILES = Config(
    model="tiny",
    profiles={
        "p": {
            "temperature": 1,
            "system": "s",
            "stop": ["a", "b"],
            "ok": ["refused"],
            "stream": False,
            "retries": 3,
            "price": "1,2",
        },
        "bad": {"temperature": "x"},
        "text": {"temperature": "0.5", "top-p": 7},
    },
)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("env", [{}, {"LLMCLI_PROFILE": "p", "LLMCLI_MODEL": "m"}], ids=["bare", "profile"])
def test_a_plain_line_comes_to_what_typer_makes_of_it(command, env):
    """Where a line is not plain, typer reads it anyway."""
    plain, wrong = 0, []
    for argv in lines_of(command):
        found = typed_words(argv, options(command))
        if found.unknown is not None:
            continue
        quick, slow = line_of(PROFILES, env), line_of(PROFILES, env)
        if (parsed := plainly(command, found, quick)) is None:
            continue
        plain += 1
        if outcome(parsed, quick) != by_typer(command, argv, slow):
            wrong.append(argv)
    assert wrong == []
    assert plain > (4 if command in {"help", "completion", "doctor"} else 40)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--profile", "p"],
        ["--profile=p", "--ok", "gate", "--no-stream"],
        ["--profile", "p", "--profile", "text"],
        ["--profile", "bad"],
        ["--profile", "text"],
        ["--profile", "none"],
        ["--ok", "nothing"],
        ["--ok", "refused", "--profile", "none"],
        ["-qv", "-m", "x", "--temperature", "2", "hello", "you"],
        ["-mx", "-m=x", "--stop", "", "--stop=a"],
        ["--help"],
        ["hi", "-h"],
    ],
    ids=" ".join,
)
def test_profiles_too(argv):
    quick, slow = line_of(PROFILES, {}), line_of(PROFILES, {})
    parsed = plainly("ask", typed_words(argv, options("ask")), quick)
    assert parsed is None or outcome(parsed, quick) == by_typer("ask", argv, slow)
