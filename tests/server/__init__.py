"""A loopback HTTP/1.1 server that speaks Chat Completions, and misbehaves on demand; README.md is its page.

with Server() as server:
server.script = [status(429, headers={"retry-after": "0"}), ok("Hello")]
...  # send requests to server.base_url
assert [request.json["model"] for request in server.requests] == ["tiny", "tiny"]
"""

from tests.server.choosing import echo_auth, limited
from tests.server.chunks import CREATED, DONE, call, chunk, event, events, pieces, present, usage
from tests.server.exchanged import (
    ABSENT,
    AUTO,
    Answer,
    Hold,
    Json,
    Part,
    Request,
    Scenario,
    play,
    reason,
    text_of,
)
from tests.server.friendly import Ok, echo, ok
from tests.server.misbehaviour import (
    changed,
    chopped,
    closing,
    cut,
    delayed,
    dialect,
    drop,
    framed,
    gzipped,
    hang,
    held,
    raw,
    reset,
    slow,
    stall,
    wire,
    with_headers,
)
from tests.server.replies import ERROR_BODIES, dumps, error, quota, redirect, reply, status
from tests.server.serving import Server

__all__ = [
    "ABSENT",
    "AUTO",
    "CREATED",
    "DONE",
    "ERROR_BODIES",
    "Answer",
    "Hold",
    "Json",
    "Ok",
    "Part",
    "Request",
    "Scenario",
    "Server",
    "call",
    "changed",
    "chopped",
    "chunk",
    "closing",
    "cut",
    "delayed",
    "dialect",
    "drop",
    "dumps",
    "echo",
    "echo_auth",
    "error",
    "event",
    "events",
    "framed",
    "gzipped",
    "hang",
    "held",
    "limited",
    "ok",
    "pieces",
    "play",
    "present",
    "quota",
    "raw",
    "reason",
    "redirect",
    "reply",
    "reset",
    "slow",
    "stall",
    "status",
    "text_of",
    "usage",
    "wire",
    "with_headers",
]
