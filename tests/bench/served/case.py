"""A client's call, and a line on what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def case(name: str) -> Callable[[Callable[[], Any]], None]:
    """Run a client's call, and say in a line what came."""

    def run(call: Callable[[], Any]) -> None:
        try:
            print(name, "ok", call())
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            print(name, "FAILED", type(error).__name__, str(error)[:200])

    return run
