"""Names of the house: what a provider is called stands in its table, and no public name means two things."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmcli.registry.providers import provider_names
from tests.trees import tree_of

PACKAGE = Path(__file__).parents[2] / "llmcli"
MODULES = sorted(PACKAGE.rglob("*.py"))
KNOW = ("registry", "rehearsal", "local")  # the rooms that know a provider by its name
PACKAGES = {  # where the word is the package that is imported, or a page
    ("transport/lazy.py", "openai"),
    ("guide/__init__.py", "local"),
    ("batch/cluster/ray_crew.py", "local"),  # how Ray calls a cluster of this machine alone
}
PROVIDERS = frozenset(provider_names())

# Names that say nothing of what a module owns, or said two things.
VAGUE = {
    *("account", "caller", "common", "converse", "done", "endings", "guard", "helpers"),
    *("keeping", "limit", "misc", "perform", "plan", "tally", "tools_", "util", "utils"),
}
COMMANDS = PACKAGE / "commands"  # a command's story is called as the command is
TYPE_VARIABLES = re.compile(r"[A-Z]")


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def names_of_providers(tree: ast.Module) -> Iterator[str]:
    """Literals that are a provider's name, alone or before a model's; prose is none."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            first = re.match(r"([\w.-]+)(?:[/:]\S*)?\Z", node.value)
            if first and first[1] in PROVIDERS:
                yield first[1]


def test_a_providers_name_stands_in_the_registry_alone():
    others = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] not in KNOW]
    found = {(named(path), name) for path in others for name in names_of_providers(tree_of(path))}
    assert found - PACKAGES == set()


@pytest.mark.parametrize("code", ["x == 'openai'", "x in {'azure'}", "x = 'offline/*'", "x = 'offline:'"])
def test_a_providers_name_is_seen(code):
    assert list(names_of_providers(ast.parse(code)))


@pytest.mark.parametrize("code", ["'0 with offline/flaky'", "'OPENAI_BASE_URL'", "'''openai'''\nx = 1"])
def test_prose_and_variables_are_let_be(code):
    assert not list(names_of_providers(ast.parse(code)))


def defined(tree: ast.Module) -> Iterator[str]:
    """Public functions, classes and aliases of a module."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_a_public_name_means_one_thing():
    places = defaultdict(list)
    for path in MODULES:
        if path.parent != COMMANDS:
            for name in defined(tree_of(path)):
                if not name.startswith("_") and not TYPE_VARIABLES.fullmatch(name):
                    places[name].append(named(path))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_a_module_says_what_it_owns():
    assert {path.stem for path in MODULES} & VAGUE == set()
