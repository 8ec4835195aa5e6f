"""A Request on its way: transport, sink, report and verdict, put together for one answer."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from llmcli import jsonl
from llmcli.app import App
from llmcli.errors import Invalid, LlmcliError, UsageError
from llmcli.exchange.asked import Asked
from llmcli.exchange.judged import item_of, judged, missing, wants_json
from llmcli.exchange.run import Follower, run
from llmcli.exchange.transports import key_variables, transport_of
from llmcli.exchange.unsent import check_unsent
from llmcli.exchange.verdict import check
from llmcli.files import append_line
from llmcli.output.media import asks_for_media, media_of
from llmcli.output.report import Report, joined, trace
from llmcli.output.sink import RecordSink, Sink, TextSink
from llmcli.output.streams import Out
from llmcli.request.builder import Builder
from llmcli.request.params import parse_pair
from llmcli.request.tools import tool_names
from llmcli.settings.answer import LoopSettings
from llmcli.settings.output import OutputSettings
from llmcli.transport.keys import without_keys
from llmcli.wire import Completion, Json, Message, Request, http_url, shown_url

_LONGEST_WORD = 100_000  # bytes; Linux takes 128 KiB
_MEDIA_TODO = "name a file with -O, or say --json"


def perform(app: App, builder: Builder, messages: Sequence[Message], settings: Asked) -> None:
    """Send the request, show the answer, report, and raise what is wrong with it."""
    output = settings.output
    builder = builder.reading(extract=output.extract)
    request = builder.request(messages)
    app.warn(builder.warnings(None if output.unsent else app.world.today()))
    followers = followers_of(app, request, settings.loop)
    check_media(request, settings)
    transport = transport_of(app, builder, settings)
    if output.unsent:
        check_unsent(app, request, settings)
        return show_request(app, request, app.out(output.output), as_curl=not output.dry_run)
    sink = sink_of(app, request, output, holds=bool(followers), items=settings.request.schema_multi)
    if output.usage_file is not None:
        append_line(output.usage_file, b"")  # what cannot be written is said before anything is paid for

    async def work() -> Completion:
        try:
            return await run(request, transport, sink, app.world.clock, followers)
        finally:
            await transport.aclose()

    with paid_before_failure(app, output):
        completion = app.drive(work(), settings.network.deadline)
    tell(app, Report.of(completion, app.prices.of), output)
    warn_of_missing(app, completion, request)
    check(completion, request)
    if (lost := lost_media(completion, settings)) is not None:
        raise lost
    return None


def check_media(request: Request, settings: Asked, *, turns: bool = False) -> None:
    """Raise UsageError where a request asks for media that have no place to go; of many `turns`, a file is none."""
    if asks_for_media(request.fields) and _holds_text_alone(settings, turns=turns):
        todo = "say --json, or ask turn by turn: llmcli ask --session FILE -O FILE" if turns else _MEDIA_TODO
        raise UsageError("--modalities asks for more than text, which has no place to go", todo=todo)


def lost_media(completion: Completion, settings: Asked, *, turns: bool = False) -> Invalid | None:
    """What is wrong with an answer whose media have no place to go."""
    if not (_holds_text_alone(settings, turns=turns) and media_of(completion)):
        return None
    where = completion.meta.where
    return Invalid("the answer has audio or an image, which text cannot show", where, _MEDIA_TODO)


def _holds_text_alone(settings: Asked, *, turns: bool) -> bool:
    """Whether answers are text where nothing else has a place: on stdout, a device, or in items."""
    output = settings.output
    return output.shape == "text" and (turns or settings.request.schema_multi or _is_shown(output))


def _is_shown(output: OutputSettings) -> bool:
    return output.output in {None, "-"} or str(output.output).startswith("/dev/")


def show_request(app: App, request: Request, out: Out, *, as_curl: bool) -> None:
    """What `--dry-run` and `--curl` write instead of sending."""
    if as_curl:
        if shown_url(request.url) != request.url:
            app.notes.say("*** stands for what is secret in the address: put it in again")
        return out.write(curl_command(request, key_variables(app, request)) + "\n")
    return out.write_bytes(jsonl.line(request.body()))


def followers_of(app: App, request: Request, loop: LoopSettings) -> list[Follower]:
    """What may ask on: the tools that run. Raises UsageError."""
    if not loop.exec:
        return []
    from llmcli.exchange.toolbox import Toolbox, parse_commands

    names = set(tool_names(request.fields.get("tools") or []))
    commands = parse_commands([parse_pair(pair, "--exec") for pair in loop.exec], names)
    env, withheld = without_keys(app.world.env, app.config.providers, loop.tool_env)
    return [
        Toolbox(
            commands,
            names,
            loop.tool_timeout,
            loop.max_turns,
            app.notes.detail,
            app.watch.waits_for,
            env=env,
            withheld=withheld,
            warn=app.notes.say,
        )
    ]


def sink_of(
    app: App,
    request: Request,
    output: OutputSettings,
    *,
    holds: bool = False,
    items: bool = False,
    out: Out | None = None,
    turns: bool = False,
) -> Sink:
    """The sink for the format. `holds`: an answer may be asked on, so nothing is shown before it is whole.

    `out` is where the answer goes, where that is open already. Of many `turns` it gets the text alone.
    """
    out = out or app.out(output.output)

    def read(message: Json) -> str:
        return judged(message, request).text

    if output.shape != "text":
        encode = jsonl.pretty if output.shape == "json" else jsonl.line
        return RecordSink(out, encode, app.prices.of, events=output.shape == "events")
    if items:
        from llmcli.output.items import ItemSink

        live = not holds and not request.extract
        return ItemSink(out, app.notes, output.null, output.reasoning, live, read, item_of(request))
    holds = holds or bool(request.fields.get("tools"))
    reading = read if wants_json(request) else None
    beside = None if turns or _is_shown(output) else app.stdout
    holds = holds or beside is not None
    return TextSink(out, app.notes, output.null, output.extract, holds, output.reasoning, beside, reading)


def warn_of_missing(app: App, completion: Completion, request: Request) -> None:
    """Say what was asked for and did not come."""
    for what in missing(completion, request):
        app.notes.say(f"warning: {what}")


@contextmanager
def paid_before_failure(app: App, output: OutputSettings) -> Iterator[None]:
    """Tell of the answers that came, and cost money, before what fails here."""
    try:
        yield
    except LlmcliError as error:
        if error.paid:
            tell(app, Report.of(joined(error.paid), app.prices.of), output)
        raise


def tell(app: App, report: Report, output: OutputSettings) -> None:
    """The usage line, the usage file, and what `-v` adds."""
    app.notes.detail(trace(report.completion, report.completion.meta.attempts))
    if output.usage:
        app.notes.write(report.line() + "\n")
    if output.usage_file is not None:
        append_line(output.usage_file, jsonl.line(report.envelope()))


def curl_command(request: Request, names: Sequence[str]) -> str:
    """The same request as a curl command for a POSIX shell; the key is a variable's name, the first of `names`."""
    if request.provider == "offline":
        raise UsageError("offline has no address that curl could ask", todo="drop --curl")
    words = ["curl", shlex.quote(shown_url(request.url)), "-H", shlex.quote("Content-Type: application/json")]
    url = http_url(request.url)
    if names and (url is None or url.username is None):  # else the address says who asks
        words += ["-H", f'"Authorization: Bearer ${names[0]}"']
    words += ["--no-buffer"] * request.stream
    body = jsonl.dumps(request.body()).decode()
    if len(body.encode()) > _LONGEST_WORD:  # more than a command may be given in one word
        return " ".join([*words, "--data-binary", "@-", f"<<'BODY'\n{body}\nBODY"])
    return " ".join([*words, "--data-raw", shlex.quote(body)])
