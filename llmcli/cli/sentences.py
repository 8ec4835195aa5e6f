"""What help says in few words: what each command is for, without its module being run, and an option in a line."""

from __future__ import annotations

import importlib.util
from types import CodeType

from llmcli.lean.pattern import lazy_pattern

_LINE = 47  # characters of a help text beside the longest names
_STOP = lazy_pattern(r"[;:,] | \(")
_BOUNDS = lazy_pattern(r"  \[[^\]]*x[^\]]*\]$")  # of a number, as typer shows them


def first_sentence(name: str) -> str:
    """What a command's story is there for. Its module is not run for that: all of them would take 0.2 s."""
    module = f"llmcli.commands.{name}"
    spec = importlib.util.find_spec(module)
    code: CodeType | None = spec.loader.get_code(module) if spec and spec.loader else None  # type: ignore[attr-defined]
    stories = [
        part
        for part in (code.co_consts if code else ())
        if isinstance(part, CodeType) and part.co_name == name
    ]
    doc = stories[0].co_consts[0] if stories else None  # where Python has a function's docstring
    return f"{' '.join(doc.split()).partition('. ')[0].rstrip('.')}." if isinstance(doc, str) else ""


def in_a_line(names: str, text: str) -> tuple[str, str]:
    """An option whose help has no more than one line: what can be said in that, up to a stop of the text."""
    text = _BOUNDS.sub("", text)
    begins = [text[: stop.start()] for stop in _STOP.finditer(text) if stop.start() < _LINE]
    whole = [begin for begin in begins if begin.count("'") % 2 == 0 and begin.count("(") == begin.count(")")]
    return names, text if len(text) <= _LINE or not whole else f"{whole[-1]}."
