"""Statuses, error bodies, spent quotas and times to wait: one error of ours for each, from every transport."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from llmcli.errors import (
    AuthFailure,
    QuotaExhausted,
    Rejected,
    TransientFailure,
    UnfitModel,
)
from tests import server as wire
from tests.server import ERROR_BODIES, ok
from tests.unit.conformance.asking import (
    WAYS,
    Fails,
    Row,
    ask,
    becomes,
    cases,
    request_to,
)


def statuses() -> Iterator[Row]:
    kinds = {
        Rejected: [400, 418, 422, 425, 451],
        UnfitModel: [404, 413],
        AuthFailure: [401, 403],
        QuotaExhausted: [402],
        TransientFailure: [408, 409, 429, 500, 502, 503, 504, 529],
    }
    for kind, codes in kinds.items():
        for code in codes:
            expected = Fails(kind, f"The server says {code}.", code, wire.reason(code))
            yield Row(f"status {code}", wire.status(code), expected)
    for code in (301, 302, 303, 307, 308):
        expected = Fails(Rejected, "the address has moved: give the new one with --base-url", code)
        yield Row(f"redirect {code}", wire.redirect(code, "/v1/chat/completions"), expected)
    yield Row("304", wire.reply(b"", 304), Fails(Rejected, "answered 304 and said nothing", 304))


ERROR_WORDS: dict[str, tuple[str | None, str]] = {
    "object": ("some_code", "It went wrong."),
    "code is an int": ("500", "It went wrong."),
    "message only": (None, "It went wrong."),
    "message is null": (None, 'with {"error":{"message":null,"type":null,"code":null}}'),
    "string": (None, "It went wrong."),
    "list": ("400", "It went wrong."),
    "detail": (None, "It went wrong."),
    "detail list": (None, "It went wrong."),
    "flat": ("400", "It went wrong."),
    "html": (None, "It went wrong. (HTTP"),
    "text": (None, "It went wrong."),
    "empty": (None, "and said nothing"),
    "empty JSON": (None, "and said nothing"),
    "broken JSON": (None, '{"error": {"message": "It went wro'),
    "null": (None, "null"),
    "number": (None, "17"),
    "not UTF-8": (None, "It went \N{REPLACEMENT CHARACTER} wrong."),
}


def error_bodies() -> Iterator[Row]:
    for name, (code, says) in ERROR_WORDS.items():
        for status, kind in ((400, Rejected), (500, TransientFailure)):
            yield Row(
                f"{status}, body: {name}",
                wire.status(status, ERROR_BODIES[name]),
                Fails(kind, says, status, code),
            )
    nothing = 'the endpoint answered 500 with {"error":{"type":["x"]}}'
    yield Row(
        "500, an odd type",
        wire.status(500, {"error": {"type": ["x"]}}),
        Fails(TransientFailure, nothing, 500),
    )
    deep = b"[" * 100_000
    yield Row("500, JSON without end", wire.status(500, deep), Fails(TransientFailure, "[[[[", 500))
    unread = {
        "cut": wire.cut(wire.status(500), 9),
        "reset": wire.cut(wire.status(500), 9, "reset"),
        "no gzip": wire.gzipped(wire.status(500), broken=True),
    }
    for name, scenario in unread.items():
        yield Row(f"500, an error body: {name}", scenario, Fails(TransientFailure, "(HTTP 500, ", 500))
    broken_401 = wire.cut(wire.status(401), 9)
    yield Row("401, an error body cut", broken_401, Fails(AuthFailure, "(HTTP 401, ", 401))
    yield Row(
        "500, an error body that stalls",
        wire.stall(wire.status(500), 9),
        Fails(TransientFailure, "no answer within 0.2 s", request_id=None),
        timeout=0.2,
    )


def quotas() -> Iterator[Row]:
    quota = "insufficient_quota"
    exceeded = "You exceeded your current quota."
    yield Row("429 insufficient_quota", wire.quota(), Fails(QuotaExhausted, exceeded, 429, quota))
    for name, error in {
        "type only": {"message": exceeded, "type": quota},
        "type, null code": {"message": exceeded, "type": quota, "code": None},
        "type, int code": {"message": exceeded, "type": quota, "code": 429},
        "code only": {"message": exceeded, "code": quota},
    }.items():
        expected = Fails(QuotaExhausted, exceeded, 429, quota)
        yield Row(f"quota: {name}", wire.status(429, {"error": error}), expected)
        yield Row(
            f"quota in a 200 body: {name}", ok(error=error), Fails(QuotaExhausted, exceeded, 200, quota)
        )


def retry_afters() -> Iterator[Row]:
    past = formatdate(0, usegmt=True)
    for name, headers, seconds in [
        ("seconds", {"retry-after": "7"}, 7.0),
        ("a float", {"retry-after": "0.25"}, 0.25),
        ("0", {"retry-after": "0"}, 0.0),
        ("negative", {"retry-after": "-3"}, 0.0),
        ("a past date", {"retry-after": past}, 0.0),
        ("garbage", {"retry-after": "soon"}, None),
        ("empty", {"retry-after": ""}, None),
        ("nan", {"retry-after": "nan"}, None),
        ("infinite", {"retry-after": "inf"}, None),
        ("a year beyond", {"retry-after": "Fri, 01 Jan 99999999999999999999 00:00:00 GMT"}, None),
        ("milliseconds", {"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ("garbage ms", {"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ("infinite ms", {"retry-after-ms": "inf", "retry-after": "9"}, 9.0),
        ("nan ms", {"retry-after-ms": "nan", "retry-after": "9"}, 9.0),
    ]:
        expected = Fails(TransientFailure, "The server says 429.", 429, "Too Many Requests", seconds)
        yield Row(f"retry-after: {name}", wire.status(429, headers=headers), expected)


ROWS = [
    *statuses(),
    *error_bodies(),
    *quotas(),
    *retry_afters(),
]


@pytest.mark.parametrize(("row", "way"), cases(ROWS))
def test_what_becomes_of_it(row, way, server, new_transport):
    becomes(row, way, server, new_transport)


def test_the_table_knows_every_odd_error_body():
    assert ERROR_WORDS.keys() == ERROR_BODIES.keys()


@pytest.mark.parametrize("way", WAYS)
def test_a_date_to_wait_for(way, server, new_transport):
    server.script = wire.status(503, headers={"retry-after": formatdate(time.time() + 90, usegmt=True)})
    with pytest.raises(TransientFailure) as caught:
        ask(new_transport(), request_to(server.base_url, way))
    assert 60 < caught.value.retry_after <= 90
