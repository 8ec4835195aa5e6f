"""The recipe: all that a worker has to know of a batch, as it travels; no key and no variable's secret is in it.

A worker has its keys, proxies and certificates from the environment that it runs in; addresses of models are those of
the machine that the command was typed on.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from llmcli import __version__
from llmcli.app import App
from llmcli.batch.cluster.worker import Worker
from llmcli.batch.engine.run import Plan, Run
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.rows import RowBuilder
from llmcli.batch.pacing.pace import Pace
from llmcli.config import Config
from llmcli.errors import AuthFailure, UsageError
from llmcli.exchange.exchange import Way
from llmcli.exchange.layers.window import worst
from llmcli.exchange.stack import batch_transport_of
from llmcli.lean.dataclass import dataclass
from llmcli.loop.connections import most_connections
from llmcli.loop.watch import Watch
from llmcli.output.streams import Notes, Outputs, Stdout
from llmcli.registry.pricing import Prices
from llmcli.registry.providers import KEY_FILE, address_variables
from llmcli.stdin import Stdin
from llmcli.transport.answer import Answer
from llmcli.transport.base import AnswerCame, SendKind, Transport, sender_of
from llmcli.wire import Request
from llmcli.world import World

_SET_THERE = "in the environment that the workers run in (env_vars of a Ray job)"


@dataclass(frozen=True)
class Recipe:
    """A batch as it travels. `places` are variables that hold an address; `plan` has no functions of its own."""

    settings: Any  # those of a batch
    config: Config
    rows: RowBuilder
    places: Mapping[str, str]
    plan: Plan

    @classmethod
    def of(cls, app: App, settings: Any, rows: RowBuilder, plan: Plan) -> Recipe:
        """The recipe of a run that was made here. What is kept beside its records is kept here."""
        money = replace(settings.money, cache=False, record=None, budget_file=None, max_cost=None)
        env = app.world.env
        return cls(
            settings=replace(settings, money=money),
            config=app.config,
            rows=rows.built_by(rows.builder.without_world()),
            places={name: env[name] for name in address_variables() if name in env},
            plan=_bare(plan),
        )

    def packed(self) -> tuple[str, bytes]:
        """As it travels, with the version that made it."""
        return __version__, pickle.dumps(self, pickle.HIGHEST_PROTOCOL)


def _bare(plan: Plan) -> Plan:
    """A plan without functions and limits of the whole, which are not a worker's."""
    has_money = plan.max_cost is not None or plan.has_budget
    return replace(
        plan,
        rebuild=_unset,
        worst=_unset,
        notice=None if plan.notice is None else _unset,
        tell=_unset,
        now=_unset,
        time=_unset,
        beside=None,
        limit=None,
        max_failures=None,
        max_cost=Decimal(0) if has_money else None,
        has_budget=False,
    )


def _unset(*_arguments: object) -> Any:
    raise RuntimeError("a plan on its way does nothing")


def worker_of(version: str, packed: bytes, world: World) -> Worker:
    """The worker of a recipe, in the world that it runs in. Raises UsageError."""
    if version != __version__:
        raise UsageError(
            f"a worker has llmcli {__version__}, and this is {version}",
            todo="install the same on all machines of the cluster",
        )
    recipe: Recipe = pickle.loads(packed)  # noqa: S301 - the command that hired us sent it
    own = {name: value for name, value in world.env.items() if name not in address_variables()}
    return _worker(recipe, replace(world, env=own | dict(recipe.places)))


def _worker(recipe: Recipe, world: World) -> Worker:
    settings = recipe.settings
    app = _app(recipe, world)
    builder = recipe.rows.builder.in_world(settings.request, world.env)
    crowd = settings.run.crowd
    pace = Pace(settings.run.rpm, settings.run.tpm, crowd, most_connections(), settings.network.timeout)
    before_repair = partial(pace.next, world.clock, world.sleep)
    transport = batch_transport_of(app, builder, settings, before_repair, WithWorkersKeys)
    plan = replace(
        recipe.plan,
        rebuild=builder.again,
        worst=lambda asked: worst(asked, app.prices.of, settings.repair.repair),
        now=world.now,
        time=lambda seconds: f"{(world.now() + timedelta(seconds=seconds)).astimezone():%H:%M:%S}",
    )
    way = Way(transport, world.clock, app.prices.of)
    run = Run(plan=plan, way=way, pace=pace, stats=Stats(began=world.clock()), world=world)
    return Worker(run, recipe.rows.built_by(builder))


def _app(recipe: Recipe, world: World) -> App:
    """What a worker has at hand: no streams."""
    watch = Watch()
    notes = Notes(None, terminal=False)
    config, settings = recipe.config, recipe.settings
    return App(
        world=world,
        argv=(),
        config=config,
        notes=notes,
        stdout=Stdout(None, terminal=False),
        outputs=Outputs(),
        stdin=Stdin(world, notes.say, True, None, watch.waits_for),
        prices=Prices(config.prices, config.error, settings.request.price),
        accepted=recipe.plan.accepted,
        typed=frozenset(),
        watch=watch,
    )


@contextmanager
def _remedied() -> Iterator[None]:
    """Have an error advise what helps a worker, which takes no `--api-key-file`."""
    try:
        yield
    except AuthFailure as error:
        error.todo = error.todo.replace(f"or {KEY_FILE}", _SET_THERE).replace(
            KEY_FILE, f"name a variable (api_key_env in the config file), and set it {_SET_THERE}"
        )
        raise


class WithWorkersKeys:
    """A transport of a worker: of a key that is not there it says that it would have to be where the worker runs."""

    def __init__(self, inner: Transport) -> None:
        self._inner, self._sender = inner, sender_of(inner)

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        with _remedied():
            return await self._inner.ask(request)

    def sender(self, request: Request) -> SendKind | None:
        """See FindSend."""
        inner = self._sender(request)

        def send(request: Request, body: bytes, came: AnswerCame) -> None:
            assert inner is not None  # noqa: S101 - else this is nobody's
            inner(request, body, lambda read, it: came(_remedied()(read), it))

        return None if inner is None else send

    async def aclose(self) -> None:
        """See Transport."""
        await self._inner.aclose()
