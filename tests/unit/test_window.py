"""The window of a declared limit: what real servers' headers say, reply by reply."""

from __future__ import annotations

import time

import pytest

from llmcli.batch.pacing.limit_window import LimitWindow
from llmcli.batch.pacing.pace import Pace


def told(*replies, unit="requests"):
    """The limit a minute after replies of (limit, remaining, reset)."""
    window = LimitWindow(unit)
    found = None
    for limit, left, reset in replies:
        headers = {"limit": limit, "remaining": left, "reset": reset}
        found = window.a_minute(
            {f"x-ratelimit-{name}-{unit}": str(value) for name, value in headers.items() if value is not None}
        )
    return found


@pytest.mark.parametrize(
    ("replies", "a_minute"),
    [
        ([(600, None, None)], 600),
        ([(600, 599, None)], 600),
        ([(500, 499, "120ms")], 500),
        ([(10_000, 9_999, "6ms")], 10_000),
        ([(60, 59, "1s")], 60),
        ([(60, 59, "58s")], 60),
        ([(1_500, 1_499, "57.6s"), (1_500, 1_490, "57s")], 1_500),
        ([(10, 9, "1s")], 600),
        ([(10, 9, "1"), (10, 0, "0.4")], 600),
        ([(10, 8, "200ms")], 600),
        ([(14_400, 14_370, "2m59.56s")], 10),
        ([(10_000, 9_999, "8.64s"), (10_000, 9_998, "17.28s")], pytest.approx(10_000 / 1440)),
        ([(1_440, 100, "23h10m")], 1),
        ([(3_600, 3_000, "40m")], 60),
        ([(1_200, 0, "50ms")], 1_200),
        ([(1_200, 3, "soon")], 1_200),
        ([(0, 0, "1s")], 0),
        ([("1" + "0" * 400, 1, "1s")], None),
    ],
)
def test_the_window_of_a_limit_is_read_from_its_reset(replies, a_minute):
    assert told(*replies) == a_minute


def test_a_reset_may_be_a_time():
    assert told((10, 9, int(time.time()) + 1)) == 600
    assert told((1_440, 100, int(time.time()) + 40_000)) == 1


@pytest.mark.parametrize(("end", "a_minute"), [("minute", 30), ("second", 1_800)])
def test_a_header_may_name_its_window(end, a_minute):
    assert LimitWindow("tokens").a_minute({f"x-ratelimit-limit-tokens-{end}": "30"}) == a_minute


def test_a_limit_a_second_holds_no_batch_back_for_a_minute():
    pace = Pace(None, None, 8)
    head = {"limit": "100", "remaining": "99", "reset": "1s"}
    headers = {f"x-ratelimit-{name}-requests": value for name, value in head.items()}
    for at in range(200):
        now = at / 100
        pace.take(now, 100, None)
        pace.finished(now + 0.01, now, 1, headers)
    assert pace.delay(2.0)[0] < 0.1
