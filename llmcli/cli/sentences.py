"""What each command is there for, in a sentence, without its module being run."""

from __future__ import annotations

import importlib.util
from types import CodeType


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
