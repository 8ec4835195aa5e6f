"""The story of a run through the Batch API: what was away, what is open, and what goes live at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

from llmcli.address import public_url
from llmcli.app import App
from llmcli.batch.away.courier import Courier
from llmcli.batch.away.desk import Desk, Lookup, Mend, batches_in_words, mark_away, rows_in_words
from llmcli.batch.away.fetching.mending import FirstAttempts, Handed
from llmcli.batch.away.fetching.results import NotKept, Nowhere, Result
from llmcli.batch.away.manifest import Manifest, Portion, manifest_path
from llmcli.batch.away.recaller import CANCELLING
from llmcli.batch.away.terms import terms_at
from llmcli.batch.engine.run import OpenedInput, Plan
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.rows import Row
from llmcli.batch.input.spool import spool_of
from llmcli.batch.ledger.final import Done
from llmcli.batch.ledger.ledger import Ledger
from llmcli.batch.program import Program
from llmcli.batch.progress import Progress
from llmcli.batch.shards.part_terms import Sent
from llmcli.errors import DeadlinePassed, Interrupted, PartialFailure, Terminated, UsageError
from llmcli.exchange.exchange import Exchanged, Way, exchange
from llmcli.exchange.stack import batch_api_of, batch_transport_of, budget_file_of, kept_around
from llmcli.registry.batch_terms import BatchTerms
from llmcli.request.responses.sent import RESPONSES_API
from llmcli.transport.batches.base import BatchApi
from llmcli.wire import CHAT, Request

_TICK = 0.25  # seconds
_LIVE = 5.0  # rows/s that go live at the end: careful, as nobody has measured any yet
_APIS = {api.name: api for api in (CHAT, RESPONSES_API)}
_SOMETHING = [{"role": "user", "content": "-"}]


class AwayRun:
    """One run through the Batch API, over the files of a Program."""

    def __init__(self, app: App, program: Program, settings: Sent) -> None:
        self._app, self._program, self._settings = app, program, settings
        self._builder = program.inputs.builder.builder
        self._apis: dict[tuple[str, ...], BatchApi] = {}

    def drive(self, records: Ledger, done: Done) -> None:
        """Run to the end. Raises what stopped the run, PartialFailure, StillAway."""
        manifest = Manifest(self._settings.run.kept or "")
        try:
            for portion in manifest.away:
                mark_away(manifest, portion, done)
            self._app.watch.waits_for(f"{len(manifest.away)} batches")
            deadline = self._settings.network.deadline
            self._app.drive(self._run(manifest, records, done), deadline, fast=True)
        except (Terminated, DeadlinePassed) as error:
            error.what += _going_on(manifest)
            raise
        except KeyboardInterrupt:
            raise Interrupted(f"SIGINT arrived{_going_on(manifest)}") from None
        finally:
            manifest.close()

    async def _run(self, manifest: Manifest, records: Ledger, done: Done) -> None:
        program, via = self._program, self._settings.via
        progress = program.progress()
        desk = self._desk(manifest, records, done, progress)
        courier = Courier(desk, self._sources())
        failure: PartialFailure | None = None
        try:
            async with self._ticking(progress, records):
                try:
                    await (courier.recall() if via.recall else courier.carry(wait=not via.no_wait))
                except PartialFailure as error:
                    failure = error
                finally:
                    self._sum_up(desk, courier)
                    records.finish(ordered=program.ordered)
        finally:
            program.run.stats.held = None
            for api in self._apis.values():
                await api.aclose()
        if via.finish == "live" and not run_out(program.run.plan, program.run.stats):
            await self._live(program, records, done)
        elif failure is not None:
            raise failure

    async def _live(
        self, program: Program, records: Ledger, done: Done, rows: OpenedInput | None = None
    ) -> Stats:
        """Run what is open live, or only `rows`. Raises what stopped it, and PartialFailure."""
        run = program.run
        stats = Stats(began=run.stats.began, size=run.stats.size, limit=run.stats.limit)
        done.rewind()
        try:
            await replace(program, run=replace(run, stats=stats)).execute(records, done, rows)
        finally:
            run.stats.include(stats)
        return stats

    def _mend_with(self, records: Ledger, done: Done, say: Callable[[str], None]) -> Mend:
        """What makes rows final that came with something to be mended."""

        async def mend(brought: Sequence[tuple[Row, Result]]) -> Stats:
            say(f"{rows_in_words(len(brought))} of batches to be mended: live, at the live price")
            program = self._program
            run = program.run
            turn = partial(run.pace.next, run.world.clock, run.world.sleep)
            first = partial(FirstAttempts, brought=brought)
            transport = batch_transport_of(self._app, self._builder, self._settings, turn, first)
            way = Way(transport, run.way.clock, run.way.price_of)
            live = replace(program, run=replace(run, way=way))
            before = Counter(run.stats.failures), run.stats.ok
            with suppress(PartialFailure):
                await self._live(live, records, done, Handed([row for row, _ in brought]))
            stats = Stats(began=run.stats.began, ok=run.stats.ok - before[1])
            stats.failures = run.stats.failures - before[0]
            return stats

        return mend

    def _lookup_with(self, way: Way) -> Lookup:
        """What looks into the cache."""
        cache = Way(kept_around(self._app, self._settings.money, Nowhere()), way.clock, way.price_of)

        async def lookup(request: Request) -> Exchanged | None:
            try:
                return await exchange(request, cache)
            except NotKept:
                return None

        return lookup

    def _sum_up(self, desk: Desk, courier: Courier) -> None:
        stats = desk.run.stats
        stats.rows = stats.found = courier.rows
        stats.complete = courier.is_complete

    @asynccontextmanager
    async def _ticking(self, progress: Progress, records: Ledger) -> AsyncIterator[None]:
        """Show the figures now and then."""
        run = self._program.run

        async def tick() -> None:
            while True:
                await asyncio.sleep(_TICK)
                progress.tick(run.stats, run.world.clock())

        ticker = asyncio.create_task(tick())
        try:
            yield
        finally:
            ticker.cancel()
            with suppress(asyncio.CancelledError):
                await ticker
            progress.close()
            records.sync()

    def _sources(self) -> Callable[[], OpenedInput]:
        """Opens the input: stdin the first time, then what was kept of it."""
        program, stats = self._program, self._program.run.stats
        opened: list[bool] = []

        def source() -> OpenedInput:
            inputs = (
                program.inputs.with_spool(spool_of(self._settings.run.kept)) if opened else program.inputs
            )
            opened.append(True)
            stats.found = stats.read = 0
            return inputs.source(stats, program.spool if len(opened) == 1 else None)

        return source

    def _desk(self, manifest: Manifest, records: Ledger, done: Done, progress: Progress) -> Desk:
        app, via, program = self._app, self._settings.via, self._program
        plan = replace(program.run.plan, tell=progress.say)
        way = Way(program.run.way.transport, program.run.way.clock, app.prices.of_batch)
        return Desk(
            run=replace(program.run, plan=plan, way=way),
            records=records,
            done=done,
            manifest=manifest,
            api_of=self._api_of,
            terms_of=self._terms_of,
            like=self._like,
            ask=self._builder.ask,
            finish=via.finish or "batch",
            keep_files=via.keep_files,
            repairs=self._settings.repair.repair > 0,
            fallback=bool(self._settings.money.fallback),
            budget=budget_file_of(app, self._settings.money),
            lookup=self._lookup_with(way) if self._settings.money.cache else None,
            mend=self._mend_with(records, done, progress.say),
            poll=via.poll,
            around=lambda bottom: kept_around(app, self._settings.money, bottom),
            say=progress.say,
            show=lambda: progress.tick(program.run.stats, program.run.world.clock()),
            patience=self._patience(),
        )

    def _patience(self) -> Callable[[int], float] | None:
        """How long rows that are away may be waited for, where those that are not back go live before a deadline."""
        deadline = self._settings.network.deadline
        if deadline is None or self._settings.via.finish != "live":
            return None

        def left(rows: int) -> float:
            remaining = self._app.world.remaining(deadline) or 0.0
            return remaining - min(deadline / 2, CANCELLING + rows / _LIVE)

        return left

    def _terms_of(self, request: Request) -> BatchTerms:
        typed = self._settings.request.base_url is not None
        return terms_at(request.provider, request.base_url, request.model, typed=typed)

    def _like(self, portion: Portion) -> Request:
        """A request of a portion's model. Raises UsageError where the command line now means another address."""
        request = self._builder.request(_SOMETHING, model=self._name(portion))
        here, there = public_url(request.base_url), public_url(portion.base_url)
        if here != there or request.name != portion.model:
            what = f"{portion.rows} rows are away at {there}, not at {here}"
            raise UsageError(what, portion.model, "type the command as it was")
        return request if request.api.name == portion.api else replace(request, api=_APIS[portion.api])

    def _name(self, portion: Portion) -> str | None:
        """What to type for a portion's model; None: what was typed."""
        endpoint = self._builder.endpoint
        here = self._builder.request(_SOMETHING)
        if (here.name, public_url(here.base_url)) == (portion.model, public_url(portion.base_url)):
            return None
        return portion.model.partition("/")[2] if endpoint.as_typed else portion.model

    def _api_of(self, request: Request) -> BatchApi:
        place = (request.provider, request.base_url, request.model, request.api.name)
        if place not in self._apis:
            folder = manifest_path(self._settings.run.kept or "").with_suffix("") / "provider"
            terms = self._terms_of(request)
            self._apis[place] = batch_api_of(self._app, request, terms, self._settings.network, folder)
        return self._apis[place]


def run_out(plan: Plan, stats: Stats) -> bool:
    """Whether so many rows failed that no more are to be begun."""
    return plan.max_failures is not None and stats.failed >= plan.max_failures


def _going_on(manifest: Manifest) -> str:
    sent = [portion for portion in manifest.away if portion.batch is not None]
    if not sent:
        return ""
    goes = "goes" if len(sent) == 1 else "go"
    return f"; {batches_in_words(len(sent))} {goes} on at the provider"
