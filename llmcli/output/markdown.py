"""Markdown at a terminal: a text as lines that rich lays out, and an answer that is laid out while it comes."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol

from llmcli.errors import LlmcliError
from llmcli.lean.dataclass import dataclass
from llmcli.output.streams import Out, Stdout, visible
from llmcli.world import World

if TYPE_CHECKING:
    from rich.console import Console
    from rich.segment import Segment

_USUAL = os.terminal_size((80, 24))
_AT_ONCE, _DRAWN = (
    "\x1b[?2026h",
    "\x1b[?2026l",
)  # a terminal that knows these shows what is between them in one go
_SHARE = 4  # of the time that drawing may take: a fourth


def can_render(world: World) -> bool:
    """Whether stdout is a terminal that knows more than plain text."""
    return world.stdout_is_terminal and world.env.get("TERM", "dumb") != "dumb"


def screen_of(out: Out, world: World, *, wanted: bool) -> Out:
    """Where an answer goes that is to be laid out: on a terminal. Anything else is left as it is."""
    if not (wanted and isinstance(out, Stdout) and can_render(world)):
        return out
    return MarkdownOut(out, world.env, partial(size_of, world), world.clock, _later)


class Timer(Protocol):
    """Something that will be called."""

    def cancel(self) -> None:
        """Have it not be called."""


class _Never:
    def cancel(self) -> None:
        """See Timer."""


def _later(seconds: float, call: Callable[[], None]) -> Timer:
    """Have something called by the loop; where none runs, at once: everything is there then."""
    import asyncio

    try:
        return asyncio.get_running_loop().call_later(seconds, call)
    except RuntimeError:
        call()
        return _Never()


def size_of(world: World) -> os.terminal_size:
    """Columns and lines of the terminal that stdout is."""
    try:
        found = os.get_terminal_size(world.stdout.fileno())  # type: ignore[union-attr] # io's error where there is none
    except (OSError, ValueError, AttributeError):
        return _USUAL
    return found if found.columns and found.lines else _USUAL


def laid_out(text: str, width: int, env: Mapping[str, str]) -> list[str]:
    """The lines of a Markdown text, with the escape sequences of its styles, and none that the text itself has.

    The environment says which colours there are (TERM, COLORTERM, NO_COLOR).
    """
    shown: list[str] = []
    for block in _blocks(text.replace("\r\n", "\n")):
        shown += ["", *_block(block, _console(width, env))]
    return shown[1:]


def _block(text: str, console: Console) -> list[str]:
    """The lines of a block, alike whatever stands around it."""
    lines = console.render_lines(_markdown(text), console.options, pad=False)
    painted = [_painted(console, line) for line in lines]
    full = [number for number, line in enumerate(painted) if line]
    return painted[full[0] : full[-1] + 1] if full else []


def _console(width: int, env: Mapping[str, str]) -> Console:
    from rich.console import Console
    from rich.theme import Theme

    theme = Theme(
        {"markdown.code": "cyan"}
    )  # rich's own has a black ground, which a light terminal does not have
    return Console(
        file=io.StringIO(),
        width=max(width, 1),
        force_terminal=True,
        legacy_windows=False,
        theme=theme,
        _environ=env,
    )


def _markdown(text: str) -> Any:
    """The parsed text: headings to the left, HTML as text, and links as words, since a link is an escape sequence."""
    from rich.markdown import Heading, Markdown

    left = type("Left", (Heading,), {"LEVEL_ALIGN": {}})
    markdown = Markdown("", code_theme="ansi_dark", hyperlinks=False)
    markdown.parsed = _parser().parse(visible(text))
    markdown.elements = {**Markdown.elements, "heading_open": left}  # type: ignore[misc] # of this text alone
    return markdown


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])


def _painted(console: Console, line: list[Segment]) -> str:
    """A line with its styles, and without what fills it up to the width."""
    from rich.segment import Segment, Segments

    shown = [(visible(one.text), one.style) for one in line if not one.control]  # &#27; is an escape by now
    while shown and not shown[-1][0].strip():
        shown.pop()
    shown[-1:] = [(text.rstrip(), style) for text, style in shown[-1:]]
    with console.capture() as capture:
        console.print(Segments(Segment(*one) for one in shown), end="", soft_wrap=True)
    return capture.get()


def _blocks(text: str) -> list[str]:
    """The blocks of a text, each with what stands between it and the next: none changes those before it."""
    begins = [token.map[0] for token in _parser().parse(text) if token.level == 0 and token.map]
    lines = text.split("\n")
    ends = [*begins[1:], len(lines)]
    return [
        "\n".join([*lines[begin:end], *([""] if end < len(lines) else [])])
        for begin, end in zip(begins, ends, strict=True)
    ]


@dataclass
class MarkdownOut:
    """Where an answer goes that is laid out as it comes: the block that is coming is drawn anew where it changed.

    Lines that have left the screen stay as they are. `clock` is in seconds, `size` that of the terminal, and `later`
    has something called in so many seconds.
    """

    out: Stdout
    env: Mapping[str, str]
    size: Callable[[], os.terminal_size]
    clock: Callable[[], float]
    later: Callable[[float, Callable[[], None]], Timer]
    terminal: bool = True
    _text: str = ""  # of the block that is coming
    _lines: list[str] = field(default_factory=lambda: [""])  # of it, as they are on the screen
    _again: float = 0.0  # when it may be drawn again,
    _timer: Timer | None = None  # and will be, if nothing comes before

    def write(self, text: str, end: bytes = b"") -> None:
        """See Out. At its end an answer is drawn whole."""
        self._text += text
        wait = 0.0 if end else self._again - self.clock()
        if wait <= 0:
            self._draw()
        elif self._timer is None:
            self._timer = self.later(wait, self._draw_later)
        if end:
            self.out.draw("\n")
            self._text, self._lines, self._again = "", [""], 0.0

    def write_bytes(self, data: bytes) -> None:
        """See Out."""
        self.out.write_bytes(data)

    def _draw_later(self) -> None:
        with suppress(LlmcliError):  # a terminal that is gone is the next write's failure
            self._draw()

    def _draw(self) -> None:
        """Bring the screen up to date; blocks that will not change any more are left behind."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        began = self.clock()
        self._draw_blocks(self.size().columns - 1)
        now = self.clock()
        self._again = now + _SHARE * (now - began)

    def _draw_blocks(self, width: int) -> None:
        *settled, last = _blocks(self._text) or [""]
        if settled:
            self._show([*laid_out("".join(settled), width, self.env), "", ""])
            self._text, self._lines = last, [""]
        self._show(laid_out(self._text, width, self.env) or [""])

    def _show(self, lines: list[str]) -> None:
        """Draw lines in the place of those on the screen, from the first that differs and can be reached."""
        old, self._lines = self._lines, lines
        if lines == old:
            return
        pairs = enumerate(zip(old, lines, strict=False))
        shorter = min(len(old), len(lines)) - 1
        first = next((number for number, (was, is_) in pairs if was != is_), shorter)
        first = min(max(first, len(old) - self.size().lines + 1), shorter)
        up = len(old) - 1 - first
        back = f"\x1b[{up}A\r" if up else "\r"
        self.out.draw(f"{_AT_ONCE}{back}\x1b[J" + "\n".join(lines[first:]) + _DRAWN)
