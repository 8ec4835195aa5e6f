"""A Ray cluster of several nodes on this machine, for tests: prints its address, and obeys lines until stdin ends.

    python tests/ray_cluster.py [--nodes 2] [--cpus 2]

`kill` kills the newest node as a power cut would, `add` adds one, `workers` prints the pids of workers of batches.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE, Popen

QUIET = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_raylet_start_wait_time_s": "120",  # of a machine that is busy
}


class ClusterProcess:
    """That program, as a test drives it."""

    def __init__(self, child: Popen[str]) -> None:
        self.child = child
        self.address = self._line()

    def _line(self) -> str:
        assert self.child.stdout is not None
        return self.child.stdout.readline().strip()

    def tell(self, order: str) -> str:
        assert self.child.stdin is not None
        self.child.stdin.write(f"{order}\n")
        self.child.stdin.flush()
        return self._line()

    @property
    def workers(self) -> list[int]:
        return [int(pid) for pid in self.tell("workers").split()]

    @property
    def env(self) -> dict[str, str]:
        return {"RAY_ADDRESS": self.address, **QUIET}


@contextmanager
def cluster_of(nodes: int = 2, cpus: int = 2, **env: str) -> Iterator[ClusterProcess]:
    command = [sys.executable, str(Path(__file__)), f"--nodes={nodes}", f"--cpus={cpus}"]
    environment = {**os.environ, **QUIET, **env}
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=environment) as child:
        try:
            yield ClusterProcess(child)
        finally:
            assert child.stdin is not None
            child.stdin.close()


def descendants(ancestor: int) -> dict[int, str]:
    """The processes that a process began, or these, and their names."""
    parents: dict[int, tuple[int, str]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                name = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                parents[int(folder.name)] = int(fields[1]), name
    found = {ancestor: ""}
    while more := {
        pid: name for pid, (parent, name) in parents.items() if parent in found and pid not in found
    }:
        found |= more
    return found


def main() -> None:
    from ray.cluster_utils import Cluster

    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--cpus", type=int, default=2)
    args = parser.parse_args()
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what Ray prints is nobody's line
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})

    def add() -> object:
        return cluster.add_node(num_cpus=args.cpus, object_store_memory=100 << 20)

    nodes = [add() for _ in range(args.nodes)]
    cluster.wait_for_nodes()
    print(cluster.address, file=out)
    for order in sys.stdin:
        told = ""
        if order.strip() == "kill":
            cluster.remove_node(nodes.pop(), allow_graceful=False)
        elif order.strip() == "add":
            nodes.append(add())
        else:
            told = " ".join(
                str(pid) for pid, name in descendants(os.getpid()).items() if "ray::RayHost" in name
            )
        print(told, file=out)
    cluster.shutdown()


if __name__ == "__main__":
    main()
