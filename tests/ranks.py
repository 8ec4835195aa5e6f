"""Makes llmcli/tokens/NAME.ranks of OpenAI's NAME.tiktoken; `llmcli/tokens/mapped.py` says what is in it.

python tests/ranks.py NAME.tiktoken... (the file's own URL is in tiktoken_ext.openai_public)
"""

from __future__ import annotations

import base64
import struct
import sys
from itertools import accumulate
from pathlib import Path
from zlib import crc32

FOLDER = Path(__file__).parents[1] / "llmcli" / "tokens"


def tokens_of(published: bytes) -> list[bytes]:
    """The tokens of a NAME.tiktoken, whose lines are `base64(token) rank`, by rank."""
    tokens = [base64.b64decode(line.split()[0]) for line in published.splitlines()]
    assert [int(line.split()[1]) for line in published.splitlines()] == list(range(len(tokens)))
    return tokens


def packed(tokens: list[bytes]) -> bytes:
    """The bytes of NAME.ranks."""
    slots = 1 << (2 * len(tokens) - 1).bit_length()
    table = [0] * slots
    for rank, token in enumerate(tokens):
        digest = crc32(token)
        place = digest % slots
        while table[place]:
            place = (place + 1) % slots
        table[place] = digest >> 18 << 18 | rank + 1
    offsets = accumulate(map(len, tokens), initial=0)
    numbers = [len(tokens), slots, *table, *offsets]
    return struct.pack(f"<{len(numbers)}I", *numbers) + b"".join(tokens)


if __name__ == "__main__":
    for name in map(Path, sys.argv[1:]):
        (FOLDER / f"{name.stem}.ranks").write_bytes(packed(tokens_of(name.read_bytes())))
