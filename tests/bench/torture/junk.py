"""What nobody means: bytes that are no text, files with a piece gone, replies with a byte changed."""

from __future__ import annotations

import random

JUNK = [
    *(b"", b"\0", b"\xff\xfe", b"null", b"[]", b"{}", b"1e400", b'"\\ud800"'),
    *(b"[" * 3000, b"9" * 5000, b"\xc3(", b"{\n"),
]
EXAMPLES = [
    b'{"role":"user","content":"hi"}\n{"role":"assistant","content":"ho"}\n',
    b'{"custom_id":"a","prompt":"hi"}\n{"messages":[{"role":"user","content":"x"}],"max_tokens":3}\n',
    b'{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}',
    b'[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]',
    b'{"id":"batch_req_000000_0123456789abcdef","custom_id":"c","response":null,"error":{"code":"x"},"llmcli":{"cost_usd":1}}\n',
    b'{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}',
    b'{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]}}]}',
    b'{"error":{"message":"no","type":"x","code":null}}',
]


def mangled(chance: random.Random, data: bytes) -> bytes:
    """The same with some bytes gone, doubled, changed or put in."""
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(data) + 1)
        piece = chance.choice([*JUNK, data[at : at + 20], bytes([chance.randrange(256)])])
        data = data[:at] + piece + data[at + chance.randrange(8) :]
    return data


def example(chance: random.Random) -> bytes:
    """A file or a reply of somebody's, mangled."""
    return mangled(chance, chance.choice(EXAMPLES))
