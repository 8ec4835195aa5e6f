"""GGUF: what the head of a model's file says, and whether the file is whole, before llama.cpp gets it.

The format: github.com/ggml-org/ggml/blob/master/docs/gguf.md. llama.cpp tells a torn file and a missing one alike.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from llmcli.errors import UsageError
from llmcli.lean.dataclass import dataclass

_MAGIC = b"GGUF"
_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_TEXT, _ARRAY = 8, 9
_MOST = 10_000_000  # of anything that a head counts
# (weights of a block, bytes of it) by ggml's number of the type; of a type that is not here the size is not checked
_BLOCKS = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    9: (32, 36),
    10: (256, 84),
    11: (256, 110),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
    15: (256, 292),
    16: (256, 66),
    17: (256, 74),
    18: (256, 98),
    19: (256, 50),
    20: (32, 18),
    21: (256, 110),
    22: (256, 82),
    23: (256, 136),
    24: (1, 1),
    25: (1, 2),
    26: (1, 4),
    27: (1, 8),
    28: (1, 8),
    29: (256, 56),
    30: (1, 2),
    34: (256, 54),
    35: (256, 66),
    39: (32, 17),
}
_QUANTISATIONS = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    25: "IQ4_NL",
    30: "IQ4_XS",
    32: "BF16",
    38: "MXFP4",
}


@dataclass(frozen=True)
class GgufHead:
    """`context` in tokens, as the model was trained; `template` is its chat template; None: the file says none.

    `size` in bytes; `token_size`: bytes of memory that a token of a conversation takes, 0 where that is not known.
    """

    size: int
    context: int | None
    quantisation: str | None
    template: str | None
    token_size: int = 0

    @property
    def takes_tools(self) -> bool:
        """Whether the template has a place for tools."""
        return "tools" in (self.template or "")

    @property
    def takes_system(self) -> bool:
        """Whether it has one for a system message; one that treats all roles alike has, as ChatML's does."""
        text = self.template or "system"  # where there is none, llama.cpp takes that of ChatML
        return "system" in text or "message['role']" in text or "message.role" in text


def gguf_head(path: Path) -> GgufHead:
    """What the head of a file says. Raises UsageError where it is no GGUF, torn, or cannot be read."""
    try:
        with path.open("rb") as file:
            if file.read(4) != _MAGIC:
                raise UsageError(f"{path} is no GGUF file", todo="name a model's file (.gguf)")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _Reader(content).head()
    except (struct.error, ValueError, IndexError, OverflowError, KeyError):
        raise _torn(path) from None
    except EOFError:
        raise _torn(path) from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", todo="check the path") from None


def _torn(path: Path) -> UsageError:
    return UsageError(f"{path} is torn: it ends before its weights do", todo="fetch it again")


class _Reader:
    """Reads from the beginning on."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._at = 4

    def head(self) -> GgufHead:
        if not 2 <= self._number("<I") <= 3:
            raise ValueError
        tensors, pairs = self._number("<Q"), self._number("<Q")
        if max(tensors, pairs) > _MOST:
            raise ValueError
        said: dict[str, Any] = {}
        for _ in range(pairs):
            name = self._text()
            said[name] = self._value(self._number("<I"))
        self._check_weights(tensors, said.get("general.alignment") or 32)
        of_kind = _Hyperparameters(said)
        context = of_kind["context_length"]
        kind = said.get("general.file_type")
        template = said.get("tokenizer.chat_template.tool_use") or said.get("tokenizer.chat_template")
        return GgufHead(
            len(self._content),
            context or None,
            None if kind is None else _QUANTISATIONS.get(kind, f"type {kind}"),
            template if isinstance(template, str) else None,
            of_kind.token_size(),
        )

    def _check_weights(self, tensors: int, alignment: int) -> None:
        """Raise EOFError where the file ends before the last of its weights."""
        ends = [self._end_of_one() for _ in range(tensors)]
        begin = -(-self._at // alignment) * alignment
        if begin + max(ends, default=0) > len(self._content):
            raise EOFError

    def _end_of_one(self) -> int:
        self._text()
        shape = [self._number("<Q") for _ in range(self._number("<I"))]
        kind, offset = self._number("<I"), self._number("<Q")
        weights, size = _BLOCKS.get(kind, (1, 0))
        return int(offset + prod(shape) // weights * size)

    def _number(self, form: str) -> Any:
        (value,) = struct.unpack_from(form, self._content, self._at)
        self._at += struct.calcsize(form)
        return value

    def _text(self) -> str:
        size = self._number("<Q")
        begin, self._at = self._at, self._at + size
        if self._at > len(self._content):
            raise EOFError
        return self._content[begin : self._at].decode("utf-8", "replace")

    def _value(self, kind: int) -> Any:
        """A value; of an array, nothing: no list is needed here, and a vocabulary has 200,000 words."""
        if kind == _TEXT:
            return self._text()
        if kind != _ARRAY:
            return self._number(_SCALARS[kind])
        inner, count = self._number("<I"), self._number("<Q")
        if inner in _SCALARS:
            self._at += struct.calcsize(_SCALARS[inner]) * count
        else:
            for _ in range(count):
                self._skip(inner)
        if self._at > len(self._content):
            raise EOFError
        return None

    def _skip(self, kind: int) -> None:
        if kind != _TEXT:
            self._value(kind)
            return
        (size,) = struct.unpack_from("<Q", self._content, self._at)
        self._at += 8 + size


class _Hyperparameters:
    """The numbers of a model's architecture; 0 for one that is not said, or not one number for all layers."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self._said, self._kind = said, said.get("general.architecture")

    def __getitem__(self, name: str) -> int:
        value = self._said.get(f"{self._kind}.{name}")
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    def token_size(self) -> int:
        """Bytes of a token's keys and values, of 16 bits each, in all layers."""
        heads = self["attention.head_count"]
        usual = self["embedding_length"] // heads if heads else 0
        key, value = (self[f"attention.{name}_length"] or usual for name in ("key", "value"))
        return self["block_count"] * self["attention.head_count_kv"] * (key + value) * 2
