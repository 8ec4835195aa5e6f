"""`llmcli report`: what a batch was: to read, to look at, to compare."""
# No `from __future__ import annotations`: the annotations are read as objects.

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from llmcli.errors import UsageError
from llmcli.lean.annotated import Annotated
from llmcli.lean.dataclass import dataclass
from llmcli.settings.flag import Argument, flag, settings
from llmcli.settings.general import GeneralSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmcli.app import App
    from llmcli.batch.reporting.outs import BatchOut


@settings("Report")
class ReportingSettings:
    """What is made of the records."""

    html: Annotated[
        str | None,
        flag(
            "--html",
            metavar="FILE",
            help="Write one page to look at: plots, rows to search, two runs side by side.",
        ),
    ] = None
    input: Annotated[
        list[str],
        flag(
            "--input",
            metavar="FILE",
            help="With --html: the INPUT, for the prompts (else those of --keep; repeatable).",
        ),
    ] = field(default_factory=list)
    format: Annotated[Literal["text", "json", "jsonl"], flag("--format", help="What stdout gets.")] = "text"
    json: Annotated[bool, flag("--json", help="The same as --format json.")] = False


@dataclass(frozen=True)
class ReportSettings:
    """What report can be told."""

    reporting: ReportingSettings
    general: GeneralSettings
    out: Annotated[
        list[str] | None,
        Argument("OUT", "OUT.jsonl, OUT.csv, .tsv, .txt or DIR/ of a batch; two are compared."),
    ] = None

    def check(self) -> None:
        """Raise UsageError where there is nothing to report on, or flags are without effect."""
        if not self.out:
            raise UsageError("there is no OUT", todo="name the -O of a batch: llmcli report out.jsonl")
        if "-" in self.out:
            raise UsageError("a report reads files, not stdin", todo="give the batch an -O, and name that")
        if self.reporting.html == "-":
            raise UsageError("is a page, which goes into a file", todo="name it", flag="--html")
        if self.reporting.input and self.reporting.html is None:
            raise UsageError("gives the page its prompts", todo="add --html FILE", flag="--input")


def report(app: "App", settings: ReportSettings) -> int:
    """Say what a batch was: rows, failures, tokens, cost, latency. A running one, too.

    Two OUTs are compared row by row; more are added up.
    """
    from llmcli.batch.reporting.outs import outs_named

    with outs_named(settings.out or ()) as outs:
        _show(app, outs, settings.reporting)
    return 0


def _show(app: "App", outs: "Sequence[BatchOut]", options: ReportingSettings) -> None:
    from llmcli import jsonl
    from llmcli.batch.reporting.program import reported
    from llmcli.batch.reporting.shown import comparison_text, report_text

    as_text = options.format == "text" and not options.json
    found = reported(outs, whole=options.html is not None or not as_text)
    if options.html is not None:
        from llmcli.batch.reporting.page import write_page

        write_page(found, options.html, options.input, app.notes.say)
    if not as_text:
        write = jsonl.line if options.format == "jsonl" and not options.json else jsonl.pretty
        app.stdout.write_bytes(write(found.record()))
    elif found.comparison is None:
        app.stdout.write(report_text(found.figures[0]))
    else:
        app.stdout.write(comparison_text(found.figures, found.comparison))
