"""A client's call, and a line of JSON on what came of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

PART = os.environ["PART"]  # what is served: see tests/bench/served_clients.py
SHOWN = {
    "works": {"answer", "stream", "tools", "structured"},
    "limited": {"429"},
    "broken": {"broken"},
    "slow": {"cancel"},
}
WORDS = {"429": "fails this attempt on purpose", "broken": "the connection broke"}  # that come through
HI = "hello there"


class City(BaseModel):
    name: str
    people: int


def weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


def case(client: str, api: str, name: str, wanted: Any = None) -> Callable[[Callable[[], Any]], None]:
    """Make a client's call, where it belongs to what is served; `wanted` is what it gives, a type or a value.

    429 and `broken` have to raise, the first of them after it has waited as it was told to. `cancel` may.
    """

    def run(call: Callable[[], Any]) -> None:
        if name not in SHOWN[PART]:
            return
        started = time.monotonic()
        try:
            came = call()
            good = name not in WORDS
            if wanted is not None:
                good = good and (isinstance(came, wanted) if isinstance(wanted, type) else came == wanted)
        except TimeoutError as error:
            came, good = repr(error), name == "cancel"
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            came = f"{type(error).__name__}: {error}"
            good = name in WORDS and WORDS[name] in came
        took = time.monotonic() - started
        good = good and (name != "429" or took >= 1) and took < 30
        line = {"client": client, "api": api, "case": name, "ok": good, "took": round(took, 2)}
        print(json.dumps({**line, "came": str(came)[:200]}), flush=True)

    return run
