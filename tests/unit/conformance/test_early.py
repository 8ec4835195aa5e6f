"""Servers that answer before they have read the request, and close: their answer counts."""

from __future__ import annotations

import pytest

from llmcli.errors import AuthFailure, LlmcliError, TransientFailure, UnfitModel
from tests import server as wire
from tests.unit.conformance.asking import WAYS, Fails, ask, assert_failed, request_to

LARGE = "x" * 5_000_000
STATUSES = {401: AuthFailure, 413: UnfitModel, 429: TransientFailure, 503: TransientFailure}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("status", "framing"), [*((each, "length") for each in STATUSES), (413, "chunked"), (413, "close")]
)
def test_an_answer_before_the_body_was_read_counts(server, new_transport, status, way, framing):
    answer = wire.status(status, headers={"x-request-id": "req_1"})
    server.script, server.early = wire.framed(answer, framing), True
    with pytest.raises(LlmcliError) as caught:
        ask(new_transport(), request_to(server.base_url, way, user=LARGE))
    expected = Fails(STATUSES[status], f"The server says {status}.", status, wire.reason(status))
    assert_failed(caught.value, expected)
