"""Pipes that are refused: nothing is kept of them that would be the next run's input."""

from __future__ import annotations

import gzip

JSONL = ("--input-format", "jsonl")


def test_a_pipe_that_is_refused_leaves_nothing_behind(process):
    argv = ["batch", "-m", "offline/echo", "-O", "out.jsonl"]
    packed = gzip.compress(b'{"prompt":"a"}\n' * 1000)
    for flags, wrong in ((JSONL, b"prompt,x\na,1\n"), (JSONL, b'[{"prompt":"a"}]'), ((), packed)):
        refused = process(*argv, *flags, stdin=wrong)
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert sorted(path.name for path in process.home.iterdir()) == []
    assert process(*argv, stdin=b'{"prompt":"a"}\n').code == 0
    assert len((process.home / "out.jsonl").read_bytes().splitlines()) == 1
