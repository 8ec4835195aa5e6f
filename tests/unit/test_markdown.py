"""Markdown at a terminal: what a person sees of an answer while it comes and when it is whole."""

from __future__ import annotations

import io
import os
import re

import pyte
import pytest

from llmcli.output.markdown import MarkdownOut, laid_out
from llmcli.output.streams import Stdout

ANSWER = """\
# A title

Some *words* and `code`, long enough that they do not fit a line of forty columns.

1. one
2. two, with a [link](https://example.com/x)
   * inner

| a | b |
|---|---|
| 1 | a wider cell |

```python
def f():
    return 1
```

Last words."""
SEEN = [
    "A title",
    "",
    "Some words and code, long enough that",
    "they do not fit a line of forty columns.",
]
ESCAPE = re.compile(r"\x1b(\[[?\d;]*[A-Za-z])?")


class Screen:
    """A terminal, and the answer that is drawn on it in pieces."""

    def __init__(self, columns: int = 41, lines: int = 60) -> None:
        self.bytes, self.fed = io.BytesIO(), 0
        size = os.terminal_size((columns, lines))
        self.out = MarkdownOut(
            Stdout(self.bytes, True), {"TERM": "xterm"}, lambda: size, lambda: 0.0, NotImplemented
        )
        self.screen = pyte.HistoryScreen(columns, lines, history=1000)
        self.screen.set_mode(pyte.modes.LNM)  # as a terminal driver does: a newline goes to the first column

    def show(self, answer: str, piece: int = 10_000) -> list[str]:
        for start in range(0, len(answer), piece):
            self.out.write(answer[start : start + piece])
        self.out.write("", b"\n")
        pyte.Stream(self.screen).feed(self.bytes.getvalue()[self.fed :].decode())
        self.fed = len(self.bytes.getvalue())
        above = ["".join(line[x].data for x in range(41)).rstrip() for line in self.screen.history.top]
        return above + [line.rstrip() for line in self.screen.display]


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_an_answer_that_comes_in_pieces_ends_as_one_that_came_whole(piece):
    shown = Screen().show(ANSWER, piece)
    assert shown == Screen().show(ANSWER)
    assert shown[:4] == SEEN
    text = "\n".join(shown).rstrip()
    assert "2 two, with a link" in text
    assert "(https://example.com/x)" in text
    assert "a wider cell" in text
    assert "def f():" in text
    assert text.endswith("\n\nLast words.")
    assert not set("#*`|") & set(text)


@pytest.mark.parametrize("piece", [11, 40])
def test_an_answer_that_is_longer_than_the_screen_is_there_once(piece):
    answer = "\n".join(f"* item {number}" for number in range(100))
    shown = [line for line in Screen(lines=10).show(answer, piece) if line]
    assert shown == [f" • item {number}" for number in range(100)]


def test_what_is_drawn_and_did_not_change_is_not_drawn_again():
    screen = Screen()
    for number in range(50):
        screen.out.write(f"word{number} ")
    assert b"A\r" not in screen.bytes.getvalue()  # never up: each time, the last line alone
    assert screen.bytes.getvalue().count(b"word0 ") < 7


def test_two_answers_stand_one_below_the_other():
    screen = Screen()
    screen.show("*one*")
    assert screen.show("two")[:2] == ["one", "two"]


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[2J\x1b]0;owned\x07 plain",
        "`\x1b[31m` code",
        "&#27;[31m entity &#x9b;1m",
        "[click](https://x.example/\x1b[31m)",
        "```\n\x1b[31m\n```",
        "<b>\x1b[31m</b>\n\n<script>\x9b2J</script>",
        "| \x1b[31m |\n|---|\n| &#27;]52;c;eA== |",
        "# \x1b[5m",
        "bidi \u202e text",
    ],
)
def test_no_escape_sequence_of_a_model_reaches_the_screen(text):
    for piece in (1, 1000):
        screen = Screen()
        screen.show(text, piece)
        sent = screen.bytes.getvalue().decode()
        for allowed in (r"\x1b\[\?2026[hl]", r"\x1b\[\d*A", r"\x1b\[J", r"\x1b\[[\d;]*m(?!\x1b\[31m)"):
            sent = re.sub(allowed, "", sent)
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", sent)


def test_html_is_text():
    assert laid_out("<think>\nhm\n</think>\n\n<b>x</b>", 40, {}) == ["<think> hm </think>", "", "<b>x</b>"]


def test_without_colours_there_are_none():
    text = "\n".join(laid_out(ANSWER, 40, {"TERM": "xterm-256color", "NO_COLOR": "1"}))
    assert not re.search(r"\x1b\[(?:\d+;)*(?:3|4|9|10)\d[;m]", text)
