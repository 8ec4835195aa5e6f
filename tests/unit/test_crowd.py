"""How many requests `-j auto` has under way, against servers of every shape of load. No time passes."""

from __future__ import annotations

import itertools
import math

import pytest

from llmcli.batch.pacing.crowd import Crowd
from llmcli.batch.pacing.pace import Pace
from llmcli.loop.connections import MOST_CONNECTIONS
from tests.unit.loads import Curve, Limited, Load, Simulation, Slots


def auto(
    server: Load, *, most: int = MOST_CONNECTIONS, timeout: float = math.inf, **client: float
) -> Simulation:
    return Simulation(Pace(None, None, None, most, timeout), server, timeout, **client)


def with_crowd(crowd: int, server: Load, timeout: float = math.inf) -> Simulation:
    return Simulation(Pace(None, None, crowd, MOST_CONNECTIONS, timeout), server, timeout)


def batched(under_way: int, _now: float) -> float:
    """A real server on a GPU, with continuous batching."""
    return 1.1 + 0.27 * math.sqrt(under_way)


# --- Servers that take more -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
def test_where_latency_does_not_grow_all_connections_are_used(spread):
    run = auto(Curve(lambda _crowd, _now: 2.0, spread), most=3000).run(seconds=100)
    assert run.rate(60, 100) > 0.95 * 1500


def test_a_client_that_is_busy_has_as_many_as_keep_it_so():
    """1,000 rows a second are all that it can do: 2,000 under way at 2 s."""
    run = auto(Curve(lambda _crowd, _now: 2.0), work=1 / 1000).run(seconds=150)
    assert run.rate(60, 150) > 0.98 * 1000
    assert run.limit(150) < 4000


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("spread", [0.0, 0.3, 0.6, 1.0])
def test_latency_that_grows_with_the_crowd_is_no_overload_by_itself(spread, seed):
    run = auto(Curve(batched, spread, seed), most=5000).run(seconds=180)
    best = 4000 / batched(4000, 0.0)
    assert run.rate(90, 180) > 0.9 * best


def test_a_crowd_grows_from_two_by_doubling_to_sixteen_and_then_fourfold():
    run = auto(Curve(lambda _crowd, _now: 1.0), most=5000).run(seconds=25)
    steps = {limit for _, limit in run.limits}
    assert {2, 4, 8, 16, 64, 256, 1024, 4096} <= steps
    assert run.limits[0] == (0.0, 2)
    assert run.limit(10) >= 1024


@pytest.mark.parametrize("hang", [0, 1, 6, 20])
def test_a_request_that_hangs_does_not_hold_up_the_search(hang):
    """Each hundredth takes five minutes, others a second."""
    sent = itertools.count()
    server = Curve(lambda _crowd, _now: 300.0 if next(sent) % 100 == hang else 1.0)
    assert auto(server, most=2000).run(seconds=120).limit(100) > 1000


# --- Servers that take no more ----------------------------------------------------------------------------------------


def test_two_slots_behind_a_queue_are_not_crowded():
    run = auto(Slots(lambda _now: 2, 0.45), timeout=4.0).run(rows=400)
    fixed = with_crowd(4, Slots(lambda _now: 2, 0.45), timeout=4.0).run(rows=400)
    assert run.lost == 0
    assert run.now < 1.01 * fixed.now
    assert run.latency(0.95, after=30) <= 1.5 * fixed.latency(0.95, after=30)


@pytest.mark.parametrize("spread", [0.05, 0.5])
@pytest.mark.parametrize("slots", [8, 64, 500])
def test_a_full_server_keeps_its_rows_a_second_with_no_crowd_beyond_use(slots, spread):
    run = auto(Slots(lambda _now: slots, 1.0, spread, seed=1)).run(seconds=150)
    assert run.rate(90, 150) > 0.88 * slots
    assert run.limit(150) <= 3 * slots


@pytest.mark.parametrize("seed", range(5))
def test_answers_of_all_lengths_do_not_keep_the_crowd_from_growing(seed):
    run = auto(Curve(lambda _crowd, _now: 10.0, 0.8, seed), most=1000).run(seconds=300)
    assert run.limit(300) > 700


def test_a_step_up_is_taken_only_if_its_latency_stays_within_half_of_the_timeout():
    run = auto(Slots(lambda _now: 30, 1.0, 0.3), timeout=10.0).run(seconds=120)
    assert run.lost == 0
    assert max(limit for _, limit in run.limits) <= 180  # some 5 s behind 30 slots


# --- Servers that change ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.05, 0.5])
def test_a_server_that_gets_slower_has_fewer_requests_to_answer(spread):
    run = auto(Slots(lambda now: 64 if now < 100 else 16, 1.0, spread, seed=2)).run(seconds=400)
    assert run.rate(60, 100) > 0.9 * 64
    assert run.rate(120, 300) > 0.9 * 16
    assert run.limit(400) <= 40


@pytest.mark.parametrize("spread", [0.05, 0.5])
def test_a_server_that_recovers_is_given_more_again(spread):
    run = auto(Slots(lambda now: 16 if now < 100 else 64, 1.0, spread, seed=2)).run(seconds=200)
    assert run.rate(60, 100) > 0.9 * 16
    assert run.rate(150, 200) > 0.9 * 64


def test_all_of_a_servers_time_may_grow_and_the_crowd_stays():
    run = auto(Curve(lambda _crowd, now: 1.0 + now / 60), most=500).run(seconds=200)
    assert run.limit(200) > 400


# --- Limits of the rate -----------------------------------------------------------------------------------------------


def test_a_limit_that_is_beyond_what_a_server_can_do_does_not_crowd_it():
    """It says 50 a second, and does 8."""
    server = Limited(50, 10, Slots(lambda _now: 4, 0.5), told=True)
    run = auto(server).run(seconds=120)
    assert run.rate(20, 120) > 0.95 * 8
    assert run.limit(120) <= 16


def test_a_limit_that_is_told_is_reached_at_once():
    server = Limited(200, 40, Curve(lambda _crowd, _now: 1.0), told=True)
    run = auto(server).run(seconds=60)
    assert run.rate(8, 60) > 0.97 * 200
    assert run.refused == 0


@pytest.mark.parametrize("wait", [None, 0.2])
@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
@pytest.mark.parametrize(("rate", "spread"), [(50, 0.05), (50, 0.5), (600, 0.05)])
def test_a_limit_is_used_to_97_percent_within_a_minute(rate, spread, told, wait):
    server = Limited(rate, rate / 5, Curve(lambda _crowd, _now: 0.2, spread), told=told)
    run = auto(server, wait=wait).run(rows=60 * rate)
    assert 60 / run.now > 0.97
    assert run.refused <= (0.003 if told else 0.02) * run.sent


# --- The parts --------------------------------------------------------------------------------------------------------


def test_what_is_given_up_halves_the_crowd():
    crowd = Crowd(64)
    for _ in range(2):
        crowd.lost(5.0, 1.0, passed=0)
    assert crowd.limit == 32
    crowd.lost(6.0, 4.0, passed=0)
    assert crowd.limit == 32, "it was sent before the fall"


def test_a_fixed_number_stays_and_is_capped():
    assert with_crowd(7, Curve(lambda _crowd, _now: 1.0)).run(seconds=20).limits == [(0.0, 7)]
    assert Crowd(30_000, 900).limit == 900


@pytest.mark.parametrize(
    ("fixed", "most", "word"),
    [
        (10, MOST_CONNECTIONS, "concurrency"),
        (10, 10, "concurrency"),
        (30_000, 900, "connections (ulimit -n)"),
        (30_000, MOST_CONNECTIONS, "connections (20,000 at most)"),
        (None, MOST_CONNECTIONS, "concurrency"),
        (None, 2, "connections (ulimit -n)"),
    ],
)
def test_what_binds_is_said(fixed, most, word):
    assert Crowd(fixed, most).binds == word


def test_after_a_pause_it_opens_with_one_and_one_more_for_each_that_goes_through():
    crowd = Crowd(8)
    crowd.reopen()
    room = []
    for _ in range(9):
        room.append(next(count for count in range(20) if count >= crowd.room))
        crowd.finished(1.0, 0.5, 1)
    assert room == [1, 2, 3, 4, 5, 6, 7, 8, 8]


def test_requests_that_are_refused_do_not_hold_up_a_measurement():
    crowd = Crowd(None)
    crowd.sends(0.0, 1)
    crowd.sends(0.1, 2)
    crowd.leaves(0.2, 0.1, 2)  # all that was watched
    crowd.sends(0.3, 2)
    crowd.finished(1.3, 0.3, 2)
    assert crowd.limit == 4
