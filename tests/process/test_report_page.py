"""The page of `llmcli report --html`, opened in a real browser: read, searched, filtered, opened by hand."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests import chromium
from tests.command.test_report import AT, record
from tests.waiting import until

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
        result = cli("report", *argv, "--html", "page.html", "--format", "json")
        assert result.code == 0, result.err
        assert isinstance(json.loads(result.out), dict)
        return tmp_path / "page.html"

    return make


def choose(page, name: str, option: str) -> None:
    """Take what a list offers under this text."""
    page.read(
        f"(() => {{ const list = document.getElementById('{name}');"
        f" list.value = [...list.options].find((each) => each.text === '{option}').value;"
        " list.dispatchEvent(new Event('change')) })()"
    )


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
    choose(page, "kind", "tempfail")
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
    choose(page, "kind", "changed")
    page.until(f"{COUNT} === '1 of 50 rows'")
    assert page.read(f"{TEXTS}[0]") == ["row-0", "", "Yes", "No"]
    assert "2 % of the answers" in page.read("document.getElementById('comparison').textContent")


@pytest.mark.parametrize("sought", ['(A+B)*"C"\\D', "école", "ROW-77"])
def test_what_is_typed_is_searched_as_it_stands_in_any_case(page, made, sought):
    page.open(
        made("out.jsonl", out="".join(record(row) for row in range(77)) + record(77, '(a+b)*"c"\\d ÉCOLE'))
    )
    page.type("#search", sought)
    page.until(f"{COUNT} === '1 of 78 rows'")
    assert page.read(f"{TEXTS}[0]")[0] == "row-77"


def test_prompts_come_from_the_rows_themselves(page, made, tmp_path):
    (tmp_path / "rows.csv").write_text('prompt,n\n"One, or ""two""?",1\nThree?,2\n')
    page.open(made("out.jsonl", "--input", "rows.csv", out=record(1) + record(0)))
    assert page.read(f"{TEXTS}.map((row) => row[1])") == ['One, or "two"?', "Three?"]


def test_a_run_with_no_row_is_opened_and_filtered(page, made):
    path = made("out.jsonl", out="")
    page.open(path)
    assert page.read(COUNT) == "0 rows"
    page.type("#search", "anything")
    page.until(f"{COUNT} === '0 of 0 rows'")
    assert "none" in page.read("document.getElementById('figures').textContent")


def test_a_run_that_failed_altogether_is_opened_filtered_and_read(page, made):
    lines = [record(row, None, code="tempfail" if row % 3 else "auth") for row in range(9)]
    page.open(made("out.jsonl", out="", out_errors="".join(lines)))
    failures = page.read("document.getElementById('failures').textContent")
    assert "6tempfailrow-1it is busy" in failures
    assert "3authrow-0it is busy" in failures
    choose(page, "kind", "auth")
    page.until(f"{COUNT} === '3 of 9 rows'")
    assert page.read(f"{TEXTS}.map((row) => row[2])") == ["auth: it is busy"] * 3


def test_a_batch_that_is_running_is_opened_filtered_and_read(page, process):
    rows = [f'{{"prompt":"city {row}"}}\n'.encode() for row in range(5)]
    with process.start("batch", "-q", "-m", "offline/echo", "-O", "out.jsonl", stdin=subprocess.PIPE) as run:
        run.stdin.write(b"".join(rows[:3]))
        run.stdin.flush()
        until(
            lambda: (
                (process.home / "out.jsonl").exists()
                and (process.home / "out.jsonl").read_bytes().count(b"\n") == 3
            )
        )
        assert json.loads(process("report", "out.jsonl", "--html", "page.html", "--json").out)["rows"] == 3
        page.open(process.home / "page.html")
        page.type("#search", "city 2")
        page.until(f"{COUNT} === '1 of 3 rows'")
        assert page.read(f"{TEXTS}[0]")[2] == "city 2"
        run.communicate(b"".join(rows[3:]), timeout=60)
        assert run.returncode == 0
    assert json.loads(process("report", "out.jsonl", "--json").out)["rows"] == 5


def test_it_is_read_with_the_keyboard_alone(page, made):
    lines = [record(row, f"Answer {row}") for row in range(100)]
    page.open(made("out.jsonl", out="".join(lines), out_errors=record(100, None)))
    focus = "document.activeElement.id"
    page.press("/")
    page.insert("ANSWER 4")
    page.until(f"{COUNT} === '11 of 101 rows'")
    page.press("Tab")
    assert page.read(focus) == "kind"
    page.press("Tab")
    assert page.read(focus) == "scroll"
    page.press("ArrowDown")
    page.press("Enter")
    page.until("document.getElementById('whole').open")
    assert "Answer 40" in page.read("document.getElementById('content').textContent")
    page.press("Escape")
    page.until("!document.getElementById('whole').open")
    assert page.read(focus) == "scroll"


def test_it_is_dark_where_the_reader_wants_that(page, made):
    path = made("out.jsonl", out=record(0))
    shade = (
        "getComputedStyle(document.body).{}.match(/\\d+/g).map(Number).reduce((sum, part) => sum + part) / 3"
    )
    for on in (True, False):
        page.dark(on=on)
        page.open(path)
        page.until(f"matchMedia('(prefers-color-scheme: dark)').matches === {str(on).lower()}")
        paper, ink = page.read(shade.format("backgroundColor")), page.read(shade.format("color"))
        assert (paper < 60 and ink > 200) if on else (paper > 200 and ink < 60)


def test_plots_of_two_runs_have_the_same_scale(page, made):
    slow = [{"latency_ms": 1000.0, "at": AT.format(2 * row)} for row in range(20)]
    quick = [{"latency_ms": 510.0, "at": AT.format(row)} for row in range(20)]
    files = ["".join(record(row, about=each) for row, each in enumerate(abouts)) for abouts in (slow, quick)]
    page.open(made("a.jsonl", "b.jsonl", a=files[0], b=files[1]))
    bars = (
        "[...document.querySelectorAll('svg[aria-label=\"{}\"] rect')]"
        ".map((bar) => [bar.getAttribute('class'), Math.round(bar.getAttribute('x'))])"
    )
    assert page.read(bars.format("Rows by latency")) == [["a both", 580], ["b both", 300]]
    over_time = page.read(bars.format("Rows/s over time"))
    assert max(x for kind, x in over_time if kind == "b both") < 300
    assert page.read("document.querySelector('.row').lastChild.clientWidth") > 200


def test_a_phone_shows_it_without_scrolling_to_the_side(page, made, request):
    page.narrow(380)
    request.addfinalizer(page.wide)
    page.open(made("out.jsonl", out="".join(record(row, "word " * 100) for row in range(20))))
    assert page.read("document.documentElement.scrollWidth") <= 380
