"""Waiting for what another process or thread does: for the moment itself, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST = 120.0  # seconds, after which it is a fault
GLANCE = 0.001  # seconds between two looks: whom one waits for may want the core


def until(happened: Callable[[], object]) -> None:
    """Return when it has happened. Raises TimeoutError."""
    latest = time.monotonic() + LONGEST
    while not happened():
        if time.monotonic() > latest:
            raise TimeoutError(f"it did not happen within {LONGEST:.0f} s")
        time.sleep(GLANCE)
