"""A Request on its way: transport, sink, report and verdict, put together for one answer."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from llmcli import jsonl
from llmcli.cli.compose import Recipe
from llmcli.cli.drive import drive
from llmcli.cli.options import FollowOptions, MoneyOptions, NetworkOptions, OutputOptions
from llmcli.cli.session import Session
from llmcli.config import cache_directory
from llmcli.errors import CallFailed, LlmcliError, UsageError
from llmcli.output.report import Report
from llmcli.output.sink import RecordSink, Sink, TextSink
from llmcli.output.streams import Out, append_line
from llmcli.registry.models import find_model
from llmcli.registry.providers import Provider
from llmcli.request.endpoint import provider_named
from llmcli.request.params import parse_pair
from llmcli.request.tools import tool_name
from llmcli.run import Follower, run
from llmcli.transport.base import Transport
from llmcli.transport.guard import Guard, Purse
from llmcli.transport.keys import find_key, missing_key
from llmcli.transport.retry import Policy
from llmcli.transport.stack import Wrap, build_transport
from llmcli.verdict import check, misfit, verdict
from llmcli.wire import Completion, Request

_NEAR = 30  # days before a model's shut-down in which we speak of it
_LONG_WAIT = 5.0  # seconds that a person may wonder about


def perform(
    session: Session,
    recipe: Recipe,
    follow: FollowOptions,
    network: NetworkOptions,
    money: MoneyOptions,
    output: OutputOptions,
    *,
    items: bool = False,
) -> None:
    """Send the request, show the answer, report, and raise what is wrong with it.

    `items`: the answer is a list, and each item is shown on a line of its own.
    """
    request = recipe.request()
    followers = followers_of(session, request, follow)
    if output.dry_run:
        return session.out(output.output).write_bytes(jsonl.line(request.body()))
    if output.curl:
        command = curl_command(request, provider_of(session, request), session.world.env)
        return session.out(output.output).write(command + "\n")
    warn_of_shutdown(session, request)
    transport = transport_of(session, recipe, network, money, repairs=follow.repair)
    sink = sink_of(session, request, output, holds=bool(followers), items=items)
    if output.usage_file is not None:
        append_line(output.usage_file, b"")  # what cannot be written is said before anything is paid for

    async def work() -> Completion:
        try:
            return await run(request, transport, sink, session.world.clock, followers)
        finally:
            await transport.aclose()

    completion = drive(work(), session.remaining(network.deadline))
    tell(session, completion, output)
    return check(completion, request)


def followers_of(session: Session, request: Request, follow: FollowOptions) -> list[Follower]:
    """What may ask on: the tools that run. Raises UsageError."""
    if not follow.exec:
        return []
    from llmcli.toolbox import Toolbox, parse_commands

    names = {tool_name(tool) for tool in request.fields.get("tools") or []}
    commands = parse_commands([parse_pair(pair, "--exec") for pair in follow.exec], names)
    return [Toolbox(commands, follow.tool_timeout, follow.max_turns, session.notes.detail)]


def sink_of(
    session: Session,
    request: Request,
    output: OutputOptions,
    *,
    holds: bool = False,
    items: bool = False,
    out: Out | None = None,
) -> Sink:
    """The sink for the format. `holds`: an answer may be asked on, so nothing is shown before it is whole.

    `out` is where the answer goes, where that is open already.
    """
    out = out or session.out(output.output)
    if output.shape != "text":
        encode = jsonl.pretty if output.shape == "json" else jsonl.line
        return RecordSink(out, encode, session.price_of, events=output.shape == "events")
    if items:
        from llmcli.output.items import ItemSink

        return ItemSink(out, live=not holds)
    holds = holds or bool(request.fields.get("tools"))
    return TextSink(out, session.notes, output.null, output.extract, holds, output.reasoning)


def transport_of(
    session: Session, recipe: Recipe, network: NetworkOptions, money: MoneyOptions, *, repairs: int = 0
) -> Transport:
    """The transport that the options ask for. `repairs`: how often an answer that does not fit is asked for again.

    What is kept is the repaired answer, under the request that was made.
    """
    if money.replay is not None:
        return _replay(money)
    purse = _purse(session, money)
    return build_transport(
        lambda: _http(session, recipe, network),
        _policy(session, network),
        lambda inner: Guard(inner, session.price_of, purse),
        *_fallback(session, recipe, money),
        *_repair(session, repairs),
        *_stores(session, money),
    )


def _http(session: Session, recipe: Recipe, network: NetworkOptions) -> Transport:
    from llmcli.transport.sdk import Sdk

    def key_of(request: Request) -> str | None:
        provider = provider_of(session, request)
        config = session.config.providers.get(request.provider)
        ours = (
            request.provider == recipe.endpoint.provider.name
        )  # the file's key is not for a fallback's provider
        key = find_key(provider, config, session.world.env, network.api_key_file if ours else None)
        if key is None and _is_at_home(request, provider) and provider.key_required:
            raise missing_key(provider)
        return key

    return Sdk(key_of, session.world.env, network.timeout)


def _policy(session: Session, network: NetworkOptions) -> Policy:
    world, notes = session.world, session.notes
    remaining = session.remaining(network.deadline)

    def notice(attempt: int, wait: float, error: CallFailed) -> None:
        text = f"attempt {attempt} failed: {error}; next in {wait:.1f} s"
        (notes.say if wait >= _LONG_WAIT else notes.detail)(text)

    return Policy(
        retries=network.retries,
        clock=world.clock,
        sleep=world.sleep,
        uniform=world.uniform,
        deadline=None if remaining is None else world.clock() + remaining,
        notice=notice,
    )


def _purse(session: Session, money: MoneyOptions) -> Purse | None:
    from decimal import Decimal

    from llmcli.transport.budget import Budget, BudgetFile

    limit = None if money.max_cost is None else Decimal(str(money.max_cost))
    if money.budget_file is not None:
        return BudgetFile(money.budget_file, limit, session.world.clock, session.world.sleep)
    return None if limit is None else Budget(limit)


def _fallback(session: Session, recipe: Recipe, money: MoneyOptions) -> list[Wrap]:
    if not money.fallback:
        return []
    from llmcli.transport.fallback import Fallback

    def notice(name: str, error: LlmcliError) -> None:
        session.notes.detail(f"{name} cannot answer: {error}")

    return [lambda inner: Fallback(inner, money.fallback, recipe.rebuild, notice)]


def _repair(session: Session, repairs: int) -> list[Wrap]:
    if not repairs:
        return []
    from llmcli.repair import Repair

    return [lambda inner: Repair(inner, repairs, misfit, session.notes.detail)]


def _stores(session: Session, money: MoneyOptions) -> list[Wrap]:
    """The recording is outside of the cache: what the cache answers is recorded too."""
    if money.cache_ttl is not None and not money.cache:
        raise UsageError("--cache-ttl without --cache", todo="add --cache")
    if not money.cache and money.record is None:
        return []
    from llmcli.transport.store import Folder, Locks, Store, recording

    def warn(error: LlmcliError) -> None:
        session.notes.say(f"warning: {error}")

    wraps: list[Wrap] = []
    if money.cache:
        folder = Folder(cache_directory(session.world.env), money.cache_ttl)
        locks = Locks(folder.path, session.world.sleep)
        wraps.append(lambda inner: Store(inner, folder, _usable, warn, read=True, locks=locks))
    if money.record is not None:
        record = recording(money.record)
        wraps.append(lambda inner: Store(inner, record, _usable, warn, read=False))
    return wraps


def _replay(money: MoneyOptions) -> Transport:
    from llmcli.transport.store import Replay, recorded

    if money.cache or money.record is not None:
        raise UsageError("--replay excludes --cache and --record", todo="drop one of them")
    return Replay(recorded(money.replay or ""))


def _usable(completion: Completion, request: Request) -> bool:
    return verdict(completion, request) is None


def _is_at_home(request: Request, provider: Provider) -> bool:
    """Whether the address is the provider's own, where it is known what it wants; azure's differ by resource."""
    return "{" in provider.base_url or request.base_url == provider.base_url.rstrip("/")


def provider_of(session: Session, request: Request) -> Provider:
    """The provider of a request, as config has it."""
    return provider_named(request.provider, session.config.providers)


def warn_of_shutdown(session: Session, request: Request) -> None:
    """Say so where the model is gone or soon will be."""
    model = find_model(request.provider, request.model)
    if model is None or model.shutdown is None:
        return
    days = (model.shutdown - session.world.today()).days
    if days < 0:
        session.notes.say(f"warning: {request.name} was shut down on {model.shutdown}")
    elif days <= _NEAR:
        session.notes.say(f"warning: {request.name} will be shut down on {model.shutdown}")


def tell(session: Session, completion: Completion, output: OutputOptions) -> None:
    """The usage line, the usage file, and what `-v` adds."""
    report = Report.of(completion, session.price_of)
    meta = completion.meta
    attempts = f"{meta.attempts} attempt{'' if meta.attempts == 1 else 's'}"
    session.notes.detail(f"request {meta.request_id or 'without an id'}, {attempts}")
    if output.usage:
        session.notes.write(report.line() + "\n")
    if output.usage_file is not None:
        append_line(output.usage_file, jsonl.line(report.envelope()))


def curl_command(request: Request, provider: Provider, env: Mapping[str, str]) -> str:
    """The same request as a curl command for a POSIX shell; the key is a variable's name."""
    if request.provider == "offline":
        raise UsageError("offline has no address that curl could ask", todo="drop --curl")
    words = ["curl", shlex.quote(request.url), "-H", shlex.quote("Content-Type: application/json")]
    names = [name for name in provider.api_key_env if env.get(name, "").strip()]
    if names := names or [*provider.api_key_env] * provider.key_required:
        words += ["-H", f'"Authorization: Bearer ${names[0]}"']
    words += ["--no-buffer"] * request.stream
    return " ".join([*words, "--data-raw", shlex.quote(jsonl.dumps(request.body()).decode())])
