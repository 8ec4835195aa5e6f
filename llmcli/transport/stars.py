"""Stars where a secret stood, in texts, in JSON and in streams; and no half of a character left in a stream.

A server may echo the key that it got, or another header; nothing of ours shows it. A stream is cut anywhere, so the
end of a piece is held back where it may be the beginning of a secret, or is half a character, until more has come.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from llmcli import jsonl
from llmcli.address import address_of
from llmcli.wire import Chunk, Json, Request

Secrets = tuple[str, ...]  # the longest first

_LEAST = 8  # characters of a key that may be told from the words around it
_STARS = "***"
_ONE_SPELLING = re.compile(r"[\w.~-]*", re.ASCII)
_MARKS = (
    ('"', "'"),
    ("&quot;", "&#x27;"),
    ("&quot;", "&#39;"),
    ("&#34;", "&#39;"),
)  # as HTML has them, or leaves them
_BACKSLASH = 0x5C
_RARE = b"QXZJVKYWGUqzxj_9876"  # in JSON, the rarest first
_SAID_WHOLE = {
    "role",
    "id",
    "type",
    "name",
    "object",
    "format",
    "mime_type",
}  # strings that no piece goes on with
_HEAD = ("id", "object", "created", "model")  # what every chunk of a stream says
_Path = tuple[str | int | None, ...]


def secrets_of(request: Request, key: str | None, others: frozenset[str] = frozenset()) -> Secrets:
    """What was sent with a request and nobody else may read: the key, what is secret in headers and in the address.

    `others`: what is so, and was sent beside it.
    """
    return _secrets(key, request.headers.secrets | others, request.base_url)


@lru_cache
def _secrets(key: str | None, others: frozenset[str], url: str) -> Secrets:
    address = address_of(url)
    return told_apart({key or ""} | others | (address.secrets if address else frozenset()))


def told_apart(found: Iterable[str]) -> Secrets:
    """Of these, what is long enough to be told from the words around it, as pages, addresses and JSON spell it."""
    long = {spelled for each in found if len(each) >= _LEAST for spelled in _spellings(each)}
    return tuple(sorted(long, key=len, reverse=True))


def _spellings(secret: str) -> set[str]:
    if _ONE_SPELLING.fullmatch(secret):
        return {secret}
    page = secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    pages = {page.replace('"', two).replace("'", one) for two, one in _MARKS}
    return {secret, quote(secret, safe=""), jsonl.dumps(secret)[1:-1].decode(), *pages}


def without_in(text: str, secrets: Secrets) -> str:
    """A text, as `without` has it."""
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, _STARS)
        if "/" in secret:
            text = text.replace(secret.replace("/", "\\/"), _STARS)
    return text


def without(value: Any, secrets: Secrets) -> Any:
    """Text or JSON with stars where a secret stood; servers that write broken JSON may escape its slashes."""
    if not secrets:
        return value
    if isinstance(value, str):
        return without_in(value, secrets)
    if isinstance(value, list):
        return [without(part, secrets) for part in value]
    if isinstance(value, dict):
        return {without(name, secrets): without(part, secrets) for name, part in value.items()}
    return value


def may_hold(body: bytes, secrets: Secrets) -> bool:
    """Whether JSON may hold a secret: as it is, or with characters escaped."""
    # A byte is found ten times as fast as bytes. `in` of a byte is faster than `find`, and of bytes slower.
    written, escaped = _signs(secrets)
    for rare, secret in written:
        if rare in body and body.find(secret) >= 0:
            return True
    if _BACKSLASH in body:
        for sign in escaped:
            if body.find(sign) >= 0:
                return True
    return False


@lru_cache
def _signs(secrets: Secrets) -> tuple[list[tuple[int, bytes]], list[bytes]]:
    """Secrets as JSON has them, each behind its rarest byte, and how what is escaped without need begins in them."""
    written = _in_json(secrets)
    escaped = [b"\\u00"] if all(each.isascii() for each in secrets) else [b"\\u"]
    if any("/" in each for each in secrets):
        escaped.append(b"\\/")
    return [(next((byte for byte in _RARE if byte in each), each[0]), each) for each in written], escaped


def _in_json(secrets: Secrets) -> list[bytes]:
    """Secrets as JSON has them."""
    return [jsonl.dumps(secret)[1:-1] for secret in secrets]


class Pieces:
    """`take` a chunk and get what may be shown; `rest` is what is left when no more will come."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._held: dict[_Path, str] = {}  # by choice and field: what may be the beginning of something
        self._shown: dict[_Path, str] = {}  # the same, where it was shown at the end of a choice
        self._head: Json = {}  # of the last chunk that was shown, or all of it
        self._is_doubtful = _doubt_of(secrets)

    def take(self, chunk: Chunk, raw: bytes | None = None) -> Iterable[Chunk]:
        """The chunk as it may be shown, behind what was held back and does not go on. `raw`: the JSON that it was."""
        if raw is None or self._held or self._shown or self._is_doubtful(raw):
            return self._looked_through(chunk)
        self._head = chunk
        return (chunk,)

    def _looked_through(self, chunk: Chunk) -> Iterator[Chunk]:
        choices = chunk.get("choices")
        begun = isinstance(choices, list) and any(_begins_call(choice) for choice in choices)
        if begun and self._held:
            yield from self.rest()
        shown: Chunk = without(
            {name: part for name, part in chunk.items() if name != "choices"}, self._secrets
        )
        self._head = shown
        if "choices" in chunk:
            shown["choices"] = choices and [self._choice(choice, at) for at, choice in enumerate(choices)]
        yield {name: shown[name] for name in chunk if name in shown} | shown

    def rest(self) -> Iterator[Chunk]:
        """What was held back, as chunks of its own."""
        for path in list(self._held):
            delta = _at(path[1:], self._held.pop(path))
            head = {name: self._head[name] for name in _HEAD if name in self._head}
            yield {**head, "choices": [{"index": path[0], "delta": delta, "finish_reason": None}]}

    def _choice(self, choice: Any, position: int) -> Any:
        if not isinstance(choice, dict):
            return choice
        index = choice.get("index")
        index = index if isinstance(index, int) else position
        kept = {name: part for name, part in choice.items() if name not in {"delta", "message"}}
        shown: Json = without(kept, self._secrets)
        for name in ("delta", "message"):
            if name in choice:
                said = choice[name]
                shown[name] = self._object(said, (index,)) if isinstance(said, dict) else said
        if choice.get("finish_reason"):
            self._let_go(shown, index)
        return shown

    def _object(self, value: Json, path: _Path) -> Json:
        return {without(name, self._secrets): self._part(part, (*path, name)) for name, part in value.items()}

    def _part(self, value: Any, path: _Path) -> Any:
        if isinstance(value, str):
            if path[-1] in _SAID_WHOLE:
                return jsonl.mended(without(value, self._secrets))
            return self._piece(value, path)
        if isinstance(value, dict):
            return self._object(value, path)
        if isinstance(value, list):
            numbered = path[-1] == "tool_calls"
            return [
                self._part(item, (*path, _index(item, at) if numbered else None))
                for at, item in enumerate(value)
            ]
        return value

    def _piece(self, text: str, path: _Path) -> str:
        """What may be shown of a string that goes on; the rest is held."""
        before = self._shown.pop(path, "")
        text = without(before + self._held.pop(path, "") + text, self._secrets)
        if before:
            text = text.removeprefix(before) if text.startswith(before) else _STARS
        if held := self._doubtful(text):
            self._held[path] = held
            text = text.removesuffix(held)
        return jsonl.mended(text)

    def _doubtful(self, text: str) -> str:
        """The end of a text that may be the beginning of a secret, or of a character."""
        starts = [start for secret in self._secrets if (start := _begun(text, secret)) is not None]
        if starts:
            return text[min(starts) :]
        return text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""

    def _let_go(self, choice: Json, index: int) -> None:
        """Put what was held of a choice into the chunk that ends it."""
        for path in [path for path in self._held if path[0] == index]:
            held = self._shown[path] = self._held.pop(path)
            place = "message" if isinstance(choice.get("message"), dict) else "delta"
            choice[place] = _joined(choice.get(place) or {}, path[1:], jsonl.mended(held))


class _Doubt:
    """Whether a string in JSON may hold a secret, or end in the beginning of one: what few bytes of a stream do.

    `firsts` are the first characters of each secret, which must stand in JSON that holds it; `ends` finds fewer of
    them at the end of a string that is no name. A character that is escaped by its number may be any, or half of one;
    and a zero byte says that all of it is UTF-16.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._firsts = [secret[:_LEAST] for secret in _in_json(secrets)]
        ends = b"|".join(map(_any_beginning, self._firsts))
        self._ends = re.compile(rb'(?:%b)"(?!\s*:)' % ends) if ends else None

    def __call__(self, raw: bytes) -> bool:
        if (_BACKSLASH in raw and (b"\\u" in raw or b"\\/" in raw)) or 0 in raw:
            return True
        for first in self._firsts:
            if raw.find(first) >= 0:
                return True
        return self._ends is not None and self._ends.search(raw) is not None


def _any_beginning(text: bytes) -> bytes:
    """A pattern for any beginning of a text that is not all of it."""
    pattern = b""
    for byte in reversed(text[:-1]):
        pattern = re.escape(bytes([byte])) + (b"(?:%b)?" % pattern if pattern else b"")
    return pattern


_doubt_of = lru_cache(_Doubt)


def _begun(text: str, secret: str) -> int | None:
    """Where the end of a text begins that may be the beginning of a secret."""
    start = max(0, len(text) - len(secret) + 1)
    while (start := text.find(secret[0], start)) >= 0:
        if secret.startswith(text[start:]):
            return start
        start += 1
    return None


def _begins_call(choice: Any) -> bool:
    """Whether a choice begins a tool call, which may stand where another was."""
    delta = choice.get("delta") if isinstance(choice, dict) else None
    calls = delta.get("tool_calls") if isinstance(delta, dict) else None
    return isinstance(calls, list) and any(isinstance(call, dict) and call.get("id") for call in calls)


def _index(item: Any, position: int) -> int:
    index = item.get("index") if isinstance(item, dict) else None
    return index if isinstance(index, int) else position


def _at(path: _Path, text: str) -> Any:
    """A text at its place in a delta."""
    if not path:
        return jsonl.mended(text)
    step, inner = path[0], _at(path[1:], text)
    if isinstance(step, str):
        return {step: inner}
    if isinstance(inner, dict):
        inner = {"index": step, **inner} if step is not None else {"type": "text", **inner}
    return [inner]


def _joined(delta: Json, path: _Path, text: str) -> Json:
    """A delta with a text behind what it says at a place."""
    step = path[0]
    assert isinstance(step, str)  # noqa: S101 - a delta is an object
    said = delta.get(step)
    if len(path) == 1:
        return {**delta, step: (said or "") + text}
    more = _at(path[1:], text)
    if isinstance(said, list):
        return {**delta, step: [*said, *more]}
    return {**delta, step: _joined(said, path[1:], text) if isinstance(said, dict) else more}
