"""Tables: a CSV in and a CSV out, killed at any moment, is in the end the table that it would have been."""

from __future__ import annotations

import csv
import io
import json

from tests.bench.torture.kills import killed, tear
from tests.bench.torture.subject import Subject
from tests.server import Request, ok, slow, status

_ODD = ['Foo, "Bar"\nBaz', "00123", "=1+1", "a\tb", " x ", "\\", "#", "a;b", "ü", '"']
_ROWS = 40


def tables(subject: Subject) -> None:
    """Kill a run that makes a table, and files, up to three times; let it end; look at what it made."""
    folder, chance = subject.fresh("tables"), subject.random
    rows = [[f"{number:05d}", chance.choice(_ODD)] for number in range(_ROWS)]
    (folder / "in.csv").write_bytes(_csv([["id", "city"], *rows]))
    subject.server.script = _answered
    name = chance.choice(["out.csv", "out.tsv"])
    argv = ["batch", "tables/in.csv", "-O", f"tables/{name}", "-m", "tiny", "-q", "-j", "4"]
    argv += [
        "-t",
        "{{ id }} {{ city }}",
        "--write-each",
        "tables/each/{{ id }}",
        *chance.choice([[], ["--id", "id"]]),
    ]
    argv += ["--base-url", subject.server.base_url, "--retries", "1", "--patience", "0"]
    for _ in range(chance.randrange(1, 4)):
        if killed(subject, "tables", argv) == -9 and chance.random() < 0.5:
            tear(subject, folder / f"{name}.jsonl")
    subject.run("tables", argv)
    made = folder / name
    expected = [["id", "city", "answer", "error"], *map(_row, rows)]
    found = _read(made.read_text() if made.exists() else "", is_csv=name.endswith(".csv"))
    if found != expected:
        subject.fault("tables", argv, f"the table is {found[:3]} ...")
    answers = {row[0]: row[2] + "\n" for row in expected[1:] if row[2]}
    files = {path.name: path.read_text() for path in (folder / "each").iterdir() if path.name[0] != "."}
    if files != answers:
        subject.fault("tables", argv, f"of {len(answers)} files there are {len(files)}")
    records = [
        json.loads(line)["llmcli"]["row"]
        for each in (f"{name}.jsonl", f"{name}.errors.jsonl")
        for line in (folder / each).read_bytes().splitlines()
    ]
    if sorted(records) != list(range(_ROWS)):
        subject.fault("tables", argv, "a row is lost or doubled")


def _answered(request: Request) -> object:
    number = int(request.text[:5])
    if number % 7 == 0:
        return status(400)
    return slow(ok(request.text), 0.01) if number % 5 == 0 else ok(request.text)


def _row(row: list[str]) -> list[str]:
    fails = int(row[0]) % 7 == 0
    return [*row, "" if fails else " ".join(row), "rejected" if fails else ""]


def _csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _read(text: str, *, is_csv: bool) -> list[list[str]]:
    if is_csv:
        return list(csv.reader(io.StringIO(text, newline="")))
    meant = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}
    return [[_unescaped(cell, meant) for cell in line.split("\t")] for line in text.splitlines()]


def _unescaped(cell: str, meant: dict[str, str]) -> str:
    head, *pieces = cell.split("\\")
    out, pieces = [head], pieces[::-1]
    while pieces:
        piece = pieces.pop()
        out.append(meant[piece[0]] + piece[1:] if piece else "\\" + (pieces.pop() if pieces else ""))
    return "".join(out)
