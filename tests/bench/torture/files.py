"""Files: config, sessions, rows, schemas, tools, journals and budgets that hold anything."""

from __future__ import annotations

from tests.bench.torture.junk import example, mangled
from tests.bench.torture.subject import Subject

_CONFIG = b'model = "offline/echo"\n[profiles.p]\nok = "incomplete"\ntemperature = 0.5\n[prices."x"]\nin = 1\nout = 2\n'
_NAMES = "s.jsonl in.jsonl schema.json tools.json o.jsonl o.errors.jsonl budget m.json"
_READERS = [
    ["ask", "--session", "files/s.jsonl", "hi"],
    ["chat", "--session", "files/s.jsonl", "--turns", "jsonl"],
    ["batch", "files/in.jsonl", "-O", "files/o.jsonl", "-q"],
    ["ask", "--schema", "files/schema.json", "hi"],
    ["ask", "--tools", "files/tools.json", "hi"],
    ["ask", "--budget-file", "files/budget", "--max-cost", "1", "hi"],
    ["ask", "--messages", "files/m.json", "hi"],
    ["ask", "--profile", "p", "hi"],
    ["count", "--rows", "files/in.jsonl"],
]


def files(subject: Subject) -> None:
    """Half of the files are there, mangled, and one command reads one of them."""
    folder, chance = subject.fresh("files"), subject.random
    for name in chance.sample(_NAMES.split(), 4):
        (folder / name).write_bytes(example(chance))
    subject.config.write_bytes(chance.choice([b"", mangled(chance, _CONFIG)]))
    subject.run("files", [*chance.choice(_READERS), "-m", "offline/echo"], example(chance))
    subject.config.write_bytes(b"")
