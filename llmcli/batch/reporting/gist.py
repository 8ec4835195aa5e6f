"""Gists: what a report takes from records, as a rule without reading what stands before their finish_reason."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from llmcli import jsonl
from llmcli.lean.pattern import lazy_pattern
from llmcli.wire import Json, usage_count

_FINISH = b'"finish_reason":'
_USAGE = b'"usage":'
_ANSWERED = b'}},"error":null,"llmcli":{'  # closes the body and the response, and opens the envelope
_BEHIND, _END = len(_ANSWERED), len(b"}\n")
_MOMENT = lazy_pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
SECOND = len("2026-11-27T10:00:00")  # of an `at`, as far as it names one
COUNTS = ("prompt_tokens", "completion_tokens")
DETAILS = {"prompt_tokens_details": "cached_tokens", "completion_tokens_details": "reasoning_tokens"}
_NOTHING: Json = {}
BROKEN = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError)
"""What comes of a gist that is none."""


class Gist(NamedTuple):
    """What a record says: its error, its envelope, the usage that it tells, and why each of its choices ended."""

    error: Json | None
    about: Json
    usage: Json
    reasons: list[str]


class Gists(NamedTuple):
    """What many say, an entry a record; `reasons` are those of all of them, counted."""

    errors: Sequence[Json | None]
    abouts: Sequence[Json]
    usages: Sequence[Json]
    reasons: Counter[str]


def gists_in(stretch: bytes) -> Gists:
    """What whole lines say that may be records: nothing is checked yet. Raises one of BROKEN."""
    return _ends_of(stretch) or _read_whole(stretch)


def _ends_of(stretch: bytes) -> Gists | None:
    """Those of answers, by the ends of their lines; None where one is no answer, or in another form than usual.

    An end is cut in three: from the finish_reason to the usage, from there to the end of the body, and the envelope.
    Of the first two many are alike, and each is read once. No text can hold the words that are looked for, since
    quotes are escaped there; where one stands elsewhere than it should, what is cut out closes less or more than is
    open, and is no JSON.
    """
    choices, bodies, abouts = list[bytes](), list[bytes](), list[bytes]()
    start, find = 0, stretch.find  # this loop is most of what a row takes: no calls that can be saved
    keep, take, hold = choices.append, bodies.append, abouts.append
    while end := find(b"\n", start) + 1:
        word = find(_FINISH, start, end)
        usage = find(_USAGE, word, end)
        behind = find(_ANSWERED, usage, end)
        if word < 0 or usage < 0 or behind < 0:
            return None
        keep(stretch[word:usage])
        take(stretch[usage : behind + 1])
        hold(stretch[behind + _BEHIND : end - _END])
        start = end
    try:
        distinct = dict.fromkeys(bodies)
        told = dict(zip(distinct, [body["usage"] or _NOTHING for body in _objects(distinct)], strict=True))
        envelopes = _objects(abouts)
        nothing: list[None] = [None] * len(envelopes)
        return Gists(nothing, envelopes, [told[body] for body in bodies], _reasons_in(choices))
    except (ValueError, KeyError):
        return None


def _objects(texts: Iterable[bytes]) -> list[Json]:
    """What these texts say, each without the brace that opens it. Raises ValueError."""
    found: list[Json] = jsonl.ours(b"[{" + b",{".join(texts) + b"]")
    return found


def _reasons_in(choices: Iterable[bytes]) -> Counter[str]:
    """The reasons of these ends of lists of choices, of which most are alike. Raises ValueError, KeyError."""
    times = Counter(choices)
    opened = b'{"choices":[{'
    read = jsonl.ours(b"[" + opened + (b'"":0},' + opened).join(times) + b'"":0}]')
    reasons: Counter[str] = Counter()
    for body, count in zip(read, times.values(), strict=True):
        for reason in _reasons(body["choices"]):
            reasons[reason] += count
    return reasons


def _reasons(choices: Any) -> list[str]:
    found = [choice.get("finish_reason") for choice in choices or () if isinstance(choice, dict)]
    return [reason for reason in found if reason and isinstance(reason, str)]


def _read_whole(stretch: bytes) -> Gists:
    records: list[Json] = jsonl.ours(b"[" + stretch[:-1].replace(b"\n", b",") + b"]")
    if not records:
        raise ValueError  # an empty line
    bodies = [response["body"] if (response := record["response"]) else _NOTHING for record in records]
    usages = [body.get("usage") or _NOTHING for body in bodies]
    reasons = Counter(reason for body in bodies if body for reason in _reasons(body.get("choices")))
    errors = [record["error"] for record in records]
    return Gists(errors, [record["llmcli"] for record in records], usages, reasons)


def gists_of(gists: Sequence[Gist]) -> Gists:
    """Many of which each was read alone."""
    errors, abouts, usages, reasons = zip(*gists, strict=True)
    return Gists(errors, abouts, usages, Counter(chain.from_iterable(reasons)))


def whole_gist(line: bytes) -> Gist | None:
    """What one line says, by reading and checking all of it; None where it is no record.

    What a server sent in another form than it should is left out of it.
    """
    try:
        data: Any = jsonl.loads(line)
        about, response, error = data["llmcli"], data["response"], data["error"]
        if not (_is_known(data, about) and _is_timed(about)):
            return None
        body = (response or _NOTHING).get("body")
    except BROKEN:
        return None
    if not all(part is None or isinstance(part, dict) for part in (response, error)):
        return None
    body = body if isinstance(body, dict) else _NOTHING
    choices = body.get("choices")
    return Gist(error, about, usage_in(body), _reasons(choices if isinstance(choices, list) else ()))


def _is_known(data: Json, about: Json) -> bool:
    """Whether a record says whose row it is."""
    file: object = about.get("file")
    return (
        isinstance(about["row"], int)
        and (file is None or isinstance(file, str))
        and "custom_id" in data
        and data["id"].startswith("batch_req_")
    )


def _is_timed(about: Json) -> bool:
    """Whether the figures of an envelope are some."""
    numbers = (about["latency_ms"], about["cost_usd"])
    return (
        isinstance(about["attempts"], int)
        and is_moment(about["at"][:SECOND])
        and (about["model"] is None or isinstance(about["model"], str))
        and all(number is None or (_is_number(number) and math.isfinite(number)) for number in numbers)
    )


@lru_cache(1000)
def is_moment(at: str) -> bool:
    """Whether the beginning of an `at` names a second."""
    if not _MOMENT.fullmatch(at):
        return False
    try:
        datetime.fromisoformat(at)
    except ValueError:
        return False
    return True


def usage_in(body: Any) -> Json:
    """The counts of a body's usage that are some, those of its details too."""
    usage = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(usage, dict):
        return {}
    details = {
        name: {part: usage_count(usage[name], part)}
        for name, part in DETAILS.items()
        if isinstance(usage.get(name), dict)
    }
    return {name: usage_count(usage, name) for name in COUNTS} | details


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)
