"""Cells: the rows of the page, as compact JSON in packed blocks; nothing of a record is cut without saying so."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from typing import Any, NamedTuple

from llmcli import jsonl
from llmcli.batch.reporting.briefs import Brief
from llmcli.batch.reporting.gist import COUNTS, usage_in
from llmcli.batch.reporting.outs import BatchOut
from llmcli.batch.reporting.prompts import question_in
from llmcli.batch.views.answers import answer_of
from llmcli.lean.dataclass import dataclass
from llmcli.wire import Json

ROWS_A_BLOCK = 500
GZIP = zlib.MAX_WBITS | 16  # as zlib calls that format
_LONGEST = 2000  # bytes of a cell
_BOUND = 99_000_000  # bytes of all blocks: with what is around them the page stays under 100 MB

RunRow = tuple[int, Brief]
"""The number of a run, and a row's record in it."""


class Shortened(NamedTuple):
    """A text as the page shows it, and whether that is not all of it."""

    text: str
    is_cut: bool


def shortened(text: str) -> Shortened:
    """At most 2 kB of a text."""
    data = text.encode("utf-8", "replace")
    if len(data) <= _LONGEST:
        return Shortened(data.decode(), is_cut=False)
    begin = data[:_LONGEST].decode("utf-8", "ignore")
    return Shortened(f"{begin}… ({len(data) - _LONGEST:,} bytes more)", is_cut=True)


_NOTHING = Shortened("", is_cut=False)


@dataclass
class Cells:
    """Writes the rows of the page. `prompts` are by file and row, where INPUT was given.

    `written` rows were put into blocks, of which `cut` cells were longer than 2 kB.
    """

    outs: Sequence[BatchOut]
    prompts: dict[tuple[str | None, int], Shortened]
    written: int = 0
    cut: int = 0
    asked: bool = False  # a prompt was found
    _size: int = field(default=0, init=False)

    def blocks(self, rows: Iterable[tuple[int, Sequence[RunRow | None]]]) -> Iterator[bytes]:
        """Blocks of rows, each gzipped and in base64: until the page would be too large.

        A row is (the number of its kind, its record in each run); in the block it is
        `[custom_id, kind, prompt, run, ...]`, a run is
        `[code, text, latency in ms, $, tokens in, tokens out, label, model]` or 0.
        """
        block: list[Any] = []
        for kind, records in rows:
            block.append(self._row(kind, records))
            if len(block) == ROWS_A_BLOCK:
                if (packed := self._packed(block)) is None:
                    return
                yield packed
                block = []
        if block and (packed := self._packed(block)) is not None:
            yield packed

    def _packed(self, block: list[Any]) -> bytes | None:
        packed = b64encode(zlib.compress(jsonl.dumps(block), 5, wbits=GZIP))
        if self._size + len(packed) > _BOUND:
            return None
        self._size += len(packed)
        self.written += len(block)
        return packed

    def _row(self, kind: int, records: Sequence[RunRow | None]) -> list[Any]:
        prompt, name = _NOTHING, ""
        runs: list[Any] = []
        for shown in records:
            if shown is None:
                runs.append(0)
                continue
            run, brief = shown
            record = jsonl.loads(self.outs[run].read(brief.line))
            runs.append(self._run(record, brief))
            prompt = prompt if prompt.text else self._prompt(record, brief)
            name = name or str(brief.custom_id)
        return [self._shown(shortened(name)), kind, self._shown(prompt), *runs]

    def _run(self, record: Json, brief: Brief) -> list[Any]:
        about, error = record["llmcli"], record["error"]
        usage = usage_in((record["response"] or {}).get("body"))
        counts = [usage.get(name) for name in COUNTS]
        text = answer_of(record) if error is None else str(error.get("message"))
        figures = [about["latency_ms"], about["cost_usd"], *counts]
        return [brief.state, self._shown(shortened(text)), *figures, brief.label, about["model"]]

    def _prompt(self, record: Json, brief: Brief) -> Shortened:
        prompt = self.prompts.get((brief.file, brief.row))
        if prompt is None and isinstance(kept := record["llmcli"].get("input"), dict):
            prompt = shortened(question_in(kept))
        self.asked = self.asked or prompt is not None
        return prompt or _NOTHING

    def _shown(self, cell: Shortened) -> str:
        self.cut += cell.is_cut
        return cell.text
