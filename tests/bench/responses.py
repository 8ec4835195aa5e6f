"""What `ask --api responses` costs beside `ask`, on a stream of 2,000 chunks: the same words from a loopback server.

    python tests/bench/responses.py [--chunks 2000] [--rounds 9]

Process CPU of the whole command, in seconds, interleaved; medians and their ratio, which is to be at most 1.1.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys

from tests import server as wire

COMMAND = (sys.executable, "-m", "llmcli", "ask", "-m", "tiny", "Hi")


def cpu(base_url: str, *more: str) -> float:
    """CPU seconds of one command."""
    env = {**os.environ, "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "sk-bench-0123456789"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [*COMMAND, *more], env=env, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    with wire.Server() as server:
        server.script = wire.ok(" word" * asked.chunks, size=5)
        chat, other = [], []
        for _ in range(asked.rounds):
            chat.append(cpu(server.base_url))
            other.append(cpu(server.base_url, "--api", "responses"))
    one, two = statistics.median(chat), statistics.median(other)
    print(f"{asked.chunks:,} chunks: ask {one:.3f} s, ask --api responses {two:.3f} s, {two / one:.3f} times")


if __name__ == "__main__":
    main()
