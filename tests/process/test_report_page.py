"""The page of `llmcli report --html`, opened in a real browser: read, searched, filtered, opened by hand."""

from __future__ import annotations

import pytest

from tests import chromium
from tests.command.test_report import record

pytestmark = pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not here")

TEXTS = (
    "[...document.querySelectorAll('.row')].map((row) => [...row.children].map((cell) => cell.textContent))"
)
COUNT = "document.getElementById('count').textContent"
HOSTILE = (
    "</script><script>document.title = 'taken'</script><img src=http://127.0.0.1:9/x onerror=alert(1)>&amp;"
)


@pytest.fixture(scope="module")
def page():
    with chromium.chromium() as page:
        yield page
        assert page.faults == []
        assert [url for url in page.asked if not url.startswith("file:")] == []


@pytest.fixture
def made(cli, tmp_path, monkeypatch):
    """A page of these files of records."""
    monkeypatch.chdir(tmp_path)

    def make(*argv: str, **files: str):
        for name, content in files.items():
            (tmp_path / f"{name.replace('_', '.')}.jsonl").write_text(content)
        result = cli("report", *argv, "--html", "page.html")
        assert result.code == 0, result.err
        return tmp_path / "page.html"

    return make


def test_a_run_is_read_searched_filtered_and_opened(page, made):
    kept = [{"input": {"prompt": f"Where is city {row}?"}} for row in range(1200)]
    rows = [record(row, f"Answer {row}", about=kept[row]) for row in range(1200)]
    page.open(made("out.jsonl", out="".join(rows), out_errors=record(1200, None)))
    assert page.read(COUNT) == "1,201 rows"
    assert page.read(f"{TEXTS}[0]") == ["row-0", "Where is city 0?", "Answer 0", "0.1 s · $0.250000"]
    page.type("#search", "CITY 777")
    page.until(f"{COUNT} === '1 of 1,201 rows'")
    assert page.read(f"{TEXTS}.map((row) => row[0])") == ["row-777"]
    page.read("document.getElementById('search').value = ''")
    page.read("(() => { const kind = document.getElementById('kind'); kind.value = 1; kind.onchange() })()")
    page.until(f"{COUNT} === '1 of 1,201 rows'")
    assert page.read(f"{TEXTS}[0]")[2] == "tempfail: it is busy"
    page.read("document.getElementById('scroll').focus()")
    page.press("Enter")
    page.until("document.getElementById('whole').open")
    assert "it is busy" in page.read("document.getElementById('content').textContent")
    page.press("Escape")
    page.until("!document.getElementById('whole').open")


def test_arrow_keys_go_to_rows_that_were_not_on_the_screen(page, made):
    page.open(made("out.jsonl", out="".join(record(row) for row in range(700))))
    page.read("document.getElementById('scroll').focus()")
    for _ in range(30):
        page.press("ArrowDown")
    assert page.read("document.querySelector('.row.at').firstChild.textContent") == "row-30"
    page.read("document.getElementById('scroll').scrollTop = 1e9")
    page.until("[...document.querySelectorAll('.row .id')].at(-1).textContent === 'row-699'")


def test_what_an_answer_says_is_text_and_nothing_else(page, made):
    big = "x" * 1_000_000
    page.open(made("out.jsonl", out=record(0, HOSTILE, custom_id=HOSTILE) + record(1, big)))
    assert page.read(f"{TEXTS}[0][2]") == HOSTILE
    assert page.read("document.title") == "llmcli report: out.jsonl"
    assert page.read("document.querySelectorAll('img').length") == 0
    assert page.read(f"{TEXTS}[1][2]").endswith("… (998,000 bytes more)")
    assert "1 cell is cut" in page.read("document.getElementById('notice').textContent")


def test_two_runs_stand_side_by_side(page, made):
    first = "".join(record(row) for row in range(50))
    page.open(made("a.jsonl", "b.jsonl", a=first, b=first.replace('"Yes"', '"No"', 1)))
    page.read("(() => { const kind = document.getElementById('kind'); kind.value = 1; kind.onchange() })()")
    page.until(f"{COUNT} === '1 of 50 rows'")
    assert page.read(f"{TEXTS}[0]") == ["row-0", "", "Yes", "No"]
    assert "2 % of the answers" in page.read("document.getElementById('comparison').textContent")


def test_prompts_come_from_the_rows_themselves(page, made, tmp_path):
    (tmp_path / "rows.csv").write_text('prompt,n\n"One, or ""two""?",1\nThree?,2\n')
    page.open(made("out.jsonl", "--input", "rows.csv", out=record(1) + record(0)))
    assert page.read(f"{TEXTS}.map((row) => row[1])") == ['One, or "two"?', "Three?"]


@pytest.mark.parametrize("rows", ["", record(0, None)])
def test_a_run_without_an_answer_has_a_page(page, made, rows):
    page.open(made("out.jsonl", out="", out_errors=rows))
    assert page.read(COUNT) == ("1 row" if rows else "0 rows")


def test_a_phone_shows_it_without_scrolling_to_the_side(page, made):
    page.narrow(380)
    page.open(made("out.jsonl", out="".join(record(row, "word " * 100) for row in range(20))))
    assert page.read("document.documentElement.scrollWidth") <= 380
