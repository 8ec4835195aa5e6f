"""The story of a run on a cluster: joined, staffed, carried out by a dispatcher, and left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from llmcli.app import App
from llmcli.batch.cluster.dispatcher import Dispatcher
from llmcli.batch.cluster.fund import Fund
from llmcli.batch.cluster.kept_answers import KeptAnswers
from llmcli.batch.cluster.lending import Entries, HeldHere, Lender, Unmade
from llmcli.batch.cluster.messages import FLUSH
from llmcli.batch.cluster.ray_crew import RayCrew, cluster
from llmcli.batch.cluster.recipe import Recipe
from llmcli.batch.engine.run import Records, Run
from llmcli.batch.ledger.final import Done
from llmcli.batch.program import Program
from llmcli.exchange.stack import budget_file_of, kept_around


@contextmanager
def staffed(app: App, program: Program, settings: Any, looks: Callable[[], bool]) -> Iterator[Program]:
    """The program, carried out by workers of a cluster, to which we are connected for so long.

    `settings` are those of a batch; `looks`: whether somebody here looks at each row. Raises TransientFailure.
    """
    rows = program.inputs.builder
    plan = replace(program.run.plan, notice=app.notes.say if program.verbose else None)
    app.watch.waits_for("the Ray cluster")
    with cluster(app.world.env.get("RAY_ADDRESS") or None, settings.machines.workers) as size:
        crew = RayCrew(size, Recipe.of(app, settings, rows, plan).packed())

        def dispatcher(run: Run, source: Entries, records: Records, done: Done) -> Dispatcher:
            answers = _answers(app, settings, run)
            unmade = Unmade(rows, done, always=looks() or not rows.is_numbered or answers is not None)
            return Dispatcher(
                run, Lender(run, source, records, unmade, HeldHere(answers, fund)), records, crew
            )

        budget = budget_file_of(app, settings.money)
        fund = None if budget is None else Fund(budget, plan.model)
        _tell(app, size, program.run.pace.crowd.most)
        yield replace(program, engine=dispatcher)


def _answers(app: App, settings: Any, run: Run) -> KeptAnswers | None:
    """Where answers are kept, if they are."""
    money = settings.money
    if not money.cache and money.record is None:
        return None
    return KeptAnswers(partial(kept_around, app, money), run.way, run.plan)


def _tell(app: App, size: int, most: int) -> None:
    """Say what it may cost that a worker is killed."""
    count = "1 worker" if size == 1 else f"{size:,} workers"
    app.notes.say(f"{count}: one that is killed repeats at most the {most:,} rows under way and {FLUSH} more")
