"""The house stays small: its folders, files, functions and their parameters, and the door that only parses."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmcli.cli.parse import COMMANDS
from tests.trees import tree_of

PACKAGE = Path(__file__).parents[2] / "llmcli"
MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted({path.parent for path in MODULES})
Function = ast.FunctionDef | ast.AsyncFunctionDef

# Protocols of settings classes: what a function may ask of a command's own class.
OF_A_COMMAND = {"ServingAsked", "Asked", "Paid", "Rowed", "Within", "Worded"}


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def lines_of(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, Function):
            yield node


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


@pytest.mark.parametrize("folder", FOLDERS, ids=named)
def test_a_folder_has_at_most_twelve_modules(folder):
    modules = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    assert len(modules) <= 12, modules


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_file_has_at_most_400_lines_and_opens_with_what_it_owns(path):
    assert lines_of(path) <= 400
    assert ast.get_docstring(tree_of(path)), "the one sentence that says what it owns"


def test_few_files_are_long():
    assert len([path for path in MODULES if lines_of(path) > 300]) <= len(MODULES) / 20


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_function_has_at_most_60_lines_and_five_parameters(path):
    long = [one.name for one in functions(path) if (one.end_lineno or 0) - one.lineno >= 60]
    wide = [one.name for one in functions(path) if len(parameters(one)) > 5]
    assert (long, wide) == ([], [])


def test_functions_are_short():
    lengths = sorted((one.end_lineno or 0) - one.lineno + 1 for path in MODULES for one in functions(path))
    assert statistics.median(lengths) <= 8
    assert len([length for length in lengths if length > 30]) <= 12


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_no_function_takes_two_settings_classes(path):
    """A command's own class is made of the subjects': what needs two of them is handed that."""
    assert [one.name for one in functions(path) if len(settings_in(one)) > 1] == []


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
