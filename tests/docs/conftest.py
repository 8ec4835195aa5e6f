"""What is generated: compared with what is committed, or written anew with --update-docs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def up_to_date(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Check that a file of the repository is what was generated; with --update-docs, make it so."""

    def check(name: str, wanted: str) -> None:
        path = ROOT / name
        found = path.read_text("utf-8") if path.exists() else None
        if found != wanted and request.config.getoption("--update-docs"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted, "utf-8")
            return
        assert found == wanted, f"{name} is stale: python -m pytest tests/docs --update-docs"

    return check
