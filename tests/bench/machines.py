"""What it costs that several runs use one limit: alone, side by side, and with `--share`.

    python tests/bench/machines.py [--runs 4] [--rows 12000] [--rps 600]
    python tests/bench/machines.py --ray speed [--rows 600000]    # a cluster beside one process
    python tests/bench/machines.py --ray kills [--kills 20]       # each row exactly once, whatever is killed
    python tests/bench/machines.py --store [--rows 1000000]       # parts and their merge, in a directory and on a store

prints, for each way, how much of the limit was used while all ran, and the share of 429s.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

CHEAP = Path(__file__).with_name("cheap.py")


def stats_of(base_url: str) -> dict[str, float]:
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/stats") as reply:  # noqa: S310 - loopback
        return dict(json.load(reply))


def measured(home: Path, rps: float, runs: int, rows: int, *more: str) -> tuple[float, float]:
    """(share of the limit that was used, share of 429s) of some runs side by side."""
    with subprocess.Popen(
        [sys.executable, CHEAP, "--rps", str(rps)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        base_url = server.stdout.readline().strip()
        for run in range(runs):
            lines = (json.dumps({"prompt": f"{run} {row}"}) + "\n" for row in range(rows // runs))
            (home / f"rows{run}.jsonl").write_text("".join(lines))
        command = [sys.executable, "-m", "llmcli", "batch", "-q", "--base-url", base_url, "-m", "tiny", *more]
        started = [
            subprocess.Popen([*command, f"rows{run}.jsonl", "-O", f"out{run}.jsonl", "--fresh"], cwd=home)
            for run in range(runs)
        ]
        for each in started:
            assert each.wait() == 0
        told = stats_of(base_url)
        server.terminate()
    answered = told["requests"] - told["refused"]
    return answered / told["seconds"] / rps, told["refused"] / told["requests"]


def on_ray(home: Path, args: argparse.Namespace) -> None:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.bench.on_ray import kills, speed

    if args.ray == "speed":
        speed(home, args.rows, args.runs)
    else:
        kills(home, args.rows, args.kills, args.kinds.split(","))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--rows", type=int, default=12_000)
    parser.add_argument("--rps", type=float, default=600.0)
    parser.add_argument("--ray", choices=["speed", "kills"])
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--kinds", default="worker,driver,node,stopped", help="of kills")
    args = parser.parse_args()
    if args.ray is not None:
        with tempfile.TemporaryDirectory() as directory:
            on_ray(Path(directory), args)
        return
    if args.store:
        sys.path.insert(0, str(Path(__file__).parents[2]))
        from tests.bench.on_store import stored

        with tempfile.TemporaryDirectory() as directory:
            stored(Path(directory), args.rows)
        return
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        ways = {
            "one run": (1, ()),
            f"{args.runs} runs": (args.runs, ()),
            f"{args.runs} runs, --share": (args.runs, ("--share", "limit")),
        }
        for name, (runs, more) in ways.items():
            used, refused = measured(home, args.rps, runs, args.rows, *more)
            print(f"{name:20} {used:6.1%} of the limit, {refused:6.2%} refused", flush=True)


if __name__ == "__main__":
    main()
