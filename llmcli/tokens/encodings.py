"""Owns tiktoken: which encoding a model has, and an Encoder for it, loaded without network or cache."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from llmcli.registry.providers import find_provider
from llmcli.tokens.harmony import is_harmony
from llmcli.tokens.mapped import Mapped, Ranks, TooMuch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import tiktoken

MAX_TOKEN_BYTES = 128  # the longest token of both encodings
_SHORT, _REMEMBERED = 256, 1024  # characters of a text whose count is remembered, and how many of them are
_TOKEN = 4  # bytes of a token in tiktoken's buffers
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
    """Text to tokens and back. Text that looks like a special token is text.

    What comes first is looked up in the mapped file, and only if it is much, tiktoken is loaded: that takes
    fifty times as long as a short text does, and is five times as fast from then on.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._ranks = Ranks(name)
        self._mapped: Mapped | None = Mapped(self._ranks, PATTERNS[name])

    @functools.cached_property
    def _tiktoken(self) -> tiktoken.Encoding:
        import tiktoken

        pattern, special = PATTERNS[self.name], SPECIAL[self.name]
        return tiktoken.Encoding(
            self.name, pat_str=pattern, mergeable_ranks=self._ranks.all(), special_tokens=special
        )

    def prepare(self) -> None:
        """Make ready for much: load what is quicker then."""
        self._mapped = None
        self._tiktoken._mergeable_ranks = {}  # noqa: SLF001 - 22 MB that only its pickling and its test look at

    def encode(self, text: str) -> list[int]:
        """Give the tokens of `text`. A lone surrogate counts as U+FFFD."""
        if self._mapped is not None:
            try:
                return self._mapped.encode(text)
            except TooMuch:
                self._mapped = None
        try:
            return self._tiktoken.encode(text, disallowed_special=())
        except (
            ValueError
        ):  # it gives up on 1,000,000 white-space characters in a row; encode_ordinary would panic
            parts = (self._tiktoken.encode(part, disallowed_special=()) for part in _parts(text))
            return [token for tokens in parts for token in tokens]

    def count(self, text: str) -> int:
        """Count the tokens of `text`."""
        if len(text) <= _SHORT:
            return self._short(text)
        return len(self.encode(text)) if self._mapped is not None else self._long(text)

    def _long(self, text: str) -> int:
        """The same with no number made of each token, which is a tenth of the time."""
        try:
            found = self._tiktoken._core_bpe.encode_to_tiktoken_buffer(text, set())  # noqa: SLF001
        except (
            AttributeError,
            ValueError,
        ):  # what `encode` knows a way for, or a tiktoken that has no such method
            return len(self.encode(text))
        return memoryview(found).nbytes // _TOKEN

    @functools.cached_property
    def _short(self) -> Callable[[str], int]:
        """The tokens of a short text: roles and types come again and again, and so does what is echoed."""
        return functools.lru_cache(_REMEMBERED)(self._counted)

    def _counted(self, text: str) -> int:
        if self._mapped is not None and text.isascii():
            try:
                return self._mapped.count(text)
            except TooMuch:
                self._mapped = None
        return len(self.encode(text))

    def decode(self, tokens: Sequence[int]) -> bytes:
        """Give the bytes of `tokens`: UTF-8, possibly cut inside a character."""
        return b"".join(map(self._ranks.token, tokens))


def base_model(model: str) -> str:
    """Name the model under a fine-tuned one: `ft:gpt-4o-mini:org::id` is `gpt-4o-mini`."""
    return model.removeprefix("ft:").partition(":")[0] if model.startswith("ft:") else model


def encoding_for(provider: str, model: str) -> tuple[str, bool]:
    """Name the model's encoding, and say whether it is certain or only the nearest that there is.

    Source: tiktoken/model.py, whose prefix rules are wrong for ft:gpt-4.1 and silent on newer models.
    """
    known = find_provider(provider)
    said = known.encoding if known else ""
    if said in PATTERNS:
        return said, True
    name = base_model(model.removeprefix(f"{provider}/"))
    if is_harmony(name):
        return "o200k_base", True  # o200k_harmony has the same tokens, and more special ones
    if said == "by name":
        if name.startswith(O200K_MODELS):
            return "o200k_base", True
        if name == "gpt-4" or name.startswith(CL100K_MODELS):
            return "cl100k_base", True
    return "o200k_base", False


_loaded: dict[str, Encoder] = {}


def load(name: str) -> Encoder:
    """The Encoder of `cl100k_base` or `o200k_base`, one for all; any other name is a KeyError."""
    if name not in PATTERNS:
        raise KeyError(name)
    if name not in _loaded:
        _loaded[name] = Encoder(name)
    return _loaded[name]


def prepare() -> None:
    """Make the encoders that were loaded ready for much."""
    for encoder in _loaded.values():
        encoder.prepare()


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
