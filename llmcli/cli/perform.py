"""A Request on its way: transport, sink, report and verdict, put together for one answer."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from llmcli import jsonl
from llmcli.cli.compose import Recipe
from llmcli.cli.drive import drive
from llmcli.cli.options import FollowOptions, MoneyOptions, NetworkOptions, OutputOptions
from llmcli.cli.session import Session
from llmcli.cli.transports import key_variables, transport_of
from llmcli.errors import LlmcliError, UsageError
from llmcli.output.report import Report, joined, trace
from llmcli.output.sink import RecordSink, Sink, TextSink
from llmcli.output.streams import Out, append_line
from llmcli.registry.models import find_model
from llmcli.request.params import parse_pair
from llmcli.request.tools import tool_names
from llmcli.run import Follower, run
from llmcli.verdict import check
from llmcli.wire import Completion, Request, http_url

_LONGEST_WORD = 100_000  # bytes; Linux takes 128 KiB
_NEAR = 30  # days before a model's shut-down in which we speak of it


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
    if output.dry_run or output.curl:
        return show_request(session, request, session.out(output.output), as_curl=not output.dry_run)
    warn_of_shutdown(session, request)
    transport = transport_of(
        session, recipe, network, money, repairs=follow.repair, reasoning=output.shows_reasoning
    )
    sink = sink_of(session, request, output, holds=bool(followers), items=items)
    if output.usage_file is not None:
        append_line(output.usage_file, b"")  # what cannot be written is said before anything is paid for

    async def work() -> Completion:
        try:
            return await run(request, transport, sink, session.world.clock, followers)
        finally:
            await transport.aclose()

    with paid_before_failure(session, output):
        completion = drive(session, work(), network.deadline)
    tell(session, Report.of(completion, session.price_of), output)
    return check(completion, request)


def show_request(session: Session, request: Request, out: Out, *, as_curl: bool) -> None:
    """What `--dry-run` and `--curl` write instead of sending."""
    if as_curl:
        return out.write(curl_command(request, key_variables(session, request)) + "\n")
    return out.write_bytes(jsonl.line(request.body()))


def followers_of(session: Session, request: Request, follow: FollowOptions) -> list[Follower]:
    """What may ask on: the tools that run. Raises UsageError."""
    if not follow.exec:
        return []
    from llmcli.toolbox import Toolbox, parse_commands

    names = set(tool_names(request.fields.get("tools") or []))
    commands = parse_commands([parse_pair(pair, "--exec") for pair in follow.exec], names)
    return [
        Toolbox(
            commands, names, follow.tool_timeout, follow.max_turns, session.notes.detail, session.waits_for
        )
    ]


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

        return ItemSink(out, session.notes, output.null, output.reasoning, live=not holds)
    holds = holds or bool(request.fields.get("tools"))
    return TextSink(out, session.notes, output.null, output.extract, holds, output.reasoning)


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


@contextmanager
def paid_before_failure(session: Session, output: OutputOptions) -> Iterator[None]:
    """Tell of the answers that came, and cost money, before what fails here."""
    try:
        yield
    except LlmcliError as error:
        if error.paid:
            tell(session, Report.of(joined(error.paid), session.price_of), output)
        raise


def tell(session: Session, report: Report, output: OutputOptions) -> None:
    """The usage line, the usage file, and what `-v` adds."""
    session.notes.detail(trace(report.completion, report.completion.meta.attempts))
    if output.usage:
        session.notes.write(report.line() + "\n")
    if output.usage_file is not None:
        append_line(output.usage_file, jsonl.line(report.envelope()))


def curl_command(request: Request, names: Sequence[str]) -> str:
    """The same request as a curl command for a POSIX shell; the key is a variable's name, the first of `names`."""
    if request.provider == "offline":
        raise UsageError("offline has no address that curl could ask", todo="drop --curl")
    words = ["curl", shlex.quote(request.url), "-H", shlex.quote("Content-Type: application/json")]
    url = http_url(request.url)
    if names and (url is None or url.username is None):  # else the address says who asks
        words += ["-H", f'"Authorization: Bearer ${names[0]}"']
    words += ["--no-buffer"] * request.stream
    body = jsonl.dumps(request.body()).decode()
    if len(body.encode()) > _LONGEST_WORD:  # more than a command may be given in one word
        return " ".join([*words, "--data-binary", "@-", f"<<'BODY'\n{body}\nBODY"])
    return " ".join([*words, "--data-raw", shlex.quote(body)])
