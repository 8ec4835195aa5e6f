"""The finish: how an answer ended, in the finish_reason of any server, and whether there is anything in it."""

from __future__ import annotations

from dataclasses import field
from enum import Enum
from typing import Any

from llmcli.lean.dataclass import dataclass
from llmcli.wire import Chunk, Json


class Finish(Enum):
    """How a choice ended."""

    WHOLE = "the model had no more to say"
    CUT = "a limit of tokens was reached"
    BLOCKED = "a filter, or the model itself, refused"
    BROKEN = "the server gave it up"
    UNKNOWN = "in a word that nobody knows"
    UNSAID = "no word yet"


_CALLS = {"tool_calls", "tool_call", "tool_use", "toolcalls", "function_call", "function_calls"}
_WORDS = {
    Finish.WHOLE: """
        stop stopped end end_turn endturn stop_sequence stop_sequences stop_str stop_token eos eos_token eosfound
        eos_token_id eog eogtoken endoftext end_of_text complete completed done finished finish normal success
        stopstringfound
    """,
    Finish.CUT: """
        length max_tokens maxtokens max_token max_length max_new_tokens max_output_tokens maximum_tokens
        max_completion_tokens model_length token_limit limit context context_length context_window
        context_length_exceeded context_window_exceeded model_context_window_exceeded contextlengthreached
        maxpredictedtokensreached pause_turn incomplete
    """,
    Finish.BLOCKED: """
        safety recitation blocklist prohibited_content spii language model_armor image_safety image_recitation
        image_prohibited_content sensitive guardrail guardrails guardrail_intervened refusal refused blocked
        moderation moderated flagged error_toxic contentfilter
    """,
    Finish.BROKEN: """
        abort aborted cancel cancelled canceled user_cancel userstopped timeout timed_out time_limit network_error
        insufficient_system_resource error errored failed failure internal_error server_error modelunloaded
        malformed_function_call malformed_response malformed_model_output malformed_tool_use unexpected_tool_call
        too_many_tool_calls error_limit preempted interrupted
    """,
    Finish.UNSAID: "null none nil undefined unspecified not_finished in_progress",
}
_TABLE = {word: finish for finish, words in _WORDS.items() for word in words.split()}
_TABLE |= dict.fromkeys(_CALLS, Finish.WHOLE)
_BEGINNINGS = {
    "content_filter": Finish.BLOCKED,  # content_filtered, content_filter: SAFETY
    "function_call_filter": Finish.BROKEN,  # function_call_filter: MALFORMED_FUNCTION_CALL
    "repetition": Finish.BROKEN,  # repetition_detected
}
_ANSWER = ("content", "refusal", "tool_calls", "function_call", "audio", "images", "image", "video")
_NO_CALLS: tuple[object, ...] = (None, [])
_REASONING = ("reasoning_content", "reasoning")
_THOUGHTS = {"thinking", "redacted_thinking", "reasoning"}  # types of content parts that are no answer
_LABELS = {"type", "index"}  # of a part: what it is, not what is in it
_LONGEST = 100  # characters of a word that nobody knows, as it is shown


def meaning(reason: Any) -> Finish:
    """What a finish_reason says: its case, hyphens and the name of its enum (`FinishReason.STOP`) do not matter."""
    if not reason:
        return Finish.UNSAID
    if not isinstance(reason, str):
        return Finish.UNKNOWN
    word = _plain(reason)
    if (known := _TABLE.get(word)) is not None:
        return known
    return next((finish for start, finish in _BEGINNINGS.items() if word.startswith(start)), Finish.UNKNOWN)


def finish_of(choice: Json) -> Finish:
    """How a choice ended. One that is to have ended in calls, and has none, is broken."""
    reason = choice.get("finish_reason")
    if reason == "stop":
        return Finish.WHOLE
    if _tells_of_calls(reason) and not has_calls(choice.get("message") or {}):
        return Finish.BROKEN
    return meaning(reason)


def is_plain(choices: Any) -> bool:
    """Whether a reply's choices are a text that ended in `stop`, and nothing else: what most answers are.

    Such choices are well formed, begun, whole and no refusal. This only saves the time to look for all else.
    """
    try:  # of what JSON can hold, an object alone has names
        (choice,) = choices
        message, reason = choice["message"], choice["finish_reason"]
        content = message["content"]
    except (TypeError, ValueError, KeyError):
        return False
    if reason != "stop" or type(content) is not str or not content or "delta" in choice or "error" in choice:
        return False
    if type(choice.get("index", 0)) is not int or message.get("refusal") or message.get("function_call"):
        return False
    return message.get("tool_calls") in _NO_CALLS


def is_plain_piece(choices: Any) -> bool:
    """Whether a chunk's choices are a piece of text of one choice, and nothing else: what most chunks are.

    Such choices are well formed, no error and not at their end. This only saves the time to look for all else.
    """
    if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict:
        return False
    choice = choices[0]
    delta = choice.get("delta")
    if type(delta) is not dict or choice.get("finish_reason") is not None or "message" in choice:
        return False
    content = delta.get("content")
    if (
        type(content) is not str
        or not content
        or type(choice.get("index", 0)) is not int
        or "error" in choice
    ):
        return False
    return len(delta) == 1 or (delta.get("tool_calls") in _NO_CALLS and not delta.get("function_call"))


def shown(reason: Any) -> str:
    """A finish_reason as an error message has it."""
    return str(reason) if len(str(reason)) <= _LONGEST else f"{str(reason)[:_LONGEST]}..."


def given_up(reason: Any) -> str:
    """What an error says of an answer that is broken."""
    without = ", and there is no call" if _tells_of_calls(reason) else ""
    return f"the server gave the answer up: its finish_reason is {shown(reason)}{without}"


def says(message: Json) -> bool:
    """Whether a message, or a delta, has anything of an answer in it: text, calls, a refusal, media."""
    return any(_is_said(message.get(key)) for key in _ANSWER)


def thinks(message: Json) -> bool:
    """Whether a message, or a delta, has reasoning in it."""
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    in_parts = any(isinstance(part, dict) and is_thought(part) for part in parts)
    return in_parts or any(isinstance(message.get(key), str) and message[key] for key in _REASONING)


def is_thought(part: Json) -> bool:
    """Whether a part of a content is reasoning, and no answer."""
    return str(part.get("type")) in _THOUGHTS


def has_calls(message: Json) -> bool:
    """Whether a message, or a delta, calls a tool."""
    return bool(message.get("tool_calls") or message.get("function_call"))


def is_begun(choice: Json) -> bool:
    """Whether a choice came to anything: something in it, or a word on how it ended."""
    return meaning(choice.get("finish_reason")) is not Finish.UNSAID or says(choice.get("message") or {})


def is_stopped(choice: Json, fields: Any) -> bool:
    """Whether a stop sequence that was asked for, by the fields of a request, may have ended the choice."""
    asked = any(fields.get(name) for name in ("stop", "stop_sequences", "stop_token_ids"))
    reason = choice.get("finish_reason")
    return (asked and meaning(reason) is Finish.WHOLE) or reason == "stop_sequence"


@dataclass(slots=True)
class _Course:
    """How far one choice is."""

    said: bool = False  # something, be it reasoning
    called: bool = False
    reason: Any = None  # the last one
    is_open: bool = True  # something was said behind the last reason


@dataclass(slots=True)
class Courses:
    """How far the choices of a stream are. A finish_reason that comes early ends nothing: what follows counts."""

    _choices: dict[object, _Course] = field(default_factory=dict)

    def note(self, chunk: Chunk, *, plain: bool = False) -> None:
        """What a chunk adds; `plain`: its choices are (`is_plain_piece`)."""
        choices = chunk.get("choices") or []
        if plain and (known := self._choices.get(choices[0].get("index", 0))) is not None:
            known.said = known.is_open = True
            return
        for position, choice in enumerate(choices):
            index = choice.get("index")
            course = self._choices.setdefault(index if isinstance(index, int) else position, _Course())
            delta = choice.get("delta") or choice.get("message") or {}
            speaks = says(delta) or thinks(delta)
            course.said |= speaks
            course.called |= has_calls(delta)
            if meaning(choice.get("finish_reason")) is not Finish.UNSAID:
                course.reason, course.is_open = choice["finish_reason"], False
            elif speaks:
                course.is_open = True

    def are_finished(self, n: int) -> bool:
        """Whether all of `n` choices said something, and then ended."""
        return sum(course.said and not course.is_open for course in self._choices.values()) >= n

    def broken(self) -> str | None:
        """What an error says of a choice that the server gave up, if there is one."""
        reasons = (course.reason for course in self._choices.values() if _is_broken(course))
        return next(map(given_up, reasons), None)


def _is_broken(course: _Course) -> bool:
    lacks_calls = _tells_of_calls(course.reason) and not course.called
    return lacks_calls or meaning(course.reason) is Finish.BROKEN


def _tells_of_calls(reason: Any) -> bool:
    return isinstance(reason, str) and _plain(reason) in _CALLS


def _plain(word: str) -> str:
    word = word.strip().lower().replace("-", "_").replace(" ", "_")
    return word.removeprefix("finishreason.").removeprefix("finish_reason_")


def _is_said(value: Any) -> bool:
    if not isinstance(value, list):
        return bool(value) and isinstance(value, str | dict)
    return any(_is_part(part) for part in value)


def _is_part(part: Any) -> bool:
    """Whether a part of a content, a call or an image holds anything but its labels, and no reasoning."""
    if not isinstance(part, dict):
        return bool(part) and isinstance(part, str)
    if is_thought(part):
        return False
    return any(value for key, value in part.items() if key not in _LABELS)


def says_something(chunk: Chunk, *, reasoning: bool = False) -> bool:
    """Whether a chunk holds a piece of the answer. `reasoning` is one only where that is said."""
    for choice in chunk.get("choices") or []:
        delta = choice.get("delta") or choice.get("message") or {}
        if says(delta) or (reasoning and thinks(delta)):
            return True
    return False
