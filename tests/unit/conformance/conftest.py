"""Each HTTP transport in turn, for every test of this folder that asks for `new_transport`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llmcli.transport.base import Transport
from tests.unit.conformance.asking import TRANSPORTS


@pytest.fixture(params=TRANSPORTS)
def new_transport(request) -> Callable[..., Transport]:
    return TRANSPORTS[request.param]
