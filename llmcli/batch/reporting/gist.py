"""A gist: what a report takes from one record, as a rule without reading the text of the answer."""

from __future__ import annotations

from typing import Any

from llmcli import jsonl
from llmcli.wire import Json

Gist = Json
"""`{"choices":[{"finish_reason"}],"usage":{...},"llmcli":{...}}`, and `"error"` of a failure."""

_ENVELOPE = b',"llmcli":{"row":'
_FINISH = b'"finish_reason":'
_NO_ERROR = b'}},"error":null'  # the ends of the body and the response, and what follows
_BEHIND = len(_NO_ERROR)
_BROKEN = (ValueError, KeyError, TypeError, IndexError, AttributeError)


def gist_of(line: bytes) -> Gist | None:
    """What a line says; None where it is no record.

    Of an answer of one choice what stands from its finish_reason on is enough. No text can hold the words that are
    looked for, since quotes are escaped there; where they stand otherwise than we expect, all is read.
    """
    end = line.rfind(_ENVELOPE)
    word = line.find(_FINISH)
    if word < end and word == line.rfind(_FINISH, 0, end) and line.startswith(_NO_ERROR, end - _BEHIND):
        try:
            found: Json = jsonl.ours(b'{"choices":[{' + line[word : end - _BEHIND] + line[end:])
        except ValueError:
            return whole_gist(line)
        if "usage" in found and "at" in found["llmcli"]:
            return found
    return whole_gist(line)


def whole_gist(line: bytes) -> Gist | None:
    """The same of any record, by reading all of it; None where it is none."""
    try:
        data: Any = jsonl.loads(line)
        about, response = data["llmcli"], data["response"]
        body = (response or {}).get("body")
        body = body if isinstance(body, dict) else {}
        choices = [choice for choice in body.get("choices") or () if isinstance(choice, dict)]
        usage = body.get("usage")
        gist = {"choices": choices, "usage": usage if isinstance(usage, dict) else {}, "llmcli": about}
        known = (
            isinstance(about["row"], int)
            and isinstance(data["id"], str)
            and data["id"].startswith("batch_req_")
        )
        has_rest = {"attempts", "latency_ms", "cost_usd", "model", "at"} <= about.keys()
    except _BROKEN:
        return None
    if not (known and has_rest):
        return None
    return gist if data.get("error") is None else {**gist, "error": data["error"]}
