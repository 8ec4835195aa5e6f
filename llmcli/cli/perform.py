"""A Request on its way: transport, sink, report and verdict, put together for one answer."""

from __future__ import annotations

import shlex

from llmcli import jsonl
from llmcli.cli.drive import drive
from llmcli.cli.options import NetworkOptions, OutputOptions
from llmcli.cli.session import Session
from llmcli.errors import CallFailed
from llmcli.output.report import Report
from llmcli.output.sink import RecordSink, Sink, TextSink
from llmcli.output.streams import append_line
from llmcli.registry.models import find_model
from llmcli.registry.providers import Provider
from llmcli.run import check, run
from llmcli.transport.base import Transport
from llmcli.transport.keys import find_key, missing_key
from llmcli.transport.retry import Policy
from llmcli.transport.stack import build_transport
from llmcli.wire import Completion, Request

_NEAR = 30  # days before a model's shut-down in which we speak of it
_LONG_WAIT = 5.0  # seconds that a person may wonder about


def perform(session: Session, request: Request, network: NetworkOptions, output: OutputOptions) -> None:
    """Send the request, show the answer, report, and raise what is wrong with it."""
    if output.dry_run:
        return session.out(output.output).write_bytes(jsonl.line(request.body()))
    if output.curl:
        return session.out(output.output).write(curl_command(request, provider_of(session, request)) + "\n")
    warn_of_shutdown(session, request)
    sink = sink_of(session, request, output)
    transport = transport_of(session, network)

    async def work() -> Completion:
        try:
            return await run(request, transport, sink, session.world.clock)
        finally:
            await transport.aclose()

    completion = drive(work(), session.remaining(network.deadline))
    tell(session, completion, output)
    return check(completion, request)


def sink_of(session: Session, request: Request, output: OutputOptions) -> Sink:
    """The sink for the format."""
    out = session.out(output.output)
    if output.shape == "text":
        holds = bool(request.fields.get("tools"))
        return TextSink(out, session.notes, output.null, output.extract, holds, output.reasoning)
    encode = jsonl.pretty if output.shape == "json" else jsonl.line
    return RecordSink(out, encode, session.price_of, events=output.shape == "events")


def transport_of(session: Session, network: NetworkOptions) -> Transport:
    """The transport that the network options ask for."""
    world, notes = session.world, session.notes
    remaining = session.remaining(network.deadline)

    def key_of(request: Request) -> str | None:
        provider = provider_of(session, request)
        config = session.config.providers.get(request.provider)
        key = find_key(provider, config, world.env, network.api_key_file)
        if key is None and provider.key_required and request.base_url == provider.base_url.rstrip("/"):
            raise missing_key(provider)
        return key

    def http() -> Transport:
        from llmcli.transport.sdk import Sdk

        return Sdk(key_of, world.env, network.timeout)

    def notice(attempt: int, wait: float, error: CallFailed) -> None:
        text = f"attempt {attempt} failed: {error}; next in {wait:.1f} s"
        (notes.say if wait >= _LONG_WAIT else notes.detail)(text)

    policy = Policy(
        retries=network.retries,
        clock=world.clock,
        sleep=world.sleep,
        uniform=world.uniform,
        deadline=None if remaining is None else world.clock() + remaining,
        notice=notice,
    )
    return build_transport(http, policy)


def provider_of(session: Session, request: Request) -> Provider:
    """The provider of a request, as config has it."""
    from llmcli.request.endpoint import resolve

    return resolve(request.name, None, {}, session.config.providers).provider


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
    session.notes.detail(f"request {meta.request_id or 'without an id'}, {meta.attempts} attempts")
    if output.usage:
        session.notes.write(report.line() + "\n")
    if output.usage_file is not None:
        append_line(output.usage_file, jsonl.line(report.envelope()))


def curl_command(request: Request, provider: Provider) -> str:
    """The same request as a curl command for a POSIX shell; the key is a variable's name."""
    words = ["curl", shlex.quote(request.url), "-H", shlex.quote("Content-Type: application/json")]
    if provider.api_key_env:
        words += ["-H", f'"Authorization: Bearer ${provider.api_key_env[0]}"']
    words += ["--no-buffer"] * request.stream
    return " ".join([*words, "--data-raw", shlex.quote(jsonl.dumps(request.body()).decode())])
