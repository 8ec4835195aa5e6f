"""A session's file, where writing fails."""

import subprocess
import sys

import pytest

WRITE = """
import resource, signal, sys
from pathlib import Path
from llmcli.chat.journal import FileJournal
from llmcli.errors import OutputFailure

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1200, resource.RLIM_INFINITY))
try:
    FileJournal(Path(sys.argv[1])).write(int(sys.argv[2]), b"new" * 1000)
except OutputFailure as error:
    print(error)
"""


@pytest.mark.parametrize("end", [0, 500, 1000, 1200])
def test_where_a_write_fails_what_it_was_to_replace_is_still_there(tmp_path, end):
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"old\n" * 300)
    command = [sys.executable, "-c", WRITE, path, str(end)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.startswith(f"cannot write {path}: "), done.stderr) == (True, "")
    assert path.read_bytes() == b"old\n" * 300
