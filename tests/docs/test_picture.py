"""The README's picture of a batch: what the program draws today."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from tests.docs.conftest import ROOT
from tests.docs.picture import picture

NAME = ".github/batch.svg"


def test_the_picture_is_up_to_date_and_loads_nothing(up_to_date):
    up_to_date(NAME, picture())
    text = " ".join("".join(ET.fromstring(picture()).itertext()).split())  # noqa: S314 - our own
    for part in ("━━", "8,412/20,000", "3 failed", "rows/s", " of ", "ETA ", "bound by server"):
        assert part in text
    assert "http" not in picture().replace("http://www.w3.org/2000/svg", "")


def test_the_readme_shows_it():
    assert f"]({NAME})" in (ROOT / "README.md").read_text("utf-8")
