"""`--messages`: a conversation from a file, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llmcli import jsonl
from llmcli.errors import UsageError
from llmcli.wire import Message

SYSTEM = frozenset({"system", "developer"})
ROLES = ("developer", "system", "user", "assistant", "tool", "function")


def parse_messages(text: str, name: str, say: Callable[[str], None]) -> list[Message]:
    """A JSON array of messages, an object that holds one, or JSON Lines; `name` says where in errors.

    Lines without a role that carry an `llmcli` key are a session's own and are passed over; the key itself
    is taken off messages. A session may end with calls that wait for their answer: they are left out, which is
    said. Raises UsageError naming the index of the message that is wrong.
    """
    items = _items(text, name)
    found = [item for item in items if not _is_header(item)]
    messages = [checked_message(item, f"{name}, message {index}") for index, item in enumerate(found)]
    if len(found) < len(items) and open_calls(messages):
        say(f"{name}: the last turn of the session has no answer: it is left out")
        messages = messages[: settled(messages)]
    check_tool_calls(messages, name)
    return messages


def settled(messages: Sequence[Message]) -> int:
    """How many messages from the first on are whole turns: every question and every call has its answer."""
    count, is_open = 0, False
    for number, message in enumerate(messages, 1):
        if message["role"] == "assistant":
            is_open = bool(message.get("tool_calls"))
        elif message["role"] not in SYSTEM:
            is_open = True
        if not is_open:
            count = number
    return count


def begins_turn(messages: Sequence[Message], number: int) -> bool:
    """Whether a message is a user's own: one behind tools' results brings the images that no result takes."""
    before = next((each["role"] for each in reversed(messages[:number]) if each["role"] not in SYSTEM), None)
    return messages[number]["role"] == "user" and before not in {"tool", "function"}


def check_message_list(value: Any, name: str) -> list[Message]:
    """A list of messages that a row brings: not empty, each an object with a role. Raises UsageError.

    The rest is for the endpoint to judge: a row may use what this program does not know.
    """
    if not isinstance(value, list) or not value:
        raise UsageError(f"{name} must be a list of messages that is not empty")
    for index, item in enumerate(value):
        if not isinstance(item, dict) or not isinstance(item.get("role"), str):
            raise UsageError(f"{name}[{index}] must be an object with a role")
    return value


def _items(text: str, name: str) -> list[Any]:
    stripped = text.strip()
    if not stripped:
        raise UsageError(f"{name} holds no messages")
    try:
        whole = jsonl.loads(stripped)
    except ValueError as error:
        return _lines(text, name, error)
    if isinstance(whole, dict):
        whole = whole["messages"] if isinstance(whole.get("messages"), list) else [whole]
    if not isinstance(whole, list):
        raise UsageError(f"{name} is no list of messages")
    return whole


def _lines(text: str, name: str, whole_error: ValueError) -> list[Any]:
    items = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            items.append(jsonl.loads(line))
        except ValueError as error:
            reason = whole_error if text.lstrip().startswith("[") else error
            raise UsageError(
                f"{name} is not valid JSON: {reason}", "" if reason is whole_error else f"line {number}"
            ) from None
    return items


def _is_header(item: Any) -> bool:
    return isinstance(item, dict) and "role" not in item and "llmcli" in item


def checked_message(item: Any, where: str) -> Message:
    """A message less its `llmcli` key. Raises UsageError, saying `where` it stands."""
    if not isinstance(item, dict):
        raise UsageError("a message must be an object", where)
    role = item.get("role")
    if role not in ROLES:
        raise UsageError(
            f"there is no role {role!r}" if role else "the role is missing",
            where,
            f"one of {', '.join(ROLES)}",
        )
    message = {key: value for key, value in item.items() if key != "llmcli"}
    wrong = _content_problem(message) or _calls_problem(message)
    if wrong:
        raise UsageError(wrong, where)
    return message


def _content_problem(message: Message) -> str | None:
    content = message.get("content")
    speaks = any(message.get(key) for key in ("tool_calls", "function_call", "refusal", "audio"))
    if content is None:
        return None if message["role"] == "assistant" and speaks else "the content is missing"
    parts = content if isinstance(content, list) else []
    if not isinstance(content, (str, list)) or not all(map(_is_part, parts)):
        return "the content must be text or a list of parts"
    return None


def _is_part(part: Any) -> bool:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        return False
    return part["type"] != "text" or isinstance(part.get("text"), str)


def _calls_problem(message: Message) -> str | None:
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list) or not all(_is_call(call) for call in calls):
        return "the tool_calls must be a list of calls with an id each"
    if message["role"] == "tool" and not isinstance(message.get("tool_call_id"), str):
        return "a tool message needs the tool_call_id that it answers"
    return None


def _is_call(call: Any) -> bool:
    return isinstance(call, dict) and isinstance(call.get("id"), str)


def check_tool_calls(messages: list[Message], name: str) -> None:
    """Every tool message answers a call of the assistant before it, and every call is answered. Raises UsageError."""
    waiting: dict[str, int] = {}
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            identity = message["tool_call_id"]
            if identity not in waiting:
                raise UsageError(
                    f"the tool message answers call {identity!r}, which no assistant message before it made",
                    f"{name}, message {index}",
                )
            del waiting[identity]
            continue
        _all_answered(waiting, name)
        waiting = {call["id"]: index for call in message.get("tool_calls") or []}
    _all_answered(waiting, name)


def open_calls(messages: Sequence[Message]) -> list[str]:
    """The ids of the last calls that wait for a tool message. System messages may stand between."""
    answered = set()
    for message in reversed(messages):
        if message["role"] == "tool":
            answered.add(message.get("tool_call_id"))
        elif message["role"] not in SYSTEM:
            identities = [call.get("id") or "" for call in message.get("tool_calls") or []]
            return [identity for identity in identities if identity not in answered]
    return []


def _all_answered(waiting: dict[str, int], name: str) -> None:
    for identity, index in waiting.items():
        raise UsageError(
            f"the tool call {identity!r} is not answered by a tool message", f"{name}, message {index}"
        )
