"""Every test of this folder has an object store, `s3://rows`, and is in an empty directory."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import stores
from tests.conftest import part


@pytest.fixture(scope="session")
def _moto() -> Iterator[dict[str, str]]:
    part("obstore")
    part("moto")
    with stores.moto() as given:
        yield given


@pytest.fixture(autouse=True)
def _here(_moto: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in _moto.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def place() -> str:
    """A folder of its own."""
    return f"s3://rows/{uuid.uuid4().hex}"
