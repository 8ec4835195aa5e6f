"""The house stays small: its folders, files, functions and their parameters, and the door that only parses."""

from __future__ import annotations

import ast
import statistics
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from llmcli.cli.line import COMMANDS
from tests.trees import tree_of

PACKAGE = Path(__file__).parents[2] / "llmcli"
MODULES = sorted(PACKAGE.rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef

# Protocols of settings classes: what a function may ask of a command's own class.
OF_A_COMMAND = {"ServingAsked", "Asked", "Paid", "Rowed", "Within", "Worded"}


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def lines_of(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


@cache
def functions(path: Path) -> list[Function]:
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, Function)]


def in_functions(is_wrong: Callable[[Function], bool]) -> list[str]:
    """The functions of the package that are wrong, by module and name."""
    return [f"{named(path)}: {one.name}" for path in MODULES for one in functions(path) if is_wrong(one)]


def parameters(function: Function) -> list[ast.arg]:
    """All but self; a list or dict of more is one."""
    arguments = function.args
    named_ones = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    more = [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
    return [each for each in named_ones if each.arg not in {"self", "cls"}] + more


def settings_in(function: Function) -> list[str]:
    """The parameters that are a settings class, or a command's."""
    kinds = [ast.unparse(each.annotation) for each in parameters(function) if each.annotation is not None]
    kinds = [kind.strip("'\"") for kind in kinds]
    return [kind for kind in kinds if kind.endswith("Settings") or kind in OF_A_COMMAND]


def test_a_folder_has_at_most_twelve_modules():
    folders = Counter(named(path.parent) for path in MODULES if path.stem != "__init__")
    assert [name for name, modules in folders.items() if modules > 12] == []


def test_a_file_has_at_most_400_lines():
    assert [named(path) for path in MODULES if lines_of(path) > 400] == []


def test_a_file_opens_with_the_one_sentence_that_says_what_it_owns():
    assert [named(path) for path in MODULES if not ast.get_docstring(tree_of(path))] == []


def test_few_files_are_long():
    assert len([path for path in MODULES if lines_of(path) > 300]) <= len(MODULES) / 20


def test_a_function_has_at_most_60_lines():
    assert in_functions(lambda one: (one.end_lineno or 0) - one.lineno >= 60) == []


def test_a_function_has_at_most_five_parameters():
    assert in_functions(lambda one: len(parameters(one)) > 5) == []


def test_functions_are_short():
    lengths = sorted((one.end_lineno or 0) - one.lineno + 1 for path in MODULES for one in functions(path))
    assert statistics.median(lengths) <= 8
    assert len([length for length in lengths if length > 30]) <= 12


def test_no_function_takes_two_settings_classes():
    """A command's own class is made of the subjects': what needs two of them is handed that."""
    assert in_functions(lambda one: len(settings_in(one)) > 1) == []


def test_the_door_is_small():
    door = [path for path in (PACKAGE / "cli").glob("*.py") if path.stem != "__init__"]
    assert len(door) <= 5
    assert sum(map(lines_of, door)) <= 700


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_one_settings_class_and_one_short_story(name):
    path = PACKAGE / "commands" / f"{name}.py"
    tree = tree_of(path)
    (story,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    assert (story.end_lineno or 0) - story.lineno < 60
    settings = [
        one.name for one in tree.body if isinstance(one, ast.ClassDef) and one.name.endswith("Settings")
    ]
    assert settings_in(story) == [each for each in settings if each == settings_in(story)[0]]
