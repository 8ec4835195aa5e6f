"""The label that an answer is, how probable the model found it, and whether the gate lets it through."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from llmcli import jsonl
from llmcli.app import App
from llmcli.errors import Gated
from llmcli.exchange.wrapping import Judged, without_wrapping
from llmcli.output.calls import tool_calls
from llmcli.output.sink import first_code_block, text_of
from llmcli.settings.labels import KEY, label_in, listed
from llmcli.wire import Completion, Json, Request

_LONGEST = 60  # characters of an answer that is no label, as an error shows it


def as_label(text: str, labels: Sequence[str]) -> Judged:
    """The label that a text is, as it was spelled; the text itself where it is none."""
    label, removed = label_in(_written(text), labels), tuple[str, ...]()
    if label is None:
        inside, removed = without_wrapping(text)
        label = label_in(_written(inside), labels)
    if label is not None:
        return Judged(label, removed)
    shown = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
    return Judged(text, (), f"the answer is none of the labels {listed(labels)}: {shown!r}")


def _written(text: str) -> str:
    """What stands where the label is to be, in the JSON that the schema asks for, or alone."""
    try:
        value = jsonl.loads(text)
    except ValueError:
        return text
    inner = value[KEY] if isinstance(value, dict) and value.keys() == {KEY} else None
    return inner if isinstance(inner, str) else text


def choice_in(completion: Completion, request: Request) -> Any:
    """`{"label","probability"}` where labels were asked for and one came; of several answers, a list with `index`."""
    if not request.choices:
        return None
    found = [_choice(choice, request) for choice in completion.choices]
    told = [{"index": index, **choice} for index, choice in enumerate(found) if choice is not None]
    return found[0] if len(found) == 1 else told or None


def _choice(choice: Json, request: Request) -> Json | None:
    message = choice.get("message") or {}
    if tool_calls(message) or message.get("refusal"):
        return None
    text = text_of(message)
    code = first_code_block(text) if request.extract else text
    label = as_label(code, request.choices)
    if label.wrong is not None:
        return None
    written = _written(without_wrapping(code)[0]).strip()
    return {"label": label.text, "probability": _probability(choice.get("logprobs"), written)}


def _probability(logprobs: Any, written: str) -> float | None:
    """The product of what the tokens that have a part in the label were given; None where that is not known."""
    try:
        tokens = [(_bytes(token), float(token["logprob"])) for token in logprobs["content"]]
    except (KeyError, TypeError, ValueError):
        return None
    whole = b"".join(piece for piece, _ in tokens)
    spellings = (written, json.dumps(written)[1:-1])
    needle = next((n for text in spellings if (n := text.encode("utf-8", "replace")) in whole), None)
    if not needle:
        return None
    start = whole.rindex(needle)
    total, place = 0.0, 0
    for piece, logprob in tokens:
        if place < start + len(needle) and place + len(piece) > start:
            total += logprob
        place += len(piece)
    return None if math.isnan(total) else min(1.0, math.exp(min(total, 0.0)))


def _bytes(token: Json) -> bytes:
    known = token.get("bytes")
    return bytes(known) if isinstance(known, list) else str(token["token"]).encode("utf-8", "replace")


def labels_of_choice(choice: Any) -> list[str]:
    """The labels of `llmcli.choice`: of each answer that has one."""
    return [each["label"] for each in (choice if isinstance(choice, list) else [choice]) if each is not None]


def check_gate(app: App, passing: Sequence[str], completion: Completion) -> None:
    """Raise Gated where an answer is none of the labels that are let through."""
    labels = labels_of_choice(completion.meta.choice)
    if not passing:
        return
    if any(label not in passing for label in labels):
        app.notes.detail(f"gate: {listed(labels)} is none of {listed(passing)}")
        raise Gated("the gate lets the answer not through")
