"""Argv: words of the command line that nobody means."""

from __future__ import annotations

from tests.bench.torture.junk import JUNK
from tests.bench.torture.subject import Subject

_COMMANDS = ["ask", "chat", "batch", "count", "models", "bogus"]
_VALUES = [
    *("", "-", "x", "0", "-1", "1e400", "nan", "9" * 400, "x" * 300, "\udcff", "\n", "{", "[]", "null", "/"),
    *("/dev/null", "http://u:p@h:99999", "http://[", "offline/echo", "offline/flaky?rate=2"),
    *("a=b", "=", "@", "@x", "1,2", ","),
]
_FLAGS = """
    -m --base-url -s -f -t -p -a -M -o --schema --tools --exec --tool-env
    --timeout --deadline --retries --fallback --cache --record --replay --ok --format
    -O --usage-file --session --turns --stop --n --logit-bias --price --max-cost --json
    --budget-file --limit -j --rpm --fresh --ordered --rows --split --truncate --profile
    --messages --curl --dry-run -x -0 -u -v -q --no-stdin --keep-turns --context
    --choices --gate --where --keep --into --safe-cells --write-each --each --id
"""


def argv(subject: Subject) -> None:
    """A command with up to four flags, each with up to two values."""
    chance, flags = subject.random, _FLAGS.split()
    words = [chance.choice(_COMMANDS), "-m", "offline/echo"]
    for _ in range(chance.randrange(5)):
        words += [chance.choice(flags), *chance.choices(_VALUES, k=chance.randrange(3))]
    subject.run("argv", words, chance.choice([*JUNK, b"hello\n", b'{"prompt":"a"}\n']))
