"""Each HTTP transport in turn, for every test of this folder that asks for `new_transport`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.register_assert_rewrite("tests.unit.conformance.asking")

from llmcli.transport.base import Transport  # noqa: E402, behind the line that makes its asserts speak
from tests.unit.conformance.asking import TRANSPORTS  # noqa: E402


@pytest.fixture(params=TRANSPORTS)
def new_transport(request) -> Callable[..., Transport]:
    return TRANSPORTS[request.param]
