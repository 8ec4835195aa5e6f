"""Inputs: all that a command's rows come from, to be looked at before the run, and to be read in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from llmcli import files
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.readers.entry import Columns
from llmcli.batch.input.rows import Row, RowBuilder
from llmcli.batch.input.source import Chain, EntrySource, FileSource, NamedSource, Part, PipeSource
from llmcli.batch.input.spool import SpooledSource
from llmcli.lean.dataclass import dataclass
from llmcli.world import go_back

if TYPE_CHECKING:
    from llmcli.batch.shards.deal import Deal


@dataclass(frozen=True)
class Inputs:
    """INPUT: `parts` in their order, or `paths` of files that are rows; `stdin` where a part is that.

    `deal`: whose rows these are; those of others are passed over.
    """

    parts: Sequence[Part]
    builder: RowBuilder
    stdin: BinaryIO | None = None
    paths: Sequence[str] | None = None
    deal: Deal | None = None

    @property
    def size(self) -> int | None:
        """Bytes of all; None where that is not known."""
        sizes = [part.size for part in self.parts]
        return None if self.paths is not None or None in sizes else sum(filter(None, sizes))

    @property
    def takes_stdin(self) -> bool:
        """Whether stdin brings rows."""
        return any(part.path is None for part in self.parts)

    def seen_by(self, see: Callable[[Row], None], in_order: Callable[[], bool]) -> Inputs:
        """The same for somebody who looks at each row; see RowBuilder."""
        return replace(self, builder=self.builder.seen_by(see, in_order))

    def with_spool(self, spool: Path | None) -> Inputs:
        """The same with what was kept of stdin in its place, where there is that."""
        if spool is None or not files.exists(spool):
            return self
        kept = [
            replace(part, path=str(spool), is_spool=True) if part.path is None else part
            for part in self.parts
        ]
        return replace(self, parts=kept)

    def source(self, stats: Stats, spool: Path | None) -> EntrySource | Chain:
        """The rows, for a run; `spool`: where a copy of stdin is kept."""
        return self._joined([self._source(part, stats, spool) for part in self.parts], stats)

    @contextmanager
    def again(self) -> Iterator[EntrySource | Chain]:
        """The rows of what can be read twice, all at hand, which is left as it was."""
        place = self.stdin.tell() if self.stdin is not None and self.stdin.seekable() else None
        with self._at_hand([part for part in self.parts if self._is_lasting(part)]) as source:
            yield source
        if place is not None and self.stdin is not None:
            go_back(self.stdin, place)

    def look(self) -> Columns | None:
        """The columns of tables, as far as they can be read twice.

        Raises UsageError where the beginning of a part says that it is no rows, or not those of the others.
        """
        with self.again():
            chain, is_checked = Chain([]), False
            for part in self.parts:
                if self._is_lasting(part):
                    with closing(self._file_source(part, Stats(began=0.0))) as source:
                        source.is_checked = is_checked
                        source.next()
                        chain.check_columns(source)
                        is_checked = source.is_checked
        if self.paths is not None:
            NamedSource(self.paths, self.builder, Stats(began=0.0)).next()
        return chain.columns

    def all_at_hand(self) -> AbstractContextManager[EntrySource | Chain]:
        """The rows, waiting for those that are not there yet, for a count."""
        return self._at_hand(self.parts)

    def _at_hand(self, parts: Sequence[Part]) -> AbstractContextManager[EntrySource | Chain]:
        stats = Stats(began=0.0)
        return closing(self._joined([self._file_source(part, stats) for part in parts], stats))

    def _joined(self, sources: Sequence[EntrySource], stats: Stats) -> EntrySource | Chain:
        if self.paths is not None:
            sources = [NamedSource(self.paths, self.builder, stats)]
        for source in sources:
            source.deal = self.deal
        return sources[0] if len(sources) == 1 else Chain(sources)

    def _source(self, part: Part, stats: Stats, spool: Path | None) -> EntrySource:
        if part.path is not None:
            kind = FileSource if part.is_file else PipeSource
            return kind(part, self.builder, stats)
        assert self.stdin is not None  # noqa: S101 - the command looked
        if spool is None:
            return PipeSource(part, self.builder, stats, self.stdin)
        return SpooledSource(part, self.builder, stats, self.stdin, spool)

    def _file_source(self, part: Part, stats: Stats) -> FileSource:
        return FileSource(part, self.builder, stats, self.stdin if part.path is None else None)

    def _is_lasting(self, part: Part) -> bool:
        if part.path is None:
            return self.stdin is not None and self.stdin.seekable()
        return part.is_file or part.remote is not None
