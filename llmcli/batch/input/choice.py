"""Choice: which files the command line means by INPUT, and what is refused of them before one is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from os.path import samestat
from pathlib import Path

from llmcli import files
from llmcli.address import is_store_url, normal_path
from llmcli.app import App
from llmcli.batch.input.identity import Identity
from llmcli.batch.input.readers.named import shown_path
from llmcli.batch.input.source import Part
from llmcli.batch.input.spool import spooled
from llmcli.errors import LlmcliError, NoInput, UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.settings.batch.run import RunSettings, batches_path

_WITHOUT_OUTPUT = RunSettings()


@dataclass(frozen=True)
class Choice:
    """The parts of INPUT, or the files of `--each` that are rows, and what rows are known by."""

    parts: Sequence[Part]
    identity: Identity
    paths: Sequence[str] | None = None

    @property
    def takes_stdin(self) -> bool:
        """Whether stdin brings rows."""
        return any(part.path is None for part in self.parts)

    @property
    def takes_spool(self) -> bool:
        """Whether it is stdin, or what stdin once was."""
        return any(part.path is None or part.is_spool for part in self.parts)


def chosen(app: App, names: Sequence[str], each: str | None, run: RunSettings = _WITHOUT_OUTPUT) -> Choice:
    """What INPUT is, or `--each`. Raises UsageError, NoInput."""
    column = run.id
    if each is not None:
        if names:
            todo = f"quote the pattern, so that it is not the shell that makes {len(names) + 1} words of it"
            raise UsageError(f"and INPUT ({names[0]}) exclude each other", todo=todo, flag="--each")
        identity = Identity("path") if column is None else Identity("id", column)
        if each != "-":
            return Choice((), identity, _matching(each, run))
        return Choice(_parts(app, [], run), identity)
    parts = _parts(app, names, run)
    if column is not None:
        return Choice(parts, Identity("id", column))
    return Choice(parts, Identity("file" if len(parts) > 1 else "number"))


def _parts(app: App, names: Sequence[str], run: RunSettings) -> list[Part]:
    if not names and not app.stdin.is_piped:
        return [Part(spooled(run.kept), is_spool=True)]
    seen: dict[str, str] = {}
    for name in names or ["-"]:
        place = normal_path(name)
        if place in seen:
            raise UsageError(f"INPUT {name} is there twice", todo="name it once")
        seen[place] = name
    several = len(seen) > 1
    parts = [_part(name, shown_path(name) if several else None) for name in seen.values()]
    for part in parts:
        if part.remote is None:
            _check(app, part, run)
    return parts


def _part(name: str, file: str | None) -> Part:
    if not is_store_url(name):
        return Part(None if name == "-" else name, file)
    from llmcli.stores.remote_file import Remote

    return Part(name, file, remote=Remote(name))


def is_there(name: str) -> bool:
    """Whether an INPUT can be read, as far as its name tells."""
    if not is_store_url(name):
        return files.exists(name)
    with suppress(LlmcliError):
        _part(name, None)
        return True
    return False


def _check(app: App, part: Part, run: RunSettings) -> None:
    """Raise NoInput or UsageError where no rows can be read from a part."""
    if part.path is None:
        app.stdin.check_allowed()
        if app.world.stdin is None:
            raise UsageError("stdin is closed", todo="name a file")
        found = _status_of_stdin(app)
    else:
        found = _status(part.path)
    for ours in run.written:
        if found is not None and files.exists(ours) and samestat(found, ours.stat()):
            is_table = run.view is not None and ours == Path(run.output or "")
            what = "the table is made anew" if is_table else "records are written"
            raise UsageError(f"INPUT is {ours}, where {what}", todo="choose another -O")


def _status(path: str) -> os.stat_result:
    try:
        found = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        raise NoInput(f"there is no file {path}", todo="check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise UsageError(f"cannot read {path}: {reason}", todo="check the path") from None
    if stat.S_ISDIR(found.st_mode):
        todo = f"name a file; to make a row of each in it: --each '{path.rstrip('/')}/*'"
        raise UsageError(f"{path} is a directory", todo=todo)
    return found


def _status_of_stdin(app: App) -> os.stat_result | None:
    """What the system knows of stdin; None where it is a stream of memory."""
    try:
        return None if app.world.stdin is None else os.fstat(app.world.stdin.fileno())
    except (OSError, ValueError):
        return None


def _matching(pattern: str, run: RunSettings) -> list[str]:
    """The files that a pattern names, by their bytes, but for those that we write."""
    if is_store_url(pattern):
        todo = "name objects as INPUT, or copy them here first"
        raise UsageError("makes rows of files of this machine", todo=todo, flag="--each")
    ours = [str(path) for path in run.written]
    ours += [] if run.kept is None else [f"{run.kept}.stdin", f"{run.kept}.stdin.part", f"{run.output}.view"]
    ours += [] if run.kept is None else [str(batches_path(Path(run.kept)))]
    real = {os.path.realpath(path) for path in ours}
    from glob import glob  # here, since few inputs are patterns

    names = glob(os.path.expanduser(pattern), recursive=True)  # noqa: PTH111, PTH207 - names that are no UTF-8, too
    found = [name for name in names if not files.is_directory(name)]
    paths = sorted((path for path in found if os.path.realpath(path) not in real), key=os.fsencode)
    if not paths:
        raise NoInput(f"no file matches {pattern}", todo="check the pattern")
    return paths
