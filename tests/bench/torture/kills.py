"""Kills: a batch that is killed at any moment, torn where a crash may tear it, and resumed, has each row once."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from tests.bench.torture.subject import HANG, Subject
from tests.server import ok, slow, status

_ROWS = 60
_HOW = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
_ANSWERS = [ok("fine"), ok("fine"), status(500), status(400), slow(ok("late"), 0.01)]


def kills(subject: Subject) -> None:
    """Kill a batch up to three times, and let it end."""
    folder, chance = subject.fresh("kills"), subject.random
    subject.rows(folder, _ROWS)
    subject.server.script = lambda _request: chance.choice(_ANSWERS)
    argv = ["batch", "kills/in.jsonl", "-O", "kills/o.jsonl", "-m", "tiny", "-q", "-j", "4"]
    argv += ["--base-url", subject.server.base_url, "--retries", "1", "--patience", "0"]
    for _ in range(chance.randrange(1, 4)):
        if killed(subject, "kills", argv) == -signal.SIGKILL and chance.random() < 0.5:
            tear(subject, folder / "o.jsonl")
    subject.run("kills", argv)
    subject.once_each(folder, argv)


def killed(subject: Subject, name: str, argv: list[str]) -> int:
    """Start it, send it a signal at some time, and give its exit status when it has ended: its files are nobody's."""
    subject.runs[name] += 1
    child = subject.start(argv)
    time.sleep(subject.random.uniform(0.2, 1.2))
    child.send_signal(subject.random.choice(_HOW))
    try:
        child.communicate(timeout=HANG)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        subject.fault(name, argv, "it hangs after a signal")
    return child.returncode


def tear(subject: Subject, path: Path) -> None:
    """Cut a file inside its last line, as a crash of the machine may."""
    if path.exists() and (data := path.read_bytes()):
        last = data.rstrip(b"\n").rfind(b"\n") + 1
        path.write_bytes(data[: subject.random.randrange(last, len(data) + 1)])
