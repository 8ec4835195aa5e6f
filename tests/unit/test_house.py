"""The house is kept: files are opened for writing in one room, and a class has a name of its own."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.trees import tree_of

PACKAGE = Path(__file__).parents[2] / "llmcli"
FILES = PACKAGE / "files"
MODULES = sorted(PACKAGE.rglob("*.py"))
OUTSIDE = [path for path in MODULES if FILES not in path.parents]

# Calls of `os`, however they are written.
OS = {
    *("open", "fdopen", "write", "pwrite", "writev", "truncate", "ftruncate", "fsync", "fdatasync"),
    *("rename", "renames", "replace", "link", "symlink", "mkfifo", "mkdir", "makedirs", "chmod", "fchmod"),
}
# Methods of a Path, which nothing else of ours has; `write_bytes` is one of Out, too.
PATH = {"write_text", "touch", "rename", "symlink_to", "hardlink_to", "mkdir", "chmod"}
OUT = {"out", "stdout"}  # what an Out is called
# Modules that write files by themselves.
WRITERS = {"tempfile", "sqlite3", "dbm", "shelve", "zipfile", "tarfile", "gzip", "bz2", "lzma"}

# (module, call): what is no file.
EXCEPTIONS = {
    ("__main__", "os.write"),  # the last words of a process that a signal ends: descriptor 2
    ("workers", "os.fdopen"),  # pipes between processes of ours
}

# Names that two classes still have.
TWICE: set[str] = set()


def writes(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, what) of each place that opens a file to write, makes one, or puts one in another's place."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [
                (node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] in WRITERS
            ]
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            if (node.module or "").split(".")[0] in WRITERS or (node.module == "os" and names & OS):
                found.append((node.lineno, str(node.module)))
        elif isinstance(node, ast.Call) and (what := _called(node)):
            found.append((node.lineno, what))
    return found


def _called(call: ast.Call) -> str | None:
    """What a call writes with; None where it does not."""
    function = call.func
    if isinstance(function, ast.Name):
        return "open" if function.id == "open" and _mode(call, 1) else None
    if not isinstance(function, ast.Attribute):
        return None
    receiver, name = ast.unparse(function.value), function.attr
    if receiver == "os":
        return f"os.{name}" if name in OS else None
    return f".{name}" if _is_writing(call, receiver.split(".")[-1].lstrip("_"), name) else None


def _is_writing(call: ast.Call, receiver: str, name: str) -> bool:
    """Whether a method writes, as far as a name can tell."""
    if name == "open":  # that of Outputs takes a path alone
        return receiver != "outputs" and _mode(call, 1 if receiver in {"io", "codecs"} else 0)
    if name == "write_bytes":
        return receiver not in OUT
    if name == "replace":  # a str's wants two arguments, and a dataclass's fields have names
        return len(call.args) == 1 and not call.keywords
    return name in PATH or (receiver == "shutil" and name not in {"which", "get_terminal_size"})


def _mode(call: ast.Call, place: int) -> bool:
    """Whether a file is opened to write, or in a mode that cannot be read here."""
    mode = next((keyword.value for keyword in call.keywords if keyword.arg == "mode"), None)
    if mode is None and len(call.args) > place:
        mode = call.args[place]
    if mode is None:
        return False
    return not isinstance(mode, ast.Constant) or bool(set("wax+") & set(str(mode.value)))


@cache
def outside() -> set[tuple[str, str]]:
    """(module, call) of each place outside of the room that writes."""
    return {
        (".".join(path.relative_to(PACKAGE).with_suffix("").parts), what)
        for path in OUTSIDE
        for _, what in writes(tree_of(path))
    }


def test_files_are_opened_to_write_in_their_room_alone():
    assert outside() - EXCEPTIONS == set()


@pytest.mark.parametrize(
    "code",
    [
        "open(p, 'w')",
        "open(p, mode='ab')",
        "open(p, mode)",
        "open(p, 'r+')",
        "Path(p).open('x')",
        "io.open(p, 'w')",
        "os.open(p, flags)",
        "os.fdopen(1, 'w')",
        "from os import rename",
        "p.write_text('')",
        "self.path.write_bytes(b'')",
        "Path(p).replace(q)",
        "os.replace(p, q)",
        "import tempfile",
        "from tempfile import mkstemp",
        "p.touch()",
        "shutil.copyfile(p, q)",
    ],
)
def test_what_opens_a_file_to_write_is_seen(code):
    assert writes(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    ["open(p)", "open(p, 'rb')", "Path(p).open('rb')", "s.replace('a', 'b')", "app.stdout.write_bytes(b'')"],
)
def test_what_only_reads_is_let_be(code):
    assert not writes(ast.parse(code))


def test_every_exception_is_needed():
    assert outside() >= EXCEPTIONS


def test_a_class_has_a_name_of_its_own():
    names = Counter(
        node.name
        for path in MODULES
        for node in tree_of(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, number in names.items() if number > 1} <= TWICE
