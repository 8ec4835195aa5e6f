"""A gist: what a report takes from a record, as a rule without reading what stands before its first finish_reason."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any

from llmcli import jsonl
from llmcli.wire import Json

Gist = Json
"""A record, as far as a report needs it: `response.body.choices` and `.usage`, `error`, `llmcli`."""

_FINISH = b'"finish_reason":'
_BEFORE = b'{"response":{"body":{"choices":[{'  # what is open where a reason stands
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
SECOND = len("2026-11-27T10:00:00")  # of an `at`, as far as it names one
_DETAILS = ("prompt_tokens_details", "completion_tokens_details")
BROKEN = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError)
"""What comes of a gist that is none."""


def gists_in(stretch: bytes) -> list[Gist]:
    """What whole lines say that may be records: nothing is checked yet. Raises ValueError.

    No text can hold the word that is looked for, since quotes are escaped there. Where it stands elsewhere than in
    the first choice, what is read from it on does not close what is open before it, and is no JSON.
    """
    pieces: list[bytes] = []
    start, find, take = (
        0,
        stretch.find,
        pieces.append,
    )  # for each of a million rows: no calls that can be saved
    while end := find(b"\n", start) + 1:
        word = find(_FINISH, start, end)
        if word < 0:
            return _read(b"[" + stretch[:-1].replace(b"\n", b",") + b"]")
        take(stretch[word:end])
        start = end
    return _read(b"[" + _BEFORE + (b"," + _BEFORE).join(pieces) + b"]")


def _read(data: bytes) -> list[Gist]:
    found: list[Gist] = jsonl.ours(data)
    return found


def whole_gist(line: bytes) -> Gist | None:
    """What one line says, by reading and checking all of it; None where it is no record.

    What a server sent in another form than it should is left out of it.
    """
    try:
        data: Any = jsonl.loads(line)
        about, response = data["llmcli"], data["response"]
        if not (isinstance(about["row"], int) and data["id"].startswith("batch_req_") and _is_timed(about)):
            return None
        body = (response or {}).get("body")
        body = body if isinstance(body, dict) else {}
        choices = [_choice(choice) for choice in body.get("choices") or () if isinstance(choice, dict)]
        read = {"choices": choices, "usage": _usage(body.get("usage"))}
        error = data.get("error")
    except BROKEN:
        return None
    is_told = error is None or isinstance(error, dict)
    return {"response": {"body": read}, "error": error, "llmcli": about} if is_told else None


def _is_timed(about: Json) -> bool:
    """Whether the figures of an envelope are some."""
    numbers = (about["latency_ms"], about["cost_usd"])
    return (
        isinstance(about["attempts"], int)
        and is_moment(about["at"][:SECOND])
        and (about["model"] is None or isinstance(about["model"], str))
        and all(number is None or (_is_number(number) and math.isfinite(number)) for number in numbers)
    )


def is_moment(at: str) -> bool:
    """Whether the beginning of an `at` names a second."""
    if not _MOMENT.fullmatch(at):
        return False
    try:
        datetime.fromisoformat(at)
    except ValueError:
        return False
    return True


def _choice(choice: Json) -> Json:
    reason = choice.get("finish_reason")
    return {"finish_reason": reason if isinstance(reason, str) else None}


def _usage(usage: Any) -> Json:
    """The counts of a usage that are numbers, those of its details too."""
    if not isinstance(usage, dict):
        return {}
    return {
        **_numbers({name: usage.get(name) for name in ("prompt_tokens", "completion_tokens")}),
        **{name: _numbers(usage[name]) for name in _DETAILS if isinstance(usage.get(name), dict)},
    }


def _numbers(counts: Json) -> Json:
    return {name: count for name, count in counts.items() if _is_number(count)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)
