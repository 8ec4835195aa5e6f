"""Results of tools as the model can read them: text, and images beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from llmcli import jsonl
from llmcli.lean.dataclass import dataclass
from llmcli.wire import Json

_NOTHING = "(no output)"


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its type, and its bytes in base64."""

    kind: str
    data: str

    @property
    def url(self) -> str:
        """As an image part has it."""
        return f"data:{self.kind};base64,{self.data}"

    @property
    def words(self) -> str:
        """As `image/png, 4 kB`."""
        return f"{self.kind}, {_size(self.data)}"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a tool gave: pieces of text, and images between them; `failed`: it says what went wrong."""

    pieces: Sequence[str | Image]
    failed: bool = False


def failed_call(text: str) -> Ran:
    """A result that tells the model what went wrong."""
    return Ran((f"error: {text}",), failed=True)


def read_result(result: Json) -> Ran:
    """MCP's result of `tools/call`, as it goes over the wire."""
    pieces = [piece for part in result.get("content") or () for piece in _pieces(part)]
    if not any(pieces):
        structured = result.get("structuredContent")
        given = structured not in (None, {}, {"result": None})
        pieces = [jsonl.dumps(structured).decode() if given else _NOTHING]
    if result.get("isError"):
        pieces = ["error: the tool failed", *pieces]
    return Ran(tuple(pieces), failed=bool(result.get("isError")))


def _pieces(part: Json) -> Iterator[str | Image]:
    kind = part.get("type")
    if kind == "text":
        yield str(part.get("text", ""))
    elif kind == "image":
        yield Image(str(part.get("mimeType", "image/png")), str(part.get("data", "")))
    elif kind == "audio":
        yield f"[audio: {part.get('mimeType')}, {_size(part.get('data'))}]"
    elif kind == "resource_link":
        yield " ".join(str(part[key]) for key in ("name", "uri") if part.get(key))
    elif kind == "resource":
        yield _embedded(part.get("resource") or {})


def _embedded(resource: Json) -> str | Image:
    if isinstance(resource.get("text"), str):
        return str(resource["text"])
    kind, blob = str(resource.get("mimeType") or "application/octet-stream"), str(resource.get("blob", ""))
    if kind.startswith("image/"):
        return Image(kind, blob)
    return f"[resource {resource.get('uri')}: {kind}, {_size(blob)}]"


def _size(data: Any) -> str:
    count = len(data) * 3 // 4 if isinstance(data, str) else 0
    return f"{count} bytes" if count < 1000 else f"{round(count / 1000)} kB"
