"""Workers on a Ray cluster, or on one that is begun on this machine; the only module that knows Ray."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from llmcli import __version__, files
from llmcli.batch.cluster.cluster_terms import INSTALL
from llmcli.batch.cluster.messages import (
    Orders,
    WorkerLost,
    WorkReport,
    packed_orders,
    packed_report,
    unpacked_orders,
    unpacked_report,
)
from llmcli.errors import LlmcliError, TransientFailure, UsageError, one_line
from llmcli.files.folders import own_folder, remove_folder
from llmcli.lean.garbage import keep_what_is_there
from llmcli.loop.aside import Aside
from llmcli.world import World, cores

if TYPE_CHECKING:
    from pathlib import Path

    from llmcli.batch.cluster.worker import Worker

_FOLDER = "llmcli-ray-"  # begins the name of a folder for the sockets and logs of a cluster
_UNMADE = "creation task"  # in what Ray says of an actor that could not be made
_CONNECT = 10.0  # seconds
_MEMORY = 128 << 20  # bytes of shared memory for a cluster of this machine: orders and reports are small
_INLINE = {"RAY_max_direct_call_object_size": str(8 << 20)}
"""Orders and reports of up to so many bytes go from process to process, not by way of shared memory.

From 100 kB on Ray has them go that way, which costs a tenth of what a row costs.
"""
_ACTOR: dict[str, Any] = {
    "num_cpus": 1,
    "max_restarts": 0,
    "scheduling_strategy": "SPREAD",
    "enable_task_events": False,  # Ray keeps a few of every call
    "runtime_env": {"env_vars": _INLINE},
}
_QUIET = {
    **_INLINE,
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody of how Ray is used
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the other way is warned of
}
_ALONE = {
    "RAY_AUTH_MODE": "token",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_raylet_start_wait_time_s": "120",  # of a machine that is busy
}


class RayWorker:
    """A worker that is an actor."""

    def __init__(self, actor: Any, name: str) -> None:
        self.name = name
        self._actor = actor

    async def turn(self, orders: Orders) -> WorkReport:
        """See RemoteWorker."""
        from ray import exceptions

        try:
            parcel: bytes = await self._actor.turn.remote(packed_orders(orders))
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, LlmcliError):
                raise error.cause from None
            raise
        except (
            exceptions.RayError
        ) as error:  # there are a dozen, such as for a machine that is short of memory
            raise _lost(error) from None
        return unpacked_report(parcel)

    def dismiss(self) -> None:
        """See RemoteWorker."""
        import ray

        with suppress(Exception):  # the cluster may be gone
            ray.kill(self._actor)


class RayCrew:
    """Workers that have a recipe, as `Recipe.packed` gives it. `size`: so many at a time."""

    def __init__(self, size: int, recipe: tuple[str, bytes]) -> None:
        self.size = size
        self._recipe = recipe
        self._hired = 0

    def hire(self) -> RayWorker:
        """See Crew."""
        import ray

        self._hired += 1
        kind = ray.remote(**_ACTOR)(RayHost)
        return RayWorker(kind.remote(*self._recipe), f"worker {self._hired}")


class RayHost:
    """What runs in an actor: a worker, made when it is first needed, in a loop beside the actor's thread.

    With one method that is a coroutine, Ray would run all of them in threads and a loop of its own, which cost more.
    """

    def __init__(self, version: str, packed: bytes) -> None:
        self._recipe = version, packed
        self._aside = Aside("llmcli-worker", fast=True)

    def turn(self, orders: bytes) -> bytes:
        """A turn of a RemoteWorker, in parcels. Raises UsageError where it cannot be a worker of this batch."""
        return self._aside.begin(_turn(self, orders)).result()

    @cached_property
    def worker(self) -> Worker:
        """The worker, made in the loop that it runs in."""
        from llmcli.batch.cluster.recipe import worker_of

        worker = worker_of(*self._recipe, World(None, None, None, os.environ))
        keep_what_is_there()
        return worker


async def _turn(host: RayHost, orders: bytes) -> bytes:
    return packed_report(await host.worker.turn(unpacked_orders(orders)))


@contextmanager
def cluster(address: str | None, workers: int | None) -> Iterator[int]:
    """Be connected to a cluster; how many workers there are to be. `address` None: one is begun here.

    Raises TransientFailure.
    """
    os.environ.update(_QUIET)  # which Ray reads where it is imported
    if not address:  # who can reach a cluster can run code in it, but for a token, which is nobody else's
        os.environ.update(_ALONE, RAY_AUTH_TOKEN=secrets.token_hex(32))
    folder = None if address else own_folder(_FOLDER)
    try:
        with _silenced():
            import ray

            try:
                yield _joined(ray, address, workers) if address else _begun(ray, workers or cores(), folder)
            finally:
                ray.shutdown()
    finally:
        if folder is not None:
            remove_folder(folder)


@contextmanager
def _silenced() -> Iterator[None]:
    """Have nothing of what Ray says come out here: it prints on stdout what it logs of a worker that died."""
    with ExitStack() as stack:
        nowhere = stack.enter_context(files.nowhere())
        stack.enter_context(redirect_stdout(nowhere))
        stack.enter_context(redirect_stderr(nowhere))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        yield


def _begun(ray: Any, workers: int, folder: Path | None) -> int:
    """Begin a cluster of this machine alone, that nobody else is told of. Raises TransientFailure."""
    try:
        _init(
            ray,
            address="local",
            num_cpus=2 * workers,  # one that says nothing keeps its place
            num_gpus=0,
            object_store_memory=_MEMORY,
            include_dashboard=False,
            _temp_dir=str(folder),
        )
    except LlmcliError:
        raise
    except Exception as error:  # noqa: BLE001 - Ray raises bare ones where a machine is too busy, or full
        what = f"no Ray cluster could be begun here: {one_line(str(error))[:200]}"
        raise TransientFailure(what, todo="try again later") from None
    return workers


def _init(ray: Any, **options: Any) -> None:
    """Connect. What Ray's core says in the meantime goes past sys.stderr."""
    kept, handler = os.dup(2), signal.getsignal(signal.SIGTERM)
    try:
        os.dup2(sys.stderr.fileno(), 2)  # which is nowhere: see _silenced
        ray.init(log_to_driver=False, configure_logging=False, **options)
        keep_what_is_there()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        with suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGTERM, handler)  # Ray has its own


def _joined(ray: Any, address: str, workers: int | None) -> int:
    """Join a cluster. Raises TransientFailure where nobody answers."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        if port.isdigit():  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), _CONNECT).close()
        _init(ray, address=address)
    except (OSError, RuntimeError, ValueError) as error:
        what = f"no Ray cluster answers: {one_line(str(error))[:200]}"
        raise TransientFailure(what, f"RAY_ADDRESS={address}", "see ray status") from None
    if workers is not None:
        return workers
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    if len(nodes) != 1:
        return max(1, len(nodes))
    return max(1, int(nodes[0]["Resources"]["CPU"]))


def _lost(error: Exception) -> Exception:
    """What a worker's death comes to: another one takes its place, unless none could run there."""
    if _UNMADE not in str(error):
        return WorkerLost(type(error).__name__.removesuffix("Error"))
    last = str(error).strip().splitlines()[-1]
    what = f"workers cannot run llmcli {__version__}: {last}"
    return UsageError(what, todo=f"install it on all machines of the cluster: {INSTALL}")
