"""What `--on ray` refuses before a cluster is looked for."""

from __future__ import annotations

import certifi
import pytest

from tests.conftest import part

ROWS = b'{"prompt":"x"}\n'


@pytest.fixture(autouse=True)
def _has_ray() -> None:
    part("ray")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--shard", "0/2", "-O", "out/"],
            "--shard and --on exclude each other; a cluster needs no parts: drop one",
        ),
        (["--share", "limit"], "--share and --on exclude each other; workers share a limit anyway: drop it"),
        (
            ["--via", "batch", "-O", "o.jsonl"],
            "--via batch and --on exclude each other; a provider's Batch API needs no",
        ),
        (["--replay", "tape"], "--replay and --on exclude each other; it asks nothing: drop one"),
        (
            ["--api-key-file", certifi.where()],
            "--api-key-file and --on exclude each other; workers have keys and certificates",
        ),
        (
            ["--cacert", certifi.where()],
            "--cacert and --on exclude each other; workers have keys and certificates of their",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_flags_that_make_no_sense_on_a_cluster_are_refused_by_name(cli, flags, message):
    result = cli("batch", "-m", "offline/echo", "--on", "ray", *flags, stdin=ROWS)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"llmcli: usage: {message}")


def test_workers_are_nothing_without_a_cluster(cli):
    result = cli("batch", "-m", "offline/echo", "--workers", "2", stdin=ROWS)
    assert (result.code, result.err) == (
        2,
        "llmcli: usage: --workers without --on; add --on ray; of the requests under way at once, it is --concurrency\n",
    )


@pytest.mark.parametrize("address", ["ray://head:10001", "http://head:8265"])
@pytest.mark.parametrize("more", [[], ["--dry-run"]], ids=["run", "dry-run"])
def test_a_cluster_seen_from_outside_has_no_files_of_ours(cli, tmp_path, address, more):
    (tmp_path / "rows.jsonl").write_bytes(ROWS)
    argv = [
        "batch",
        str(tmp_path / "rows.jsonl"),
        "-m",
        "offline/echo",
        "--on",
        "ray",
        "-H",
        "X-Key: abcdefghij",
        *more,
    ]
    result = cli(*argv, env={"RAY_ADDRESS": address})
    assert result.code == 2
    assert "is a cluster seen from outside, which has no files of this machine" in result.err
    assert (
        "run it inside: ray job submit --address http://head:8265 --working-dir . -- llmcli batch"
        in result.err
    )
    assert "abcdefghij" not in result.err


@pytest.mark.parametrize(
    ("out", "goes"), [("out.jsonl", True), ("/data/out.jsonl", False), ("s3://b/out", False)]
)
def test_the_line_that_runs_it_inside_warns_of_an_out_that_goes_with_its_job(cli, out, goes):
    argv = ["batch", "/data/rows.jsonl", "-m", "offline/echo", "--on", "ray", "-O", out]
    said = cli(*argv, env={"RAY_ADDRESS": "ray://head:10001"})
    assert (said.code, "the directory of a job is thrown away" in said.err) == (2, goes), said.err


def test_a_rehearsal_is_made_here(cli):
    result = cli("batch", "-m", "offline/echo", "--on", "ray", "--dry-run", stdin=ROWS)
    assert result.code == 0
    assert "1" in result.out
