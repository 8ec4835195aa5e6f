"""What is read without pydantic is what pydantic reads, and what is wrong is told in the same words."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
import typer
from typer.main import get_command

from llmcli.cli.plain import quicken

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
