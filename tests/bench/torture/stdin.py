"""Stdin: closed, write-only, a terminal that hangs up, a pipe that dawdles; what is text comes back whole."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

from tests.bench.torture.junk import JUNK, example, mangled
from tests.bench.torture.subject import Subject

_TEXTS = ["hi\n", "\ufeffhi", "a\r\nb\r\n", "  x \n\n", "grüße\u2028\u0085\n", "z" * 70_000, "\u200b\x1b[1m"]
_READERS = [["ask"], ["ask", "about"], ["chat"], ["chat", "--turns", "jsonl"], ["count"], ["batch", "-q"]]


def stdin(subject: Subject) -> None:
    """One of the ways in which stdin is not what one thinks."""
    subject.random.choice([_text, _rows, _anything, _no_pipe])(subject)


def _anything(subject: Subject) -> None:
    """Bytes, whoever reads them."""
    chance = subject.random
    data = chance.choice([example(chance), mangled(chance, chance.choice(_TEXTS).encode()), *JUNK])
    subject.run("stdin", [*chance.choice(_READERS), "-m", "offline/echo"], data)


def _text(subject: Subject) -> None:
    """Text, which an echo gives back to the byte, but for the line ends behind it and a BOM before it."""
    chance, argv = subject.random, ["ask", "-m", "offline/echo"]
    text = "".join(chance.choices(_TEXTS, k=chance.randrange(1, 4)))
    encoding = chance.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"])
    out = _piece_by_piece(subject, argv, text.encode(encoding)).decode("utf-8", "replace")
    kept = (
        text.removeprefix("\ufeff") if encoding == "utf-8" else text
    )  # the other encodings add their own BOM
    if out.rstrip("\r\n") != kept.rstrip("\r\n"):
        subject.fault("stdin", argv, f"{text!r:.300} in {encoding} comes back as {out!r:.300}", text.encode())


def _rows(subject: Subject) -> None:
    """Rows of a pipe, each of which is there once; the last may lack its end."""
    folder, chance = subject.fresh("stdin"), subject.random
    data = subject.rows(folder, chance.randrange(1, 200))
    argv = ["batch", "-m", "offline/echo", "-q", "-O", "stdin/o.jsonl"]
    _piece_by_piece(subject, argv, data.rstrip() if chance.random() < 0.5 else data)
    subject.once_each(folder, argv)


def _piece_by_piece(subject: Subject, argv: list[str], data: bytes) -> bytes:
    """Run it with a pipe as stdin that gets the data in two pieces, cut anywhere, also inside a character."""
    child = subject.start(argv, stdin=subprocess.PIPE)
    at = subject.random.randrange(len(data) + 1)
    try:
        child.stdin.write(data[:at])
        child.stdin.flush()
    except BrokenPipeError:
        at = len(data)
    return subject.end("stdin", argv, child, data[at:])


def _no_pipe(subject: Subject) -> None:
    """What is no pipe that someone writes to. (Python itself refuses a directory.)"""
    argv = [*subject.random.choice(_READERS), "-m", "offline/echo"]
    way = subject.random.choice([_closed, _write_only, _gone, _hung_up, _at_its_end])
    way(subject, argv)


def _closed(subject: Subject, argv: list[str]) -> None:
    subject.end("stdin", argv, subject.start(argv, preexec_fn=lambda: os.close(0)))


def _write_only(subject: Subject, argv: list[str]) -> None:
    with Path(os.devnull).open("wb") as nowhere:
        subject.end("stdin", argv, subject.start(argv, stdin=nowhere))


def _at_its_end(subject: Subject, argv: list[str]) -> None:
    """A file that someone before us has read."""
    path = subject.work / "read"
    path.write_text("hi\n")
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        subject.end("stdin", argv, subject.start(argv, stdin=file))


def _gone(subject: Subject, argv: list[str]) -> None:
    """A pipe that does not wait, whose writer leaves without a word."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    child = subject.start(argv, stdin=ours)
    os.close(ours)
    os.close(theirs)
    subject.end("stdin", argv, child)


def _hung_up(subject: Subject, argv: list[str]) -> None:
    """A terminal that is gone after some words."""
    ours, theirs = pty.openpty()
    child = subject.start(argv, stdin=theirs)
    os.close(theirs)
    os.write(ours, subject.random.choice([b"", b"hi\n", b"hi", b"\x04"]))
    os.close(ours)
    subject.end("stdin", argv, child)
