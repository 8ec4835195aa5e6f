"""What is shown of an exchange: the sink of its format, its usage, what was paid before a failure, what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from llmcli import jsonl
from llmcli.app import App
from llmcli.errors import Invalid, LlmcliError, UsageError, one_line
from llmcli.exchange.asked import Asked
from llmcli.exchange.judged import is_judged, item_of, judged, missing
from llmcli.files import append_line
from llmcli.output.markdown import screen_of
from llmcli.output.media import asks_for_media, media_of
from llmcli.output.report import Report, citations, joined_answers, trace
from llmcli.output.sink import RECORDS, Sink, TextSink
from llmcli.output.streams import Out
from llmcli.settings.output import OutputSettings
from llmcli.wire import Completion, Json, Request

_MEDIA_TODO = "name a file with -O, or say --json"


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


def sink_of(app: App, request: Request, settings: Asked, out: Out, *, turns: bool) -> Sink:
    """The sink for the format. Where tools run, an answer may be asked on: nothing is shown before it is whole.

    Of many `turns`, `out` gets the text alone.
    """
    output, holds = settings.output, settings.loop.runs

    def read(message: Json) -> str:
        return judged(message, request).text

    if output.shape != "text":
        return RECORDS[output.shape](out, app.prices.of)
    if settings.request.schema_multi:
        from llmcli.output.items import ItemSink

        live = not holds and not request.extract
        return ItemSink(out, app.notes, output.null, output.reasoning, live, read, item_of(request))
    holds = holds or bool(request.fields.get("tools"))
    reading = read if is_judged(request) else None
    beside = None if turns or _is_shown(output) else app.stdout
    holds = holds or beside is not None
    plain = output.null or output.extract or reading is not None
    out = screen_of(out, app.world, wanted=bool(output.render) and not plain)
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
            tell(app, Report.of(joined_answers(error.paid), app.prices.of), output)
        raise


def tell(app: App, report: Report, output: OutputSettings) -> None:
    """The usage line, the usage file, and what `-v` adds."""
    app.notes.detail(trace(report.completion, report.completion.meta.attempts))
    if output.usage:
        for cited in citations(report.completion):
            app.notes.write(one_line(cited) + "\n")
        app.notes.write(report.line() + "\n")
    if output.usage_file is not None:
        append_line(output.usage_file, jsonl.line(report.envelope()))
