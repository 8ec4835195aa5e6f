"""Memory: whether a model can be held here, asked before llama.cpp is, which would be killed, and we with it."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from llmcli.errors import BadCommand

_OF_GROUP = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_OWN = 600_000_000  # bytes of addresses that the program and its libraries take, without a model


def check_memory(path: Path, weights: int, conversations: int) -> None:
    """Raise BadCommand where the weights of a file, or these and what conversations need, are too much, in bytes."""
    there = min(_bounds())
    if weights > there:
        raise BadCommand(
            f"{path} has {_size(weights)} of weights, this machine {_size(there)} of memory",
            todo="choose a smaller file",
        )
    if weights + conversations > there:
        raise BadCommand(
            f"{path} and its conversations need {_size(weights + conversations)}, this machine has {_size(there)}",
            todo="choose a shorter context (?ctx=2048), or fewer at once (-j)",
        )


def _bounds() -> Iterator[int]:
    """What each bound of this process leaves for a model, in bytes."""
    yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in _OF_GROUP:
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            yield int(text)
    addresses, _ = resource.getrlimit(resource.RLIMIT_AS)
    if addresses != resource.RLIM_INFINITY:
        yield max(addresses - _OWN, 0)


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"
