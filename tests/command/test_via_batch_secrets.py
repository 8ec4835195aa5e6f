"""What `--via batch` keeps beside OUT, and says, of an address with a name and password in it: nothing of those."""

from __future__ import annotations

from tests.command.test_via_batch import Away, away, expected
from tests.server.batch_provider import Script

__all__ = ["away"]  # the fixture

SECRET = "hunter2-secret"


def asked(away: Away, *more: str, host: str = "127.0.0.1", password: str = SECRET):
    where = away.door.base_url.replace("127.0.0.1", f"ann:{password}@{host}")
    argv = [
        "batch",
        str(away.input),
        "-O",
        str(away.out),
        "-m",
        "tiny",
        "--base-url",
        where,
        "--via",
        "batch",
    ]
    return away.cli(*argv, *more)


def kept(away: Away) -> str:
    return "".join(path.read_text() for path in away.home.rglob("*") if path.is_file())


def test_neither_the_manifest_nor_an_error_has_the_password_of_the_address(away):
    away.rows("a")
    first = asked(away, "--no-wait")
    assert (first.code, SECRET in first.err + kept(away)) == (75, False), first.err
    elsewhere = asked(away, host="localhost")
    assert elsewhere.code == 2
    assert f"1 rows are away at {away.door.base_url}, not at http://localhost:" in elsewhere.err
    assert SECRET not in elsewhere.err
    changed = asked(away, password="another-secret")
    assert (changed.code, away.answers) == (0, expected("a")), changed.err


def test_an_address_without_a_batch_api_is_named_without_its_password(away):
    away.provider.script = Script(refuse={"upload": {0: 404}})
    away.rows("a")
    done = asked(away)
    assert (done.code, f"{away.door.base_url} has no Batch API" in done.err) == (65, True), done.err
    assert SECRET not in done.err + kept(away)
