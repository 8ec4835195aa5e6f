"""Records on an object store: each row's is there once, whatever is killed when and whatever a server answers."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests import object_server, stores
from tests.conftest import part
from tests.object_server import LIES, Objects

part("obstore")

from llmcli.batch.input.identity import Identity  # noqa: E402 - behind what skips this module
from llmcli.batch.segments.lease import Lease, LeaseTerms  # noqa: E402
from llmcli.batch.segments.segment_log import SegmentLog  # noqa: E402
from llmcli.batch.segments.stored_ledger import StoredLedger  # noqa: E402
from llmcli.batch.shards.mark import Mark  # noqa: E402
from llmcli.errors import Busy, LlmcliError, OutputFailure, UsageError  # noqa: E402
from llmcli.settings.batch.machines import Shard  # noqa: E402
from llmcli.stores.bucket import Bucket, Tempo  # noqa: E402
from llmcli.stores.failures import as_output  # noqa: E402

QUICK = Tempo(first=0.002, longest=0.02, patience=5.0, timeout=5.0)
AT_ONCE = LeaseTerms(renewed=1.0, lapsed=0.0)  # so rarely that another comes between
SHARD = Shard(0, 1)
ROWS = 24
SEEDS = 25 * int(os.environ.get("LLMCLI_KILLS", "1"))


@pytest.fixture(scope="module")
def _serving() -> Iterator[Objects]:
    with object_server.serving() as (objects, given), stores.environment(given):
        yield objects


@pytest.fixture
def objects(_serving: Objects) -> Objects:
    _serving.kept.clear()
    _serving.requests.clear()
    _serving.lie, _serving.heeds_conditions = object_server.honest, True
    return _serving


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def line(row: int, word: str = "", *, failed: bool = False) -> bytes:
    """A record; `word` tells those of one row apart."""
    error = {"code": "rejected", "message": "no"} if failed else None
    about = {"row": row, "attempts": 1, "latency_ms": 1.0, "cost_usd": None, "model": "m", "at": word}
    record = {"id": f"batch_req_{row:06d}_{row + 1:016x}", "custom_id": f"row-{row}"}
    record |= {"response": None if failed else {}, "error": error, "llmcli": about}
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def opened(
    clock: Hand, terms: LeaseTerms = AT_ONCE, tempo: Tempo = QUICK, *, fresh: bool = False
) -> StoredLedger:
    bucket = Bucket("s3://rows/out", as_output, tempo)
    lease = Lease(bucket, f"{SHARD.name}.lease.json", lambda _words: None, terms)
    return StoredLedger(SegmentLog(bucket, SHARD), lease, clock, Identity(), fresh=fresh)


def stored() -> list[tuple[int, bytes, bool]]:
    """All records in their order, as a merge reads them."""
    log = SegmentLog(Bucket("s3://rows/out", as_output, QUICK), SHARD)
    return [found for segment in log.new() for found in segment.rows(None)]


def killed(ledger: StoredLedger) -> None:
    """What SIGKILL leaves undone; what is on its way to the server may still come there."""
    ledger._keeping.cancel()
    if ledger._saving is not None:
        ledger._saving.cancel()


def lying(draw: random.Random, often: float) -> object_server.Lie:
    def lie(_method: str, _key: str) -> str | None:
        return draw.choice(LIES) if draw.random() < often else None

    return lie


def run(draw: random.Random, clock: Hand, paid: Counter[int], ledger: StoredLedger) -> list[int] | None:
    """One process's work, up to its end (None), or to a kill: the rows that it has not come to."""
    done = ledger.recover()
    left = [row for row in range(ROWS) if not done.is_final(row)]
    until = draw.choice([None, draw.randrange(ROWS)])
    for at, row in enumerate(left):
        if at == until:
            killed(ledger)
            return left[at:]
        ledger.write(row, line(row, str(len(paid)), failed=draw.random() < 0.2), failed=False)
        paid[row] += 1
        if draw.random() < 0.3:
            clock.now += 50.0
            ledger.sync()
            if draw.random() < 0.5 and ledger._saving is not None:
                time.sleep(draw.random() * 0.02)  # a kill may come before, in and behind the put
    ledger.end(Mark(ROWS, ROWS, 0))
    ledger.close()
    return None


@pytest.mark.parametrize("seed", range(SEEDS))
def test_each_row_is_there_once_whatever_is_killed_and_whatever_is_answered(objects, seed):
    draw = random.Random(seed)
    objects.lie = lying(draw, draw.choice([0.0, 0.1, 0.3]))
    clock, paid, zombies = Hand(), Counter[int](), list[tuple[StoredLedger, list[int]]]()
    for _ in range(20):
        try:
            ledger = opened(clock)
        except Busy:  # a zombie was seen to renew it
            continue
        try:
            left = run(draw, clock, paid, ledger)
            if left is None:
                break
            zombies.append((ledger, left))
        except (Busy, OutputFailure):
            killed(ledger)
        if zombies and draw.random() < 0.5:  # one that was believed dead wakes up
            zombie, left = draw.choice(zombies)
            for row in left[:3]:
                zombie.write(row, line(row, "zombie"), failed=False)
            del left[:3]
            with suppress(LlmcliError):
                zombie.finish(ordered=False)
    objects.lie = object_server.honest
    rows = Counter(row for row, _, _ in stored())
    repeated = {row for row, times in rows.items() if times > 1}
    assert sorted(rows) == list(range(ROWS))
    assert repeated == set()


def saved(clock: Hand, *rows: int, **more: object) -> StoredLedger:
    """A ledger that is open, with these rows saved."""
    ledger = opened(clock, **more)
    ledger.recover()
    for row in rows:
        ledger.write(row, line(row), failed=False)
    ledger.finish(ordered=False)
    return ledger


@pytest.mark.parametrize("lie", LIES)
def test_a_segment_is_there_once_whatever_its_put_was_answered(objects, lie):
    told: list[str] = []

    def once(method: str, key: str) -> str | None:
        if (
            method == "PUT" and key.endswith("00001.jsonl") and len(told) < 5
        ):  # also the library's own three retries
            told.append(lie)
            return lie
        return None

    objects.lie = once
    ledger = saved(Hand(), 0, 1)
    ledger.close()
    assert told
    assert [row for row, _, _ in stored()] == [0, 1]


@pytest.mark.usefixtures("objects")
def test_a_writer_whose_part_was_taken_over_adds_nothing():
    clock = Hand()
    zombie = saved(clock, 0)
    zombie.write(1, line(1, "zombie"), failed=False)
    heir = opened(clock)
    done = heir.recover()
    assert [done.is_final(row) for row in (0, 1)] == [True, False]
    with pytest.raises(Busy, match="another run has taken"):
        zombie.finish(ordered=False)
    assert not zombie.room(2)
    with pytest.raises(Busy):
        zombie.close()
    heir.write(1, line(1, "heir"), failed=False)
    heir.close()
    assert [json.loads(text)["llmcli"]["at"] for _, text, _ in stored()] == ["", "heir"]


@pytest.mark.usefixtures("objects")
def test_the_newest_record_of_a_row_counts_and_fresh_begins_anew():
    first = opened(Hand())
    first.recover()
    first.write(0, line(0, failed=True), failed=True)
    first.write(1, line(1), failed=False)
    first.close()
    again = opened(Hand())
    done = again.recover(retry_failed=True)
    assert (done.is_final(0), done.is_final(1), done.count) == (False, True, 1)
    again.write(0, line(0), failed=False)
    again.close()
    assert [(row, failed) for row, _, failed in stored()] == [(1, False), (0, True), (0, False)]
    third = opened(Hand(), fresh=True)
    assert third.recover().count == 0
    assert len(stored()) == 3  # nothing is lost before there is something new
    third.write(2, line(2), failed=False)
    third.close()
    assert [row for row, _, _ in stored()] == [2]
    assert opened(Hand()).recover().is_final(2)


@pytest.mark.usefixtures("objects")
def test_a_lease_that_is_kept_is_waited_for_no_longer_than_it_takes_to_see_that():
    keeper = saved(Hand(), terms=LeaseTerms(renewed=0.01, lapsed=60.0))
    said: list[float] = []

    async def sleep(seconds: float) -> None:
        said.append(seconds)
        await asyncio.sleep(0.1)

    with pytest.raises(Busy, match=r"another run holds s3://rows/out/00000-of-00001\.lease\.json"):
        opened(Hand(), LeaseTerms(lapsed=60.0, sleep=sleep))
    assert len(said) <= 3
    keeper.close()
    opened(Hand(), LeaseTerms(lapsed=60.0, sleep=sleep)).close()  # it was given back


def test_a_lease_lapses_by_the_clock_of_the_store(objects):
    killed(saved(Hand(), 0, terms=LeaseTerms()))
    objects.pass_by(50)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        if seconds == LeaseTerms().renewed:
            await asyncio.sleep(3600)
        slept.append(seconds)

    killed(opened(Hand(), LeaseTerms(sleep=sleep)))
    assert 5 <= sum(slept) <= 10
    objects.pass_by(61)
    slept.clear()
    opened(Hand(), LeaseTerms(sleep=sleep)).close()
    assert slept == []


def test_no_row_is_begun_while_what_a_kill_would_lose_is_a_minute_old(objects):
    clock = Hand()
    ledger = saved(clock)
    ledger.write(0, line(0), failed=False)
    objects.lie = lambda method, _key: "503" if method == "PUT" else None
    clock.now = 50.0
    ledger.sync()
    assert ledger.room(1)
    clock.now = 61.0
    assert not ledger.room(1)
    objects.lie = object_server.honest
    ledger.finish(ordered=False)
    assert ledger.room(1)
    ledger.close()


def test_a_store_that_stays_ill_is_told_of_and_nothing_is_given_up_as_saved(objects):
    ledger = saved(Hand(), tempo=Tempo(first=0.002, longest=0.01, patience=0.1))
    ledger.write(0, line(0), failed=False)
    objects.lie = lambda method, key: "500" if method == "PUT" and "lease" not in key else None
    with pytest.raises(
        OutputFailure, match=r"cannot keep records in s3://rows/out/.*: 500 Internal Server Error"
    ):
        ledger.finish(ordered=False)
    objects.lie = object_server.honest
    ledger.close()
    assert [row for row, _, _ in stored()] == [0]


def test_a_segment_that_is_missing_or_none_is_named(objects):
    for row in range(3):
        saved(Hand(), row).close()
    kept = objects.kept.pop("out/00000-of-00001/00000002.jsonl")
    with pytest.raises(UsageError, match=r"00000002.jsonl is missing"):
        opened(Hand()).recover()
    objects.kept["out/00000-of-00001/00000002.jsonl"] = (kept[0][:-9], *kept[1:])
    with pytest.raises(UsageError, match=r"00000002.jsonl is no segment of a batch"):
        opened(Hand()).recover()


def test_a_server_that_heeds_no_condition_is_found_out(objects):
    bucket = Bucket("s3://rows/out", as_output, QUICK)
    bucket.wait(bucket.probe())
    objects.heeds_conditions = False
    with pytest.raises(UsageError, match="does not heed conditions"):
        bucket.wait(bucket.probe())
    assert objects.kept == {}
