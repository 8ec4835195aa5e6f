"""A campaign of SIGKILLs on `batch --via batch`: each row once, none paid twice, nothing left at the provider.

    python tests/bench/away_kills.py [--runs 20] [--kills 10] [--base-url URL]

Without an address the provider is ours, which lags, loses answers and lets batches expire, and counts what it is paid
for. Any other server (llmock of PyPI: `llmock serve`, `--base-url http://127.0.0.1:8000/v1`) is a second opinion.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.server.batch_provider import BatchDoor, FakeBatches, Script

ROWS, MODELS = 120, 3
ENDS = ["completed", "completed", "expired", "cancelled"]


def script(dice: random.Random) -> Script:
    ends = [dice.choice(ENDS) for _ in range(4)]
    lose = {what: set(dice.sample(range(6), 2)) for what in ("create", "upload", "batch")}
    refuse = {"create": {dice.randrange(5): 503}, "content": {dice.randrange(3): 500}}
    return Script(ends=[*ends, "completed"], dwell=0.2, lose=lose, refuse=refuse, share=dice.random())


@contextlib.contextmanager
def address(base_url: str | None, dice: random.Random) -> Iterator[tuple[str, FakeBatches | None]]:
    if base_url is not None:
        yield base_url, None
        return
    provider = FakeBatches(time.time, script(dice))
    with BatchDoor(provider) as door:
        yield door.base_url, provider


def campaign(home: Path, base: str, provider: FakeBatches | None, kills: int, dice: random.Random) -> None:
    rows = [{"prompt": f"row {n}", "custom_id": f"c{n}", "model": f"gpt-{n % MODELS}"} for n in range(ROWS)]
    (home / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [
        sys.executable,
        "-m",
        "llmcli",
        "batch",
        "-q",
        str(home / "rows.jsonl"),
        "-O",
        str(home / "out.jsonl"),
    ]
    command += ["--via", "batch", "--base-url", base, "-m", "tiny", "--poll", "0.1"]
    env = {**os.environ, "OPENAI_API_KEY": "sk-campaign-key"}
    for _ in range(kills):
        with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as child:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=dice.uniform(0.3, 3.0))
            child.kill()
    for _ in range(20):
        done = subprocess.run(command, env=env, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stderr.decode()
    found = [json.loads(line)["custom_id"] for line in (home / "out.jsonl").read_bytes().splitlines()]
    assert sorted(found) == sorted(f"c{n}" for n in range(ROWS)), "a row is not there once"
    assert not (home / "out.batches.jsonl").exists()
    if provider is not None:
        assert provider.billed <= ROWS + provider.unfinished, (provider.billed, provider.unfinished)
        assert not provider.left, ([file["name"] for file in provider.files.values()], provider.batches)
        print(
            f"{provider.created} batches, {provider.billed} rows billed, {provider.unfinished} of batches cut short"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--base-url")
    options = parser.parse_args()
    for run in range(options.runs):
        dice = random.Random(options.seed + run)
        with tempfile.TemporaryDirectory() as home, address(options.base_url, dice) as (base, provider):
            campaign(Path(home), base, provider, options.kills, dice)
    print(f"{options.runs * options.kills} kills, each row once")


if __name__ == "__main__":
    main()
