"""The guide: what users read, one Markdown file a subject, and the order of the pages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from llmcli.lean.pattern import lazy_pattern

PARTS = {
    "One answer": ("ask", "prompt", "attachments", "templates", "models", "parameters", "output"),
    "More than text": ("schemas", "labels", "tools", "mcp"),
    "Many answers": (
        "batch",
        "input",
        "rows",
        "tables",
        "records",
        "resuming",
        "pace",
        "report",
        "via-batch",
        "machines",
        "recipes",
    ),
    "Conversations": ("chat", "sessions", "context"),
    "What it costs": ("usage", "budgets", "count"),
    "When things fail": (
        "network",
        "servers",
        "local",
        "responses",
        "fallback",
        "cache",
        "rehearsing",
        "serve",
        "exits",
    ),
    "The program": ("options", "config", "doctor", "completion", "help", "choices", "limits", "changes"),
}
TOPICS = tuple(topic for part in PARTS.values() for topic in part)

EXAMPLES = 4  # that `--help` shows of a page

_WIDTH = max(map(len, TOPICS))
_COMMENT = lazy_pattern(r"^(<!-- .* -->|!\[.*\]\(.*\))\n", re.MULTILINE)  # and pictures
_TYPED = lazy_pattern(r"^```sh\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_LINK = lazy_pattern(r"\[([^\]]+)\]\(([\w-]+)\.md(?:#[\w-]+)?\)")


def path_of(topic: str) -> Path:
    """The file of a topic of TOPICS."""
    return Path(__file__).with_name(f"{topic}.md")


@cache
def source(topic: str) -> str:
    """A page as it stands in its file: Markdown that begins with a title and, after a blank line, a summary."""
    return path_of(topic).read_text("utf-8")


def page(topic: str) -> str:
    """A page for the terminal: a link says which page it leads to, and comments for tools and pictures are left out."""
    return _LINK.sub(r"\1 (llmcli help \2)", _COMMENT.sub("", source(topic)))


def examples(topic: str) -> list[str]:
    """The commands that a page begins with, none longer than a line of `--help`; none where it has no such block."""
    found = _TYPED.search(source(topic)) if topic in TOPICS else None
    return found[1].splitlines()[:EXAMPLES] if found else []


def contents() -> str:
    """All topics by part, each with its summary."""
    return "\n".join(["llmcli help TOPIC prints a page of the guide.", *_lines(), ""])


def _lines() -> Iterator[str]:
    for part, topics in PARTS.items():
        yield f"\n{part}:"
        yield from (f"  {topic.ljust(_WIDTH)}  {topic_summary(topic)}" for topic in topics)


def topic_summary(topic: str) -> str:
    """The one line that says what a page is about."""
    return source(topic).split("\n", 3)[2]


def nearest(word: str) -> str | None:
    """The topic that is spelled like a word, else the one whose page has the word most often; None without either."""
    close = difflib.get_close_matches(word, TOPICS, n=1)
    if close or not word:
        return next(iter(close), None)
    whole = re.compile(rf"(?<!\w){re.escape(word)}(?![\w-])", re.IGNORECASE)
    times = {topic: len(whole.findall(source(topic))) for topic in TOPICS if topic != "changes"}
    best = max(times, key=lambda topic: times[topic])
    return best if times[best] else None
