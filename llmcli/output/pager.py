"""The pager: a long text, shown to a person a screen at a time."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping
from contextlib import suppress
from io import UnsupportedOperation
from typing import TYPE_CHECKING

from llmcli.output.markdown import can_render, laid_out, size_of
from llmcli.output.streams import Stdout
from llmcli.world import World

if TYPE_CHECKING:
    import subprocess

_LESS = {"LESS": "FRX"}  # leave where all fits on the screen, and leave the text there: as git asks for
_PLAIN = {"", "cat"}
_WIDEST = 100  # columns of a page, however wide the terminal is
_WITHOUT_STYLES = {"TERM": "dumb"}


def show(text: str, out: Stdout, world: World) -> None:
    """Write a text to stdout, through a pager where stdout is a terminal. Raises as `out` does."""
    command = pager_of(world.env) if world.stdout_is_terminal else None
    if command is None or not _paged(text, command, world):
        out.write(text)


def show_markdown(text: str, out: Stdout, world: World) -> None:
    """The same of Markdown, which is laid out on a terminal. Raises as `out` does."""
    if not can_render(world):
        return show(text, out, world)
    command, width = pager_of(world.env), min(size_of(world).columns - 1, _WIDEST)
    env = world.env if command is None or _takes_styles(command, world.env) else _WITHOUT_STYLES
    laid = "\n".join([*laid_out(text, width, env), ""])
    if command is None or not _paged(laid, command, world):
        out.draw(laid)
    return None


def _takes_styles(command: list[str], env: Mapping[str, str]) -> bool:
    """Whether a pager shows escape sequences as the styles that they are: `less`, where it is told to."""
    told = " ".join([env.get("LESS", _LESS["LESS"]), *command[1:]])
    return command[0].rpartition("/")[2] == "less" and re.search(r"[rR]", told) is not None


def pager_of(env: Mapping[str, str]) -> list[str] | None:
    """The words of the command that PAGER names, else of `less`; None where text is best written as it is."""
    try:
        words = shlex.split(env.get("PAGER", "less"))
    except ValueError:  # a quote that is not closed
        return None
    if env.get("TERM") == "dumb" or not words or words[0] in _PLAIN:
        return None
    return words if shutil.which(words[0], path=env.get("PATH")) else None


def _paged(text: str, command: list[str], world: World) -> bool:
    """Whether a pager showed the text; False where there is none to write to, or it does not start."""
    import subprocess  # here, since most pages go into a pipe

    try:
        descriptor = world.stdout.fileno()  # type: ignore[union-attr] # by show
        pager = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=descriptor, env={**_LESS, **world.env}
        )
    except (OSError, UnsupportedOperation):
        return False
    _fed(pager, text.encode())
    return True


def _fed(pager: subprocess.Popen[bytes], data: bytes) -> None:
    """Give a pager its text, and wait until its reader has had enough; Ctrl-C is the pager's own."""
    with suppress(KeyboardInterrupt):
        pager.communicate(data)
    while pager.returncode is None:
        with suppress(KeyboardInterrupt):
            pager.wait()
