"""Found: which file a name behind `local/` means, and all models that are here: of packages and of LLMCLI_MODELS."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from llmcli.errors import UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.local.gguf import GgufHead, gguf_head

MODELS = "LLMCLI_MODELS"
"""The variable of folders and files, with what separates those in PATH between them."""

_ENDING = ".gguf"
_MOST_CONTEXT = 8192  # tokens of a slot, where nothing is said
_BOUNDS = {"ctx": (64, 10_000_000), "threads": (1, 512)}  # beyond which llama.cpp ends the process


@dataclass(frozen=True)
class LocalModel:
    """A model's file, the tokens of a slot's context and the threads that were asked for; None: what is usual."""

    path: Path
    context: int | None = None
    threads: int | None = None

    def context_of(self, own: int | None) -> int:
        """The tokens of a slot; `own`: what the model was trained with, beyond which llama.cpp gives none."""
        wanted = self.context or _MOST_CONTEXT
        return min(wanted, own or wanted)


def local_model(model: str, env: Mapping[str, str]) -> LocalModel:
    """What `FILE.gguf?ctx=8192&threads=4` behind `local/` means. Raises UsageError."""
    name, _, query = model.partition("?")
    said = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        least, most = _BOUNDS.get(key, (0, 0))
        if not most:
            raise UsageError(
                f"local/{model}: {key}={value} is not known", todo="ctx=TOKENS and threads=N are"
            )
        if not value.isdecimal() or len(value) > 12 or not least <= int(value) <= most:
            raise UsageError(f"local/{model}: {key} is a number from {least} to {most}, not {value!r}")
        said[key] = int(value)
    return LocalModel(_path(name, env), said.get("ctx"), said.get("threads"))


def read_model(model: str, env: Mapping[str, str]) -> tuple[LocalModel, GgufHead]:
    """The file of a model, and what its head says. Raises UsageError."""
    found = local_model(model, env)
    return found, gguf_head(found.path)


def _kinds(fields: Mapping[str, Any]) -> Iterator[str]:
    """The types of the parts of all messages."""
    messages = fields.get("messages")
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict):
                yield str(part.get("type", "text"))


def context_of(model: str, env: Mapping[str, str]) -> int:
    """The tokens that a conversation with a model may have. Raises UsageError."""
    found, head = read_model(model, env)
    return found.context_of(head.context)


def check_fields(model: str, head: GgufHead, fields: Mapping[str, Any]) -> None:
    """Raise UsageError where a request has tools, and the model's template no place for them, or more than text."""
    if kind := next((kind for kind in _kinds(fields) if kind not in {"text", "refusal"}), None):
        raise UsageError(
            f"local/{model} reads text alone, and the request has a part of type {kind}",
            todo="leave the attachment out, or choose a model that takes it",
        )
    if fields.get("tools") and not head.takes_tools:
        raise UsageError(
            f"local/{model} knows no tools: its chat template has no place for them",
            todo="choose a model that does, or leave --tools out",
        )


def _path(name: str, env: Mapping[str, str]) -> Path:
    path = Path(name)
    if name and path.is_file():
        return path
    if path.is_dir() and name:
        raise UsageError(f"local/{name} is a directory", todo=f"name a {_ENDING} file in it")
    same = [each for each in models_here(env) if name in {each.stem, each.name}]
    if not same:
        raise UsageError(
            f"there is no model local/{name}",
            todo="name a file (local/./model.gguf) or what llmcli models local/ lists",
        )
    return same[0]


def models_here(env: Mapping[str, str]) -> list[Path]:
    """The files of models in LLMCLI_MODELS and in installed packages, each name once: the first that has it."""
    found: dict[str, Path] = {}
    for path in [*_of_variable(env), *_of_packages()]:
        found.setdefault(path.stem, path)
    return list(found.values())


def _of_variable(env: Mapping[str, str]) -> Iterator[Path]:
    for place in (env.get(MODELS) or "").split(os.pathsep):
        path = Path(place)
        if not place:
            continue
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from sorted(each for each in path.rglob(f"*{_ENDING}") if each.is_file())


def _of_packages() -> Iterator[Path]:
    from importlib.metadata import distributions

    for package in distributions():
        record = package.read_text("RECORD") or ""
        if _ENDING not in record:
            continue
        for file in package.files or ():
            path = Path(str(package.locate_file(file)))
            if path.suffix == _ENDING and path.is_file():
                yield path


def local_models(env: Mapping[str, str], say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """What `llmcli models local/` tells of each model that is here; `say` tells what is wrong with another file."""
    for path in models_here(env):
        try:
            head = gguf_head(path)
        except UsageError as error:
            say(error.what)
            continue
        knows = {"function_calling": head.takes_tools, "system_messages": head.takes_system}
        yield {
            "id": f"local/{path.stem}",
            "provider": "local",
            "model": path.stem,
            "context_window": head.context,
            "max_output_tokens": head.context,
            "price": {"input": 0.0, "output": 0.0, "cached": None},
            "supports": sorted(["response_schema", *(name for name, known in knows.items() if known)]),
            "lacks": sorted(name for name, known in knows.items() if not known),
            "shutdown_date": None,
            "file": str(path),
            "bytes": head.size,
            "quantisation": head.quantisation,
        }
