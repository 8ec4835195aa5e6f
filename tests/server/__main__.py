"""Serve until killed: `python -m tests.server --port 0` prints the base URL."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading

from tests.server.choosing import limited
from tests.server.exchanged import Scenario
from tests.server.friendly import echo, ok
from tests.server.misbehaviour import delayed
from tests.server.serving import Server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--text", help="the answer, instead of an echo")
    parser.add_argument("--rps", type=float, help="answer 429 above so many requests a second")
    parser.add_argument("--burst", type=int, default=1)
    options = parser.parse_args()
    scenario: Scenario = echo if options.text is None else ok(options.text)
    scenario = delayed(scenario, options.delay) if options.delay else scenario
    scenario = limited(options.rps, options.burst, scenario) if options.rps else scenario
    with Server(port=options.port, record=False) as server, contextlib.suppress(KeyboardInterrupt):
        server.script = scenario
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
