"""Owns tiktoken: which encoding a model has, and an Encoder for it, loaded without network or cache.

`NAME.ranks` holds the tokens of an encoding as bytes, lowest rank first, joined by SEPARATOR. That
loads within 3 ms of a marshalled dict and, unlike it, in every version of Python. It is made from
OpenAI's NAME.tiktoken (one `base64(token) rank` a line); the unit test turns it back into that text.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

from llmcli.tokens.harmony import is_harmony

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import tiktoken

SEPARATOR = b"\xff\xfe\xff"  # no UTF-8 text has these bytes, and no token ends or begins with part of it
MAX_TOKEN_BYTES = 128  # the longest token of both encodings
MAX_PART = 128 * MAX_TOKEN_BYTES  # characters; a run of spaces cut at multiples of 128 keeps its count

# Constants of tiktoken_ext.openai_public (tiktoken 0.14), which itself would load its files by download.
PATTERNS = {
    "cl100k_base": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
        r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
    ),
    "o200k_base": (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}
SPECIAL = {
    "cl100k_base": {
        "<|endoftext|>": 100257,
        "<|fim_prefix|>": 100258,
        "<|fim_middle|>": 100259,
        "<|fim_suffix|>": 100260,
        "<|endofprompt|>": 100276,
    },
    "o200k_base": {"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
}

O200K_MODELS = ("o1", "o3", "o4-mini", "gpt-5", "gpt-4.5", "gpt-4.1", "gpt-4o", "chatgpt-4o")
CL100K_MODELS = ("gpt-4-", "gpt-3.5", "gpt-35-")  # Azure writes gpt-35


class Encoder:
    """Text to tokens and back. Text that looks like a special token is text."""

    def __init__(self, encoding: tiktoken.Encoding) -> None:
        self._encoding = encoding

    @property
    def name(self) -> str:
        """The name of the encoding, such as `o200k_base`."""
        return self._encoding.name

    def encode(self, text: str) -> list[int]:
        """Give the tokens of `text`. A lone surrogate counts as U+FFFD."""
        try:
            return self._encoding.encode(text, disallowed_special=())
        except ValueError:  # tiktoken gives up on some 1,000,000 white-space characters in a row
            parts = (self._encoding.encode(part, disallowed_special=()) for part in _parts(text))
            return [token for tokens in parts for token in tokens]

    def count(self, text: str) -> int:
        """Count the tokens of `text`."""
        return len(self.encode(text))

    def decode(self, tokens: Sequence[int]) -> bytes:
        """Give the bytes of `tokens`: UTF-8, possibly cut inside a character."""
        return self._encoding.decode_bytes(tokens)


def base_model(model: str) -> str:
    """Name the model under a fine-tuned one: `ft:gpt-4o-mini:org::id` is `gpt-4o-mini`."""
    return model.removeprefix("ft:").partition(":")[0] if model.startswith("ft:") else model


def encoding_for(provider: str, model: str) -> tuple[str, bool]:
    """Name the model's encoding, and say whether it is certain or only the nearest that there is.

    Source: tiktoken/model.py, whose prefix rules are wrong for ft:gpt-4.1 and silent on newer models.
    """
    if provider == "offline":
        return "cl100k_base", True  # it may choose, and this one loads in half the time
    name = base_model(model.removeprefix(f"{provider}/"))
    if is_harmony(name):
        return "o200k_base", True  # o200k_harmony has the same tokens, and more special ones
    if provider in {"openai", "azure"}:
        if name.startswith(O200K_MODELS):
            return "o200k_base", True
        if name == "gpt-4" or name.startswith(CL100K_MODELS):
            return "cl100k_base", True
    return "o200k_base", False


@functools.lru_cache
def load(name: str) -> Encoder:
    """Build the Encoder of `cl100k_base` or `o200k_base`, once; any other name is a KeyError."""
    import tiktoken

    pattern, special = PATTERNS[name], SPECIAL[name]
    return Encoder(
        tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=_ranks(name), special_tokens=special)
    )


def _ranks(name: str) -> dict[bytes, int]:
    tokens = Path(__file__).with_name(f"{name}.ranks").read_bytes().split(SEPARATOR)
    return dict(zip(tokens, range(len(tokens)), strict=True))


def _parts(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        part = text[start : start + MAX_PART]
        if start + MAX_PART < len(text):
            part = part[: _border(part)]
        yield part
        start += len(part)


def _border(part: str) -> int:
    """Find where both sides of a cut keep their tokens: the last space or tab behind a word."""
    found = re.match(r"(?s).*\S(?=[ \t])", part)
    return found.end() if found else len(part)
