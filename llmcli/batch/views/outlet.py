"""The outlet: what comes out of one batch, as its flags say: records, a view of them, rows on stdout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from llmcli.app import App
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.frame import Frame
from llmcli.batch.input.identity import Identity
from llmcli.batch.input.readers.entry import Columns
from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.ledger import Ledger
from llmcli.errors import UsageError
from llmcli.lean.once import once
from llmcli.request.builder import Builder
from llmcli.settings.batch.run import RunSettings
from llmcli.settings.batch.view import ViewKind, ViewSettings
from llmcli.settings.request import RequestSettings
from llmcli.wire import Json

if TYPE_CHECKING:
    from llmcli.batch.ledger.printed import Printed
    from llmcli.batch.ledger.record_keeper import RecordKeeper
    from llmcli.batch.views.cells import Risky
    from llmcli.batch.views.each import EachFile
    from llmcli.batch.views.kept import Keep
    from llmcli.batch.views.seal import Seal
    from llmcli.batch.views.stdout import Filtered, Form
    from llmcli.batch.views.table import Answering, OwnColumns
    from llmcli.batch.views.view import View, ViewLines

Reread = Callable[[], Iterator[Row]]
"""The rows of the input, from its beginning."""


class Outcoming(Protocol):
    """What is to come out."""

    @property
    def run(self) -> RunSettings:
        """Where records go, and the form of what is printed."""

    @property
    def view(self) -> ViewSettings:
        """What comes out beside them."""

    @property
    def request(self) -> RequestSettings:
        """The labels."""


class Outlet:
    """What comes out of a batch. `keep` is what of a row goes into its record, None: nothing; `each` writes files.

    `told` is what there is to be said at the end.
    """

    def __init__(self, app: App, settings: Outcoming, frame: Frame) -> None:
        self._app, self._run, self._settings = app, settings.run, settings
        self._builder = frame.builder
        self._null = settings.view.null
        self._passing = settings.view.passing(settings.request.labels)
        self._filtered: Filtered | None = None  # where rows are printed in a form of their own
        self._seen = False  # the first row that says which columns there are
        self._seal: Seal | None = None
        self._view: View | None = None
        self.keep = self._keep()
        if self._run.view is not None:
            self._shape(self._run.view)
        self.each = _each_file(settings, frame)
        self.told: list[str] = []

    def _keep(self) -> Keep | None:
        said = self._settings.view
        if not said.keep and not self._run.is_shaped:
            return None
        from llmcli.batch.views.kept import Keep  # here, since few runs keep more than records

        return Keep(said.kept if said.keep else None)

    def _shape(self, kind: ViewKind) -> None:
        """OUT is a view of the records."""
        from llmcli.batch.views.kept import Keep  # as above
        from llmcli.batch.views.seal import Seal
        from llmcli.batch.views.view import View

        self._seal = Seal(Path(self._run.output or ""))
        self._view = View(kind, self._answering, self._risky, self._null, self.keep or Keep(None))

    @once
    def _answering(self) -> Answering:
        return _answering(self._settings, self._builder)

    @once
    def _own(self) -> OwnColumns:
        from llmcli.batch.views.table import OwnColumns  # as above

        return OwnColumns()

    @once
    def _risky(self) -> Risky:
        from llmcli.batch.views.cells import Risky  # as above

        return Risky(self._settings.view.safe_cells)

    def check(self) -> None:
        """Raise UsageError where a view is not to be written, before a row is sent."""
        if self._run.is_table:
            self._answering.check(())
        if self._seal is not None:
            self._seal.check()

    def see(self, row: Row) -> None:
        """Look at a row. Raises UsageError where the first good one shows that the command is not meant for them."""
        if self.each is not None:
            self.each.name(row)
        if self._filtered is not None:
            self._filtered.see(row)
        if self.keep is None:
            return
        if not self._seen and (row.columns is not None or row.error is None):
            self._seen = True
            self._see_first(row, self.keep)
        elif self._view is not None and row.columns is None and row.fields:
            self._check_later(row.fields, self.keep)

    def in_order(self) -> bool:
        """Whether it has to look at a row behind those before it: what it learns of one, it asks of the next."""
        learns = self.keep is not None and not self._seen
        return learns or self.each is not None or self._filtered is not None

    @property
    def looks(self) -> bool:
        """Whether it has to look at each row. Known once there are records."""
        return any(each is not None for each in (self.keep, self.each, self._filtered))

    def see_header(self, columns: Columns | None) -> None:
        """Look at the columns of a table, which need have no row."""
        if columns is not None and self.keep is not None and not self._seen:
            self._seen = True
            self._see_first(Row(0, None, 0, columns=columns), self.keep)

    def _see_first(self, row: Row, keep: Keep) -> None:
        keep.check(row)
        titles = keep.titles(row)
        from llmcli.batch.views.table import OwnColumns  # as above

        self._own = OwnColumns(titles, dict.fromkeys(titles or keep.of(row)))
        if self._run.is_table:
            self._answering.check(self._own.header())
        if self._view is not None:
            self._view.titles = titles

    def _check_later(self, fields: Json, keep: Keep) -> None:
        """Raise UsageError where a later row has a field whose name is a column's of the answer, before it is sent."""
        clashing = fields.keys() & self._answering.taken
        if clashing and self._run.is_table:
            self._answering.check(name for name in clashing if keep.names is None or name in keep.names)

    def records(self, identity: Identity) -> Ledger | Printed:
        """Where records of rows go that are known so. Raises UsageError, Busy, OutputFailure."""
        options, stdout = self._run, self._app.stdout
        if options.kept is not None:
            ledger = Ledger(options.kept, fresh=options.fresh, identity=identity)
            if self.each is not None:
                self.each.ledger = ledger
            return ledger
        from llmcli.batch.ledger.printed import Printed  # here, since most runs have an OUT

        stdout.check()
        form = self._form()
        if form is not None:
            from llmcli.batch.views.stdout import Filtered

            self._filtered = Filtered(form, self._app.notes.error, self._passing)
        return Printed(stdout.write_bytes, self._filtered, ordered=options.ordered)

    def _form(self) -> Form | None:
        """The form of what stdout gets; None for records, answers and failures alike."""
        from llmcli.batch.views.stdout import Form, TableForm, TextForm  # as above

        shape = self._run.shape
        if shape == "jsonl":
            return Form() if self._passing else None
        if shape == "text":
            return TextForm(self._answering, self._null)
        return TableForm(shape == "csv", self._answering, self._risky, lambda: self._own, self._app.notes.say)

    def make_view(self, records: RecordKeeper, stats: Stats, reread: Reread) -> None:
        """Make the view anew, if there is one. Raises UsageError, OutputFailure."""
        if self._view is None or not isinstance(records, Ledger):
            return
        self.renew(records.places(stats.found if stats.complete else None).lines, reread)
        self.told.append(f"{self._run.output} has {_counted(self._view.count, 'row')}, {_missing(stats)}")

    def renew(self, lines: ViewLines, reread: Reread) -> None:
        """Make the view anew of the records of all rows, in their order. Raises UsageError, OutputFailure."""
        assert self._view is not None and self._seal is not None  # noqa: S101, PT018 - -O names one
        self._risky.count = 0
        self._seal.renew(self._view.pieces(lines, reread))

    def check_written(self) -> None:
        """Raise OutputFailure where answers are there that can have no file of their own."""
        if self.each is not None:
            self.each.check_written()

    def tell(self) -> None:
        """Say what there is to be said at the end."""
        if (self._view is not None or self._filtered is not None) and (risky := self._risky.count):
            done = "they are marked with an apostrophe" if self._risky.mark else "--safe-cells marks them"
            self.told.append(f"a spreadsheet would run {_counted(risky, 'cell')}: {done}")
        for line in self.told:
            self._app.notes.say(line)


def _each_file(settings: Outcoming, frame: Frame) -> EachFile | None:
    template = settings.view.write_each
    if template is None:
        return None
    from llmcli.batch.views.answers import lines_of_items
    from llmcli.batch.views.each import EachFile  # here, since few runs write them

    read = lines_of_items if settings.request.schema_multi else str
    return EachFile(template, _others(settings.run, frame), frame.inputs.builder.how.each, read)


def _others(run: RunSettings, frame: Frame) -> list[str]:
    """The files of the input and of the output, but for those that each row names."""
    inputs = [part.path for part in frame.inputs.parts if part.path is not None]
    beside = [] if run.kept is None else [f"{run.kept}.stdin", f"{run.output}.view"]
    return [*inputs, *(frame.inputs.paths or ()), *map(str, run.written), *beside]


def check_outlet(settings: Outcoming) -> None:
    """Raise UsageError where flags exclude each other, or have nothing to be about."""
    run, view = settings.run, settings.view
    passing = view.passing(settings.request.labels)
    if passing and run.lasts:
        todo = "OUT keeps all rows: filter it, or leave -O out"
        raise UsageError("prints rows, and -O writes them to a file", todo=todo, flag="--where")
    table = "write a table: -O OUT.csv, or --format csv"
    for flag, wanted in (("--into", view.into is not None), ("--safe-cells", view.safe_cells)):
        if wanted and not run.is_table:
            raise UsageError("without a table", todo=table, flag=flag)
    is_text = run.view == "txt" if run.lasts else run.shape == "text"
    if view.null and not is_text:
        raise UsageError("without lines of text", todo="write -O OUT.txt, or --format text", flag="--null")


def _answering(settings: Outcoming, builder: Builder) -> Answering:
    """The columns of an answer: with a schema, one for each of its properties."""
    from llmcli.batch.views.answers import Properties, list_of_items  # here, since few runs need them
    from llmcli.batch.views.table import Answering

    expects = builder.ask.expects
    properties = None if expects is None or settings.request.schema_multi else Properties(expects)
    has_columns = properties is not None and properties.names
    with_error = settings.run.view is not None  # on stdout there are no failures
    read = list_of_items if settings.request.schema_multi else str
    return Answering(settings.view.into, properties if has_columns else None, with_error, read)


def _missing(stats: Stats) -> str:
    """How many of the rows to run are not final."""
    if not stats.complete and (stats.limit is None or stats.rows < stats.limit):
        return "and the input was not read to its end"
    total = stats.rows if not stats.complete else stats.found
    total = total if stats.limit is None else min(total, stats.limit)
    missing = max(total - stats.done, 0)
    return f"{missing:,} {'is' if missing == 1 else 'are'} missing"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
