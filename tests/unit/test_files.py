"""Files: what is written is whole, wherever writing fails, and nobody else's file is touched."""

import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llmcli import files
from llmcli.errors import OutputFailure
from llmcli.files import Journal, locks

OLD = b"old\n" * 300


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    return path


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def with_room_for(size: int, work: Callable[[], object]) -> int | None:
    """The errno that `work` fails with in a process whose files may have so many bytes; None where it does not."""
    child = os.fork()
    if child == 0:
        number = 255
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            work()
            number = 0
        except OSError as error:
            number = error.errno or 255
        except OutputFailure:
            number = 74
        finally:
            os._exit(number)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or None


@pytest.mark.parametrize("end", [0, 500, 1000, 1200])
def test_where_a_write_fails_what_it_was_to_replace_is_still_there(path, end):
    assert with_room_for(1200, lambda: Journal(path).put(end, b"new" * 1000))
    assert path.read_bytes() == OLD


@pytest.mark.parametrize("room", [1200, 1201, 1300, 1499])
def test_a_line_without_room_is_not_there(path, room):
    assert with_room_for(room, lambda: Journal(path).append(b"n" * 299 + b"\n"))
    assert path.read_bytes() == OLD


@pytest.mark.parametrize("room", [1200, 1201, 1499])
def test_a_line_of_a_file_that_many_append_to_is_not_there_either(path, room):
    assert with_room_for(room, lambda: files.append_line(str(path), b"n" * 299 + b"\n")) == 74
    assert path.read_bytes() == OLD


def test_a_line_that_has_room_is_there(path):
    assert with_room_for(1500, lambda: Journal(path).append(b"n" * 299 + b"\n")) is None
    assert path.read_bytes() == OLD + b"n" * 299 + b"\n"


def test_what_cannot_be_replaced_is_as_it_was(path):
    assert with_room_for(1200, lambda: files.replace(path, b"new" * 1000))
    assert (path.read_bytes(), names(path.parent)) == (OLD, ["file"])


def test_what_cannot_be_rewritten_is_as_it_was(path):
    assert with_room_for(1200, lambda: Journal(path).rewrite([b"new" * 1000]))
    assert (path.read_bytes(), names(path.parent)) == (OLD, ["file"])


def test_a_file_is_replaced_and_keeps_its_mode(path):
    path.chmod(0o640)
    files.replace(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o640)
    assert names(path.parent) == ["file"]


@pytest.mark.parametrize("name", ["new", "é" * 127, "x" * 255])
def test_a_new_file_is_its_owners_alone_however_long_its_name_is(tmp_path, name):
    files.replace(tmp_path / name, b"new")
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert names(tmp_path) == [name]


def test_a_link_is_replaced_and_what_it_leads_to_is_as_it_was(path):
    link = path.with_name("link")
    link.symlink_to(path)
    files.replace(link, b"new")
    assert (link.is_symlink(), link.read_bytes(), path.read_bytes()) == (False, b"new", OLD)


def test_a_journal_whose_name_is_ours_follows_no_link(path):
    link = path.with_name("link")
    link.symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"):
        Journal(link, ours=True)
    Journal(link).append(b"new\n")
    assert path.read_bytes() == OLD + b"new\n"


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero", "/dev/full"])
def test_a_device_is_no_journal(device):
    with pytest.raises(files.Irregular, match="it is no regular file"):
        Journal(Path(device))


def test_a_pipe_is_no_journal(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(files.Irregular):
        Journal(tmp_path / "pipe")


HOLD = "import sys; from pathlib import Path; from llmcli.files import Journal; "
HOLD += "Journal(Path(sys.argv[1])); print(flush=True); sys.stdin.read()"


def test_a_journal_says_who_has_it(path):
    command = [sys.executable, "-c", HOLD.replace("Journal(Path", "kept = Journal(Path"), path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(files.Held) as held:
            Journal(path)
        assert held.value.pid == holder.pid
        holder.communicate()
    Journal(path).close()


def test_a_journal_is_still_locked_when_it_was_rewritten(path):
    journal = Journal(path)
    journal.rewrite([b"one\n", b"two\n"])
    with pytest.raises(files.Held):
        Journal(path)
    journal.append(b"three\n")
    assert path.read_bytes() == b"one\ntwo\nthree\n"
    journal.close()


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"a", b"a\nb\n", b"a\nb", b"a\n" * 3_000_000, b"x" * 3_000_000 + b"\ny"]
)
def test_the_lines_of_a_journal_are_all_of_it(path, data):
    path.write_bytes(data)
    lines = list(Journal(path).lines())
    assert lines == data.splitlines(keepends=True)


def test_a_file_that_cannot_be_signed_is_locked_all_the_same(path):
    first, second = (os.open(path, os.O_RDWR) for _ in range(2))
    signer = "import fcntl, sys; file = open(sys.argv[1], 'r+'); fcntl.lockf(file, fcntl.LOCK_EX);"
    signer += "print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", signer, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        locks.signed(first)
        with pytest.raises(BlockingIOError):
            locks.signed(second)
        other.communicate()
    os.close(first)
    os.close(second)
