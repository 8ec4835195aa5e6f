"""The guide's picture of a report's page: two runs of the same rows, as a browser draws them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests import chromium
from tests.command.test_report import record

PICTURE = Path(__file__).parents[2] / ".github" / "report.png"
LABELS = ("bug", "question", "praise")
SAID = (
    "The app closes when I rotate it.",
    "Can I pay by invoice?",
    "Best update in years.",
    "It hangs at start.",
)


def test_the_picture_is_there():
    assert PICTURE.read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(chromium.PROGRAM is None, reason="Chromium is not here")
def test_the_page_is_drawn_anew_on_request(request, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chance = random.Random(7)
    for name, share, wait in (("monday.jsonl", 0.06, 900), ("tuesday.jsonl", 0.02, 600)):
        lines, failed = [], []
        for row in range(400):
            label = LABELS[0] if row % 3 else chance.choice(LABELS)
            about = {"latency_ms": chance.gauss(wait, wait / 5), "cost_usd": 0.00004 + row % 7 / 1e6}
            about |= {"choice": {"label": label, "probability": None}, "input": {"prompt": SAID[row % 4]}}
            if chance.random() < share:
                failed.append(record(row, None))
            else:
                lines.append(record(row, label, about=about))
        tmp_path.joinpath(name).write_text("".join(lines))
        tmp_path.joinpath(name.replace(".jsonl", ".errors.jsonl")).write_text("".join(failed))
    assert cli("report", "monday.jsonl", "tuesday.jsonl", "--html", "page.html").code == 0
    with chromium.chromium() as page:
        page.open(tmp_path / "page.html")
        drawn = page.picture(1100, 1250)
        assert page.faults == []
    if request.config.getoption("--update-docs"):
        PICTURE.write_bytes(drawn)
