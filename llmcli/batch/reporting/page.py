"""The page: one HTML file with nothing outside it: figures, plots, and rows to search, of one run or of two."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from llmcli import jsonl
from llmcli.batch.reporting.briefs import Brief, briefs_of
from llmcli.batch.reporting.cells import GZIP, Cells, RunRow, shortened
from llmcli.batch.reporting.figures import Figures
from llmcli.batch.reporting.measures import Percentiles, highest_shown
from llmcli.batch.reporting.pairs import PAIR_KINDS
from llmcli.batch.reporting.program import Reported
from llmcli.batch.reporting.prompts import prompts_of
from llmcli.errors import UsageError
from llmcli.output.streams import OutputFile
from llmcli.wire import Json

_ASSETS = Path(__file__).with_name("assets")
_AHEAD = 1  # blocks before the script, so that the first rows are shown while the others are read

_SPREADS: dict[str, Callable[[Figures], Percentiles]] = {
    "latency_ms": lambda run: run.latency,
    "cost_usd": lambda run: run.costs,
    "tokens": lambda run: run.answers,
}

PageRow = tuple[int, Sequence[RunRow | None]]


def write_page(found: Reported, path: str, inputs: Sequence[str], say: Callable[[str], None]) -> None:
    """Write the page, by a rename where it is to be a file. Raises UsageError, NoInput, OutputFailure."""
    _check_place(found, path, inputs)
    prompts = {(file, number): shortened(prompt) for file, number, prompt in prompts_of(inputs)}
    cells = Cells(found.outs, prompts)
    out = OutputFile(path)
    try:
        for piece in _pieces(found, cells):
            out.write_bytes(piece)
    except BaseException:
        out.discard()
        raise
    out.commit()
    if cells.written < (total := _total(found)):
        say(f"{path} has the first {cells.written:,} of {total:,} rows: a page has at most 100 MB")
    if cells.cut:
        cut = "1 cell is" if cells.cut == 1 else f"{cells.cut:,} cells are"
        say(f"{cut} cut after 2 kB on the page")


def _check_place(found: Reported, path: str, inputs: Sequence[str]) -> None:
    place = Path(path)
    taken = [file for out in found.outs for file in out.paths] + [Path(name) for name in inputs]
    taken += [Path(out.name) for out in found.outs]
    if any(place.exists() and file.exists() and place.samefile(file) for file in taken):
        raise UsageError(f"{path} is what the report is of", todo="choose another file", flag="--html")


def _total(found: Reported) -> int:
    return len(found.pairs) if found.comparison is not None else found.figures[0].rows


def _pieces(found: Reported, cells: Cells) -> Iterator[bytes]:
    """The page from its beginning to its end."""
    rows, index = _rows_of(found)
    head, _, tail = (_ASSETS / "page.html").read_bytes().partition(b"<!-- rows -->")
    blocks = cells.blocks(rows)
    yield head.replace(b"/* style */", (_ASSETS / "page.css").read_bytes())
    yield from (_block(next(blocks, None)) for _ in range(_AHEAD))
    yield _json_script("about", _about(found, cells))
    yield b'<script type="text/plain" id="index">' + _packed(index) + b"</script>\n"
    yield b"<script>\n" + (_ASSETS / "page.js").read_bytes() + b"</script>\n"
    yield from (_block(block) for block in blocks)
    left_out = {"rows": _total(found) - cells.written, "cells": cells.cut, "prompts": cells.asked}
    yield _json_script("end", left_out)
    yield tail


def _rows_of(found: Reported) -> tuple[Iterator[PageRow], Json]:
    """The rows of the page, and for each what it is filtered by: its kind and its label, as numbers."""
    if found.comparison is not None:
        kinds: list[str] = list(PAIR_KINDS)
        records: list[list[RunRow | None]] = [
            [None if brief is None else (run, brief) for run, brief in enumerate(pair)]
            for pair in found.pairs
        ]
        states = [PAIR_KINDS.index(pair.kind) for pair in found.pairs]
    else:
        shown = [(run, brief) for run, out in enumerate(found.outs) for brief in briefs_of(out)]
        kinds = sorted({brief.state for _, brief in shown}, key=lambda state: (state != "ok", state))
        numbers = {kind: number for number, kind in enumerate(kinds)}
        records = [[each] for each in shown]
        states = [numbers[brief.state] for _, brief in shown]
    labels = [_label(each) for each in records]
    names = sorted(set(labels) - {""})
    places = {name: number for number, name in enumerate(["", *names])}
    index = {"kinds": kinds, "labels": names, "kind": states, "label": [places[label] for label in labels]}
    return iter(list(zip(states, records, strict=True))), index


def _label(records: Sequence[RunRow | None]) -> str:
    """The label of a row; of two runs that gave different ones, both."""
    found = [_own_label(shown[1]) for shown in records if shown is not None]
    return found[0] if len(set(found)) == 1 else " → ".join(label or "none" for label in found)


def _own_label(brief: Brief) -> str:
    return brief.label or ""


def _about(found: Reported, cells: Cells) -> Json:
    """What the head of the page shows."""
    comparison = None if found.comparison is None else found.comparison.record()
    return {
        "runs": _plotted(found.figures),
        "comparison": comparison,
        "share": None if found.comparison is None else found.comparison.share,
        "total": _total(found),
        "given": bool(cells.prompts),
    }


def _plotted(runs: Sequence[Figures]) -> list[Json]:
    """Their figures, and the bars of their plots, which have the same scale."""
    bars: list[Json] = [{} for _ in runs]
    for name, spread_of in _SPREADS.items():
        spreads = [spread_of(run) for run in runs]
        top = highest_shown(spreads)
        for shown, spread in zip(bars, spreads, strict=True):
            shown[name] = spread.bars(top)
    return [{**run.record(), "bars": shown} for run, shown in zip(runs, bars, strict=True)]


def _block(packed: bytes | None) -> bytes:
    return b"" if packed is None else b'<script type="text/plain" class="rows">' + packed + b"</script>\n"


def _packed(value: Json) -> bytes:
    return b64encode(zlib.compress(jsonl.dumps(value), 6, wbits=GZIP))


def _json_script(name: str, value: Json) -> bytes:
    """JSON in the page; what could end its element is written otherwise."""
    data = jsonl.dumps(value).replace(b"<", b"\\u003c")
    return b'<script type="application/json" id="%s">%s</script>\n' % (name.encode(), data)
