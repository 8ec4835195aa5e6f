"""INPUT, parts and `--merge` on the stores of Google and Azure, as a server of ours speaks their protocols."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import object_server, stores
from tests.conftest import Result
from tests.object_server import Objects
from tests.stores import gist, run, write

ROWS = 4_200
CLOUDS = ("gs", "az")  # S3 is what the tests beside these have
EACH = pytest.mark.parametrize("scheme", CLOUDS)


@pytest.fixture
def objects() -> Iterator[Objects]:
    with object_server.serving() as (objects, given), stores.environment(given):
        yield objects


@EACH
def test_parts_of_an_object_are_kept_and_merged(cli, objects, scheme):
    place = f"{scheme}://rows/d ä"
    stores.put(f"{scheme}://rows/in/rows.jsonl", Path(write("rows.jsonl", ROWS)).read_bytes())
    for index in range(2):
        argv = (f"{scheme}://rows/in/rows.jsonl", "--shard", f"{index}/2", "-O", place)
        assert run(cli, *argv) == Result(0, "", "")
        assert run(cli, *argv) == Result(0, "", "")
    assert run(cli, "--merge", place, "-O", "all.jsonl", "--ordered") == Result(0, "", "")
    assert run(cli, "rows.jsonl", "-O", "one.jsonl").code == 0
    assert gist("all.jsonl") == gist("one.jsonl")
    assert not [key for key in objects.kept if "_llmcli/" in key]


@EACH
def test_a_server_that_heeds_no_condition_is_told_of(cli, objects, scheme):
    objects.heeds_conditions = False
    said = run(cli, write("rows.jsonl", 3), "-O", f"{scheme}://rows/out")
    assert (said.code, "two writers would mix" in said.err) == (2, True)


@EACH
def test_a_server_that_acts_and_says_no_is_read_back(cli, objects, scheme):
    told = iter(["acts-500", "acts-409", "acts-503", None, "acts-closes"])
    objects.lie = lambda method, _key: next(told, None) if method == "PUT" else None
    assert run(cli, write("rows.jsonl", 3), "-O", f"{scheme}://rows/out") == Result(0, "", "")
    assert run(cli, "--merge", f"{scheme}://rows/out", "-O", "all.jsonl").code == 0


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AZURE_STORAGE_ACCOUNT_NAME", None, "Account must be specified; check the keys"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "no base64", "Invalid symbol 32, offset 2.; check the keys"),
        ("GOOGLE_SERVICE_ACCOUNT_KEY", "{}", "check the keys in the environment"),
    ],
)
def test_what_is_wrong_with_keys_is_said_and_where_they_belong(cli, objects, monkeypatch, name, value, said):
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    place = f"{'gs' if name.startswith('GOOGLE') else 'az'}://rows/out"
    result = run(cli, write("rows.jsonl", 3), "-O", place)
    assert (result.code, said in result.err, objects.requests) == (2, True, []), result.err
