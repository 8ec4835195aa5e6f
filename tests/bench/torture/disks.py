"""Disks: on a disk that is full somewhere nothing is written by half, and all of it is there later."""

from __future__ import annotations

import resource

from tests.bench.torture.subject import Subject

_ROWS = 60


def disks(subject: Subject) -> None:
    """A batch, an answer and a line of usage, where a file may have so many bytes and no more."""
    folder, most = subject.fresh("disks"), subject.random.randrange(0, 20_000)
    subject.rows(folder, _ROWS)

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    batch = ["batch", "disks/in.jsonl", "-O", "disks/o.jsonl", "-m", "offline/echo", "-q"]
    subject.run("disks", batch, limit=small)
    subject.run("disks", batch)
    subject.once_each(folder, batch)
    answer, usage = folder / "answer", folder / "usage"
    answer.write_text("old\n")
    usage.write_bytes(b"{}\n" * (most // 3))
    prompt = "x" * subject.random.randrange(1, 20_000)
    ask = ["ask", "-m", "offline/echo", "-O", "disks/answer", "--usage-file", "disks/usage", prompt]
    subject.run("disks", ask, limit=small)
    if answer.read_text() not in {"old\n", f"{prompt}\n"}:
        subject.fault("disks", ask, "half an answer")
    if usage.stat().st_size and not usage.read_bytes().endswith(b"\n"):
        subject.fault("disks", ask, "half a line")
