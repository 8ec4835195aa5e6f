"""The picture of a batch at a terminal, as SVG: lines that the program itself draws of the figures of two moments."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from io import StringIO

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from llmcli.batch.bar import Style, drawn, parts
from llmcli.batch.engine.stats import Stats

WIDTH = 112
COMMAND = "[green]$[/] llmcli batch reviews.csv --choices praise,bug,question -O labels.csv --max-cost 5"
STOPPED = "^Cllmcli: SIGINT arrived: finishing 96 requests; once more to stop at once"
# Fonts that a machine has: a page that shows the picture may load none.
SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>llmcli batch: a bar, rows done, rows/s, money spent of projected, ETA, and what binds the run</title>
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; \
line-height: {line_height}px }}
{styles}
</style>
<rect fill="#292929" width="{width}" height="{height}" rx="8"/>
<g transform="translate({terminal_x}, 24)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
<defs>{lines}</defs>
</svg>
"""


def picture() -> str:
    console = Console(
        width=WIDTH, record=True, file=StringIO(), force_terminal=True, color_system="truecolor", _environ={}
    )
    console.print(COMMAND, highlight=False)
    console.print(line(2_140, 20_000, Counter()), no_wrap=True)
    console.print(STOPPED, highlight=False, style="dim")
    console.print(COMMAND, highlight=False)
    console.print(line(8_412, 20_000, Counter(invalid=3), earlier=2_236), no_wrap=True)
    svg = console.export_svg(theme=MONOKAI, code_format=SVG, unique_id="llmcli")
    return "\n".join(text.rstrip() for text in svg.split("\n")) + "\n"


def line(done: int, total: int, failures: Counter[str], earlier: int = 0) -> Text:
    """The line of a run, as a terminal of WIDTH columns has it."""
    cost = Decimal("0.0000574")
    stats = Stats(
        began=0.0, complete=True, found=total, ok=done - failures.total() - earlier, failures=failures
    )
    stats.earlier, stats.binds = earlier, "server"
    stats.spent, stats.earlier_spent = cost * (done - earlier), cost * earlier
    return Text.from_ansi(drawn(parts(stats, 131.4, 9_640.0, 60.0), done / total, WIDTH - 1, Style()))
