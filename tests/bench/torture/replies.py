"""Replies: whole, cut, torn, changed byte by byte, late, or no reply at all."""

from __future__ import annotations

from tests.bench.torture.junk import example
from tests.bench.torture.subject import KEY, Subject
from tests.server import Scenario, chunk, cut, events, hang, ok, raw, status

_WAYS = [
    ["ask", "hi"],
    ["ask", "--no-stream", "hi"],
    ["ask", "--json", "hi"],
    ["ask", "--format", "events", "hi"],
]
_STATUSES = [200, 204, 301, 400, 401, 403, 404, 429, 500, 529]


def replies(subject: Subject) -> None:
    """Ask a server that says anything; now and then by a batch."""
    subject.server.script = _reply(subject)
    asking = ["-m", "tiny", "--base-url", subject.server.base_url, "--retries", "0", "--timeout", "3"]
    if subject.random.random() < 0.3:
        folder = subject.fresh("replies")
        subject.rows(folder, 3)
        argv = ["batch", "replies/in.jsonl", "-O", "replies/o.jsonl", *asking, "-q", "--patience", "0"]
        stopped = subject.codes[69] + subject.codes[77]
        subject.run("replies", argv)
        if (
            subject.codes[69] + subject.codes[77] == stopped
        ):  # else the key is no good, and all rows are still open
            subject.once_each(folder, argv)
    subject.run("replies", [*subject.random.choice(_WAYS), *asking, "-u"])


def _reply(subject: Subject) -> Scenario:
    chance = subject.random
    kind, whole = chance.randrange(6), example(chance)
    if kind == 0:
        return raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(whole) + whole)
    if kind == 1:
        said: list[object] = [chunk("a"), chunk("b", finish_reason="stop")]
        return events([*said[: chance.randrange(3)], b"data: " + whole + b"\n\n", b"data: [DONE]\n\n"])
    if kind == 2:
        return cut(ok("one two three"), chance.randrange(400))
    if kind == 3:
        leak = {"message": f"the key {KEY} is wrong", "code": chance.choice([None, 7, KEY])}
        return status(chance.choice(_STATUSES), {"error": leak})
    if kind == 4 and chance.random() < 0.1:
        return hang()
    return ok(f"{KEY} {whole.decode('utf-8', 'replace')}" if kind == 5 else whole.decode("utf-8", "replace"))
