"""The ledger: what two files say of a run, whatever happened to it."""

from __future__ import annotations

import os
import re
import resource
import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcli.batch.input.rows import Row
from llmcli.batch.ledger.final import record_id
from llmcli.batch.ledger.ledger import Ledger
from llmcli.batch.ledger.printed import Printed
from llmcli.errors import Busy, OutputFailure, UsageError
from llmcli.settings.batch.run import errors_path


def record(row: int, digest: int = 7, text: str = "x", code: str | None = None, cost: str = "0.5") -> bytes:
    error = f'{{"code":"{code}","message":"it went wrong"}}' if code else "null"
    return (
        f'{{"id":"{record_id(Row(row, None, digest))}","custom_id":"row-{row}","response":{{"body":"{text}"}},'
        f'"error":{error},"llmcli":{{"row":{row},"attempts":1,"cost_usd":{cost},"model":"m"}}}}\n'
    ).encode()


@pytest.fixture
def out(tmp_path: Path) -> str:
    return str(tmp_path / "out.jsonl")


def written(out: str, *lines: bytes, failed: tuple[bytes, ...] = ()) -> None:
    Path(out).write_bytes(b"".join(lines))
    errors_path(Path(out)).write_bytes(b"".join(failed))


def recovered(out: str, *, retry_failed: bool = False) -> tuple[set[int], int, str]:
    """(final rows, failures among them, $ spent), as a new run finds them."""
    ledger = Ledger(out, fresh=False)
    try:
        done = ledger.recover(retry_failed=retry_failed)
    finally:
        ledger.close()
    return {row for row in range(len(done)) if done.is_final(row)}, done.failed, str(done.spent)


def test_a_last_record_that_lost_its_newline_is_kept(out):
    for paths in ({"out": (record(0)[:-1],)}, {"failed": (record(0, code="rejected")[:-1],)}):
        written(out, *paths.get("out", ()), failed=paths.get("failed", ()))
        assert recovered(out)[0] == {0}
        written_now = Path(out).read_bytes() + errors_path(Path(out)).read_bytes()
        assert written_now == record(0, code="rejected" if "failed" in paths else None)


def test_rows_of_both_files_are_final_and_their_cost_is_known(out):
    written(out, record(3), record(0), failed=(record(1, code="invalid"),))
    assert recovered(out) == ({0, 1, 3}, 1, "1.5")


def test_failures_that_may_pass_are_pending_again_and_what_they_cost_still_counts(out):
    written(out, record(0), failed=(record(1, code="tempfail"), record(2, code="rejected")))
    assert recovered(out) == ({0, 2}, 1, "1.5")
    assert errors_path(Path(out)).read_bytes() == record(1, code="tempfail") + record(2, code="rejected")


def test_all_failures_are_pending_again_with_retry_failed(out):
    written(out, record(0), failed=(record(1, code="tempfail"), record(2, code="rejected")))
    assert recovered(out, retry_failed=True)[0] == {0}
    assert errors_path(Path(out)).read_bytes() == record(1, code="tempfail") + record(2, code="rejected")


@given(
    cut=st.integers(min_value=0, max_value=len(record(1)) - 2), text=st.sampled_from(["x", "é\u2028", "}}"])
)
def test_a_torn_last_line_is_cut_wherever_it_was_torn(tmp_path_factory, cut, text):
    out = str(tmp_path_factory.mktemp("torn") / "out.jsonl")
    written(out, record(0), record(1, text=text)[:cut])
    assert recovered(out)[0] == {0}
    assert Path(out).read_bytes() == record(0)


@settings(deadline=None)
@given(cut=st.integers(min_value=0, max_value=len(record(1, code="rejected")) - 2))
def test_a_torn_last_line_of_the_errors_is_cut_too(tmp_path_factory, cut):
    out = str(tmp_path_factory.mktemp("torn") / "out.jsonl")
    written(out, record(0), failed=(record(2, code="rejected"), record(1, code="rejected")[:cut]))
    assert recovered(out) == ({0, 2}, 1, "1.0")


TORN = {
    "zeros after a crash": record(0) + bytes(100),
    "half a line of somebody's hand": record(0) + b'{"custom_id": "row-1", "resp',
    "no JSON at all": record(0) + b"\xff\xfe and so on",
}


@pytest.mark.parametrize("content", TORN.values(), ids=TORN)
def test_what_has_no_end_after_a_record_is_cut_whatever_it_is(out, content):
    written(out, content)
    assert recovered(out)[0] == {0}
    assert Path(out).read_bytes() == record(0)


def test_half_a_first_record_is_cut_whoever_wrote_it(out):
    written(out, b'{"id": "batch_req_000000_')
    assert recovered(out)[0] == set()
    assert Path(out).read_bytes() == b""


FOREIGN = {
    "one line without an end": b"what I wrote yesterday",
    "text": b"what I wrote yesterday\n",
    "other JSON": b'{"id":"chatcmpl-1"}\n',
    "a line that is broken off in the middle": record(0) + record(1)[:60] + b"\n" + record(2),
    "a line that is broken off, and the next": record(0) + record(1)[:60] + record(2),
    "text that is no UTF-8": record(0) + record(1).replace(b'"m"', b'"\xff"'),
    "another's JSON without an end": b'{"id":"chatcmpl-1"}',
    "a record of a row that no input has": record(0) + record(99_999_999_999),
    "a number that is none": record(0).replace(b"000000", b"9" * 5000),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("retry_failed", [False, True])
def test_a_file_that_is_no_output_is_refused_as_it_is(out, content, retry_failed):
    for path in (Path(out), errors_path(Path(out))):
        written(out)
        path.write_bytes(content)
        with pytest.raises(UsageError, match=f"{path} is no output of llmcli batch"):
            recovered(out, retry_failed=retry_failed)
        assert path.read_bytes() == content


def bytes_read() -> int:
    """What this process has read from files and pipes so far."""
    return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())[1])


def test_a_large_file_that_is_no_output_is_refused_without_being_read(out):
    written(out, b"what I wrote yesterday")
    os.truncate(out, 64 << 20)
    before = bytes_read()
    with pytest.raises(UsageError, match="is no output of llmcli batch"):
        recovered(out)
    assert bytes_read() - before < 8 << 20


def test_records_larger_than_what_is_read_at_once(out):
    large = record(0, text="x" * (5 << 19)), record(1, text="y" * (5 << 19))
    written(out, *large, record(2, text="z" * (5 << 19))[:-9])
    assert recovered(out)[0] == {0, 1}
    assert Path(out).read_bytes() == b"".join(large)


def test_a_second_run_is_told_that_the_file_is_held(out):
    first = Ledger(out, fresh=False)
    with pytest.raises(Busy, match="another run holds"):
        Ledger(out, fresh=True)
    first.close()
    Ledger(out, fresh=False).close()


def test_a_run_whose_errors_another_run_writes_is_told(tmp_path):
    first = Ledger(f"{tmp_path}/out", fresh=False)
    with pytest.raises(Busy, match=r"another run holds .*/out\.errors\.jsonl"):
        Ledger(f"{tmp_path}/out.jsonl", fresh=False)
    first.close()
    Ledger(f"{tmp_path}/out.jsonl", fresh=False).close()


def test_the_file_stays_held_when_it_is_put_in_order(out):
    written(out, record(1), record(0))
    first = Ledger(out, fresh=False)
    first.finish(ordered=True)
    with pytest.raises(Busy):
        Ledger(out, fresh=False)
    first.write(2, record(2), failed=False)
    first.close()
    assert Path(out).read_bytes() == record(0) + record(1) + record(2)


def test_files_are_for_their_owner_alone(out):
    ledger = Ledger(out, fresh=False)
    ledger.write(0, record(0), failed=True)
    ledger.close()
    Ledger(out, fresh=False).recover(retry_failed=True)
    assert {path.stat().st_mode & 0o777 for path in (Path(out), errors_path(Path(out)))} == {0o600}


def test_a_rewrite_goes_through_a_symbolic_link(out, tmp_path):
    there = tmp_path / "there.jsonl"
    there.write_bytes(record(1) + record(0))
    Path(out).symlink_to(there)
    ledger = Ledger(out, fresh=False)
    ledger.finish(ordered=True)
    ledger.close()
    assert Path(out).is_symlink()
    assert there.read_bytes() == record(0) + record(1)


def test_what_a_rewrite_left_when_it_was_killed_is_taken_away(out, tmp_path):
    left = tmp_path / ".out.errors.jsonl.new"
    left.write_bytes(record(0))
    written(out, record(0))
    assert recovered(out)[0] == {0}
    assert not left.exists()


@pytest.mark.parametrize("path", ["/dev/full", "/dev/null", "/dev/stdout", "/dev/fd/1"])
def test_a_device_is_no_place_for_records(path):
    with pytest.raises(OutputFailure, match=f"cannot keep records in {path}: it is no regular file"):
        Ledger(path, fresh=False)


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(OutputFailure, match=r"cannot open .*: No such file or directory"):
        Ledger(str(tmp_path / "missing" / "out.jsonl"), fresh=False)


def in_a_child(work) -> int:
    """The exit status of `work`, run in a process of its own."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = work()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_full_disk_leaves_no_part_of_a_line(out):
    def fill() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        ledger = Ledger(out, fresh=False)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        ledger.write(0, record(0, text="x" * 500), failed=False)
        try:
            ledger.write(1, record(1, text="x" * 500), failed=False)
        except OutputFailure as error:
            return 0 if str(error).startswith(f"cannot write {out}: File too large; make room") else 2
        return 3

    assert in_a_child(fill) == 0
    assert Path(out).read_bytes() == record(0, text="x" * 500)
    assert recovered(out)[0] == {0}


# The steps of a run that rows are asked again in, and a kill after each of them.
STEPS = 5


def killed_after(out: str, steps: int, *todo: Callable[[Ledger], object]) -> None:
    def some_steps() -> int:
        ledger = Ledger(out, fresh=False)
        for step in todo[:steps]:
            step(ledger)
        return 0

    assert in_a_child(some_steps) == 0


def lines_of(out: str) -> list[bytes]:
    return sorted((Path(out).read_bytes() + errors_path(Path(out)).read_bytes()).splitlines(keepends=True))


@pytest.mark.parametrize("steps", range(STEPS + 1))
@pytest.mark.parametrize("retry_failed", [False, True])
def test_a_crash_between_any_two_steps_leaves_each_row_once(out, steps, retry_failed):
    written(out, record(0), failed=(record(1, code="tempfail"), record(2, code="tempfail")))
    killed_after(
        out,
        steps,
        lambda ledger: ledger.recover(retry_failed=retry_failed),
        lambda ledger: ledger.write(2, record(2), failed=False),
        lambda ledger: ledger.write(1, record(1, code="rejected"), failed=True),
        lambda ledger: ledger.finish(ordered=True),
        lambda ledger: ledger.close(),
    )
    ledger = Ledger(out, fresh=False)
    done = ledger.recover()
    assert done.count == 1 + min(2, max(0, steps - 1))
    for row in (1, 2):
        if not done.is_final(row):
            assert done.cost(row) == Decimal("0.5")
            ledger.write(row, record(row), failed=False)
    ledger.close()
    assert lines_of(out) == sorted(
        [record(0), record(1, code="rejected") if steps >= 3 else record(1), record(2)]
    )


def row(number: int, digest: int) -> Row:
    return Row(number, f"row-{number}", digest, slot=number)


@pytest.mark.parametrize("steps", range(STEPS + 1))
@pytest.mark.parametrize("code", [None, "rejected", "tempfail"])
def test_a_crash_while_a_changed_row_is_asked_again_leaves_the_row_once(out, steps, code):
    new = record(1, digest=9, code=code)
    written(out, record(0), record(1))

    def asked_again(ledger: Ledger) -> None:
        done = ledger.recover()
        assert done.has_changed(row(1, 9))
        done.reopen(1)

    killed_after(
        out,
        steps,
        asked_again,
        lambda ledger: ledger.write(1, new, failed=code is not None),
        lambda ledger: ledger.finish(ordered=False),
    )
    ledger = Ledger(out, fresh=False)
    done = ledger.recover()
    assert done.has_changed(row(1, 9)) == (steps < 2)
    assert done.is_final(1) == (steps < 2 or code != "tempfail")
    ledger.close()
    assert lines_of(out) == sorted([record(0), new if steps >= 2 else record(1)])


def test_rows_that_are_not_asked_again_keep_their_records(out):
    failed = record(1, code="tempfail"), record(2, code="rejected")
    written(out, record(0), failed=failed)
    assert recovered(out, retry_failed=True)[0] == {0}
    assert lines_of(out) == sorted([record(0), *failed])


def test_a_row_that_is_there_twice_is_kept_once(out):
    written(out, record(0, text="old"), record(1), record(0, text="new", cost="0.75"))
    assert recovered(out) == ({0, 1}, 0, "1.25")
    assert Path(out).read_bytes() == record(1) + record(0, text="new", cost="0.75")


def test_an_answer_comes_before_a_failure_of_the_same_row(out):
    written(out, record(0), failed=(record(0, code="rejected"), record(1, code="rejected")))
    assert recovered(out) == ({0, 1}, 1, "1.0")
    assert lines_of(out) == sorted([record(0), record(1, code="rejected")])


def test_fresh_loses_nothing_before_there_is_a_record(out):
    written(out, record(0), failed=(record(1, code="rejected"),))
    ledger = Ledger(out, fresh=True)
    assert len(ledger.recover()) == 0
    ledger.close()
    assert recovered(out)[0] == {0, 1}
    ledger = Ledger(out, fresh=True)
    ledger.write(2, record(2), failed=True)
    ledger.close()
    assert lines_of(out) == [record(2)]


def test_an_answer_that_speaks_of_costs_is_not_believed(out):
    body = '{\\"cost_usd\\":9}","cost_usd":9,"more":",\\"llmcli\\":{\\"row\\":0,\\"cost_usd\\":8}'
    written(out, record(0, text=body, cost="null"), record(1, text=body))
    assert recovered(out)[2] == "0.5"


def test_records_on_stdout_wait_for_their_turn_in_a_window():
    shown: list[bytes] = []
    printed = Printed(shown.append, ordered=True, window=2)
    assert [printed.room(row) for row in range(3)] == [True, True, False]
    printed.write(1, b"1", failed=False)
    assert (shown, printed.room(2)) == ([], False)
    printed.write(0, b"0", failed=True)
    assert (shown, printed.room(3)) == ([b"0", b"1"], True)
    printed.write(3, b"3", failed=False)
    printed.close()
    assert shown == [b"0", b"1", b"3"]


@pytest.mark.parametrize(
    ("out", "errors"),
    [
        ("a/out.jsonl", "a/out.errors.jsonl"),
        ("out", "out.errors.jsonl"),
        ("out.json", "out.json.errors.jsonl"),
    ],
)
def test_the_errors_are_beside_the_output(out, errors):
    assert errors_path(Path(out)) == Path(errors)
