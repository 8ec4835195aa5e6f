"""What an error body says, in whatever dress: its codes and its words, as they stand in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmcli import jsonl
from llmcli.lean.dataclass import dataclass

_SAYS = (
    "error",
    "title",
    "message",
    "errormessage",
    "errormsg",
    "msg",
    "statusmsg",
    "htmlmessage",
    "faultstring",
    "detail",
    "details",
    "metadata",
    "errordescription",
    "description",
    "errors",
    "reason",
    "cause",
    "exception",
    "raw",
)  # where words stand, `_name`d, the first ones first
_NAMES = ("code", "errorcode", "statuscode", "type", "errortype", "status", "reason", "param")
_DRESSES = {
    "errors",
    "errorcode",
    "errormessage",
    "errormsg",
    "message",
    "msg",
    "detail",
    "faultstring",
    "fault",
    "htmlmessage",
    "statusmsg",
    "exception",
}  # keys that make an object without choices an error
_NOT_SAID = {"choices", "input", "inputs", "ctx", "messages", "prompt", "usage", "request", "flaggedinput"}
_NO_CODE = {"error", "fail", "failed", "failure"}
_DEEPEST = 8  # levels of objects that are looked into
_MOST = 5  # items of a list that are told
_LEVELS = range(400, 600)


@dataclass(frozen=True, slots=True)
class Complaint:
    """`codes` are all words and numbers that name the error, the innermost first; `message` is for people.

    `status` is the HTTP status that stands in the body. `message` is empty where nothing was said.
    """

    codes: tuple[str, ...]
    message: str

    @property
    def code(self) -> str | None:
        """The one that the error goes by."""
        named = (code for code in self.codes if not code.startswith("param:") and code not in _NO_CODE)
        return next(named, None)

    @property
    def status(self) -> int | None:
        """The HTTP status that stands in the body."""
        numbers = (int(code) for code in self.codes if code.isascii() and code.isdigit() and len(code) == 3)
        return next((number for number in numbers if number in _LEVELS), None)


def complaint(data: Any) -> Complaint:
    """What a body says; `data` is its JSON."""
    inner = data[0] if isinstance(data, list) and data else data
    objects = list(_objects(inner))
    objects.sort(key=lambda found: not found[0])  # what stands in an `error` counts most
    codes = dict.fromkeys(code for _, item in objects for code in _codes(item))
    return Complaint(tuple(codes), words_of(data))


def compact(data: Any) -> str:
    """JSON on one line."""
    return jsonl.dumps(data).decode("utf-8", "replace")


def words_of(value: Any, depth: int = _DEEPEST) -> str:
    """What JSON says to people: the words at the usual keys, else at any depth; empty where there are none."""
    if isinstance(value, str):
        return _text(value, depth)
    if isinstance(value, list) and depth:
        said = dict.fromkeys(words_of(item, depth - 1) for item in value)
        return "; ".join([words for words in said if words][:_MOST])
    if isinstance(value, dict) and depth:
        return _place(value) + words if (words := _said(value, depth - 1)) else ""
    return ""


def is_blank(value: Any) -> bool:
    """Whether a value says nothing: empty, null, 0, or made of nothing else."""
    if isinstance(value, dict):
        return all(is_blank(part) for part in value.values())
    if isinstance(value, list):
        return all(is_blank(part) for part in value)
    return not value or (isinstance(value, str) and value.strip() in {"", "0"})


BESIDE = frozenset({"error", "x_groq", "base_resp"})  # where an error may stand beside choices


def is_error(data: Any) -> bool:
    """Whether an object of a 200 is an error: beside choices one that says something, else one in any dress."""
    if not isinstance(data, dict):
        return isinstance(data, list) and bool(data) and isinstance(data[0], dict) and is_error(data[0])
    if BESIDE.isdisjoint(data) and data.get("choices") is not None:
        return False
    beside = [data.get("error"), _part(data, "x_groq", "error"), _part(data, "base_resp", "status_code")]
    if not all(map(is_blank, beside)):
        return True
    if data.get("choices") is not None:
        return False
    return _has_failed(data) or any(_name(key) in _DRESSES and _complains(part) for key, part in data.items())


def _part(data: dict[str, Any], key: str, inner: str) -> Any:
    part = data.get(key)
    return part.get(inner) if isinstance(part, dict) else None


def _has_failed(data: dict[str, Any]) -> bool:
    """Whether an object without choices says that it is an error, in whatever words."""
    if "error" in (data.get("object"), data.get("type")) or (
        isinstance(data.get("error"), dict) and data["error"]
    ):
        return True
    if False in (data.get("success", True), data.get("ok", True)) or _is_failure(data):
        return True
    return "choices" in data and not data.get("usage") and bool(words_of(data))


def _is_failure(data: dict[str, Any]) -> bool:
    """Whether a status in an object is that of an error."""
    said = [data.get(key) for key in ("status", "code", "statusCode", "status_code")]
    words = {str(word).lower() for word in said if isinstance(word, str | int)}
    return not words.isdisjoint(_NO_CODE) or not words.isdisjoint(map(str, _LEVELS))


def _complains(part: Any) -> bool:
    return not is_blank(part) and (not isinstance(part, dict) or bool(words_of(part)))


def plain_text(text: str) -> str:
    """HTML as text: its title, where it has one."""
    if "<" not in text:
        return text
    import html

    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    return html.unescape(title[1] if title else re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", text))


def _said(value: dict[str, Any], depth: int) -> str:
    """The words of an object: of two keys that both say something, both."""
    by_name = {_name(key): part for key, part in value.items() if not is_blank(part)}
    said: list[str] = []
    for name in _SAYS:
        words = words_of(by_name.get(name), depth)
        if words and not any(words in other for other in said):
            said = [other for other in said if other not in words] + [words]
    if said:
        return ": ".join(said[:2])
    deeper = (words_of(part, depth) for name, part in by_name.items() if _may_say(name, part))
    return next(filter(None, deeper), "")


def _may_say(name: str, part: Any) -> bool:
    """Whether a part under an unusual key may hold words: an object does, and so do sentences."""
    if isinstance(part, list):
        return name not in _NOT_SAID and any(not isinstance(item, str) or " " in item for item in part)
    return name not in _NOT_SAID and isinstance(part, dict)


def _text(text: str, depth: int) -> str:
    """A text; of an upstream's body that was put into it as it came, the words."""
    text = text.strip()
    if text[:1] in {"{", "["} and depth:
        try:
            return words_of(jsonl.loads(text), depth - 1) or text
        except ValueError:
            return text
    return " ".join(plain_text(text[:20_000]).split()) if text.startswith("<") else text


def _place(value: dict[str, Any]) -> str:
    """Where in the request the words of a validator belong."""
    where = value.get("loc")
    return ".".join(map(str, where)) + ": " if isinstance(where, list) and where else ""


def _objects(value: Any, *, inner: bool = False, depth: int = _DEEPEST) -> Iterator[tuple[bool, Any]]:
    """The objects of a body, and whether each stands in one that is called an error."""
    if isinstance(value, dict) and depth:
        yield inner, value
        for key, part in value.items():
            name = _name(key)
            if name not in _NOT_SAID:
                yield from _objects(part, inner=inner or name in {"error", "errors"}, depth=depth - 1)
    elif isinstance(value, list) and depth:
        for item in value[:_MOST]:
            yield from _objects(item, inner=inner, depth=depth - 1)
    elif isinstance(value, str) and value[:1] == "{" and depth:
        try:
            yield from _objects(jsonl.loads(value), inner=inner, depth=depth - 1)
        except ValueError:
            return


def _codes(value: dict[str, Any]) -> Iterator[str]:
    """The codes of an object, but for those of a validator, which name what is wrong with one field."""
    if "loc" in value:
        return
    by_name = {_name(key): part for key, part in value.items()}
    for name in _NAMES:
        code = by_name.get(name)
        if isinstance(code, str | int) and not isinstance(code, bool) and code:
            yield f"param:{code}" if name == "param" else str(code)


def _name(key: str) -> str:
    """A key, however it is written: `error_msg`, `errorMsg`, `html-message`."""
    return key.lower().replace("_", "").replace("-", "")
