"""The runner: what ends the work that it drives, also at the last moment."""

from __future__ import annotations

import os
import signal

import pytest

from llmcli.errors import Terminated
from llmcli.loop.runner import drive
from llmcli.loop.watch import Watch
from llmcli.world import World


@pytest.mark.parametrize("fast", [False, True])
def test_a_sigterm_that_comes_as_the_work_ends_is_not_lost(fast):
    async def work() -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        return "done"

    with pytest.raises(Terminated):
        drive(World(None, None, None, {}), Watch(), work(), fast=fast)
