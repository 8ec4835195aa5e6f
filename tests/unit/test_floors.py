"""The house stands: modules import downwards only, and each third-party package has one owner."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.trees import tree_of

PACKAGE = Path(__file__).parents[2] / "llmcli"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}

FLOORS = {
    "lean": -1,  # what the language lacks, or has at a price
    "llmcli": 0,
    "wire": 0,
    "address": 0,
    "errors": 0,
    "world": 0,
    "responses": 0,
    "finish": 1,
    "settings": 1,
    "stdin": 1,
    "workers": 1,
    "registry": 1,
    "config": 1,
    "files": 1,
    "guide": 1,
    "jsonl": 1,
    "tokens": 2,
    "habits": 2,
    "request": 2,
    "transport": 2,
    "output": 2,
    "loop": 2,
    "defaults": 2,
    "rehearsal": 3,
    "mcp": 3,
    "local": 3,
    "stores": 3,
    "app": 3,
    "exchange": 4,
    "counting": 5,
    "batch": 5,
    "doctor": 5,
    "chat": 5,
    "serving": 5,
    "commands": 6,
    "cli": 7,
    "__main__": 8,
}

# Where the owner is told, and not merely the one module that imports it; a folder owns for all in it.
OWNERS = {
    "html_to_markdown": "llmcli.exchange.pages.readable",
    "httpx2": "llmcli.transport",  # openai and mcp bring it
    "anyio": "llmcli.mcp",
    "mcp": "llmcli.mcp",
    "mcp_types": "llmcli.mcp",
    "jsonschema_rs": "llmcli.request.schemas.validation",
    "obstore": "llmcli.stores.bucket",
    "openai": "llmcli.transport.sdk",
    "orjson": "llmcli.jsonl",
    "platformdirs": "llmcli.config",
    "pyarrow": "llmcli.batch.input.readers.parquet",
    "pycurl": "llmcli.transport.wire",
    "regex": "llmcli.tokens.mapped",
    "tiktoken": "llmcli.tokens.encodings",
    "typer": "llmcli.cli.parse",
    "uvicorn": "llmcli.serving.web",
    "xllamacpp": "llmcli.local.server",
}


@cache
def imports(path: Path) -> list[str]:
    """Full names of what a module imports, wherever in it."""
    return list(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


def room(module: str) -> str:
    """`llmcli.cli.main` -> cli; the package itself -> llmcli."""
    return module.split(".")[1] if "." in module else module


def ours(module: str) -> list[str]:
    return [name for name in imports(MODULES[module]) if name.split(".")[0] == "llmcli"]


def theirs(module: str) -> set[str]:
    tops = {name.split(".")[0] for name in imports(MODULES[module])}
    return tops - sys.stdlib_module_names - {"llmcli"}


def test_a_module_has_a_floor():
    assert {module for module in MODULES if room(module) not in FLOORS} == set()


def test_a_module_imports_only_from_floors_below():
    imported = [(module, name) for module in MODULES for name in ours(module) if name != "llmcli"]
    assert [pair for pair in imported if not _may_import(*map(room, pair))] == []


def _may_import(here: str, there: str) -> bool:
    """Downwards, or in one room."""
    return here == there or FLOORS[there] < FLOORS[here]


def test_the_words_import_nothing_of_ours():
    words = [module for module in MODULES if FLOORS[room(module)] == 0]
    assert [(module, name) for module in words for name in ours(module) if room(name) != "lean"] == []


def test_siblings_import_each_other_without_a_circle():
    graph = {name: {other for other in ours(name) if other in MODULES} for name in MODULES}
    at_top = {
        name: {other for other in graph[name] if other in _top_level(MODULES[name])} for name in MODULES
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail, name])
        if name not in done:
            for other in at_top[name]:
                visit(other, (*trail, name))
            done.add(name)

    for name in MODULES:
        visit(name, ())


def _top_level(path: Path) -> set[str]:
    tree = tree_of(path)
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def test_a_package_is_imported_by_its_owner_alone():
    importers: dict[str, list[str]] = {}
    for module in sorted(MODULES):
        for package in theirs(module):
            importers.setdefault(package, []).append(module)
    owners = {package: OWNERS.get(package, names[0]) for package, names in importers.items()}
    wrong = [
        (package, name)
        for package, names in importers.items()
        for name in names
        if not f"{name}.".startswith(f"{owners[package]}.")
    ]
    assert wrong == []


def test_no_module_is_named_like_one_of_the_standard_library():
    tops = {name.split(".")[-1] for name in MODULES} - {"encodings"}  # the one that ARCHITECTURE names
    assert tops & sys.stdlib_module_names == set()


def test_no_module_prints():
    """No module writes past the sinks."""
    for name, path in MODULES.items():
        calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
        assert not [call for call in calls if getattr(call.func, "id", None) == "print"], name
