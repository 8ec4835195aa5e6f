"""What Ray raises for a worker that is gone, whatever it was that took it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from llmcli.batch.cluster.messages import Orders, WorkerLost
from llmcli.batch.cluster.ray_crew import RayHost, RayWorker
from llmcli.errors import TransientFailure
from tests.conftest import part

part("ray")


def told(error: Exception) -> None:
    """A turn of an actor whose call comes to that."""

    async def remote(_parcel: bytes) -> bytes:
        raise error

    worker = RayWorker(SimpleNamespace(turn=SimpleNamespace(remote=remote)), "worker 1")
    asyncio.run(worker.turn(Orders()))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("WorkerCrashed", ()),
        ("OutOfMemory", ("gone",)),
        ("NodeDied", ("gone",)),
        ("ActorUnavailable", ("gone", None)),
        ("OutOfDisk", ()),
    ],
)
def test_a_worker_that_ray_took_is_lost_and_no_traceback(name, arguments):
    from ray import exceptions

    with pytest.raises(WorkerLost, match=f"^{name}$"):
        told(getattr(exceptions, f"{name}Error")(*arguments))


def test_an_error_of_ours_travels_and_a_bug_is_one():
    from ray import exceptions

    def failed(cause: Exception) -> Exception:
        return exceptions.RayTaskError("turn", "traceback", cause)

    with pytest.raises(TransientFailure, match="it rains"):
        told(failed(TransientFailure("it rains")))
    with pytest.raises(exceptions.RayTaskError):
        told(failed(KeyError("a bug")))


def test_a_worker_is_no_actor_that_ray_runs_in_a_loop_of_its_own():
    from ray._private.async_compat import has_async_methods

    assert not has_async_methods(RayHost)
