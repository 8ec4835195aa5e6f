"""Shape: what a line of the input says, whatever tool wrote it: its object, its id, its prompt, its parameters."""

from __future__ import annotations

import json
from typing import Any

from llmcli import jsonl
from llmcli.errors import LlmcliError, UsageError
from llmcli.lean.pattern import lazy_pattern
from llmcli.request.params import API_FIELDS, EXTENSIONS, near_miss
from llmcli.request.reading import decode
from llmcli.wire import Json

CustomId = str | int | float

_ENDPOINT = lazy_pattern(
    r"(?:^|/)(?:chat/completions|(responses))/?(?:\?|$)"
)  # of any version, a path or a full URL
_NESTED = frozenset(
    [
        *("messages", "tools", "functions", "response_format", "tool_choice", "stream_options", "metadata"),
        *("logit_bias", "prediction", "audio", "web_search_options"),
    ]
)
_PLACES = frozenset({"prompt", "custom_id", "messages", "stream_options"})
_TEXTS = frozenset([str])
_SCHEMAS = frozenset(["parameters", "schema", "input_schema", "inputSchema"])  # null means null in these


class BadRow(LlmcliError):
    """A line that is no row. `code` goes into its error record."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code
        self.args = code, what  # of which another process makes it again


def parsed_row(line: bytes) -> Json:
    """The object of a line. Raises BadRow."""
    try:
        data = jsonl.loads(line)
    except ValueError as error:
        invalid = not_utf8(line)
        if invalid is not None:
            raise BadRow("invalid_utf8", invalid) from None
        raise BadRow("invalid_json", f"the line is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise BadRow("invalid_row", "the line is JSON, but no object")
    return data


def not_utf8(line: bytes) -> str | None:
    """What is no UTF-8 in a line; None where all of it is."""
    try:
        decode(line, "the line")
    except UsageError as error:
        return error.what
    return None


def said(data: Json, line: bytes) -> Json:
    """What a row says, without the nulls that data frames write for missing values.

    A message's `content` may be null, and what a schema says of null is its own.
    """
    if _TEXTS.issuperset(map(type, data.values())) or b"null" not in line:
        return data
    row = _without_nulls(data)
    if isinstance(row.get("body"), dict):
        row["body"] = _without_nulls(row["body"])
    return row


def _without_nulls(fields: Json) -> Json:
    kept = ((key, value) for key, value in fields.items() if value is not None)
    return {key: _dense(value) if key in _NESTED else value for key, value in kept}


def _dense(value: Any) -> Any:
    if isinstance(value, list):
        return [_dense(part) for part in value]
    if not isinstance(value, dict):
        return value
    kept = ((key, part) for key, part in value.items() if part is not None or key == "content")
    return {key: part if key in _SCHEMAS else _dense(part) for key, part in kept}


def custom_id_of(data: Json, default: CustomId | None) -> CustomId | None:
    """The row's own id: text and numbers as they are, anything else as its JSON."""
    value = data.get("custom_id")
    if value is None:
        return default
    is_plain = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    return value if is_plain else jsonl.dumps(value).decode()


def field_text(data: Json, key: str, line: bytes) -> str | None:
    """A field that is text, or a number, which is its text as it stands in the line; else None."""
    value = data.get(key)
    if value is None or isinstance(value, str):
        return value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return str(json.loads(line, parse_int=str, parse_float=str)[key]) if is_number else None


def messages_of(data: Json) -> Any:
    """The messages of a table's row, which a CSV has as JSON; None where there are none. Raises BadRow."""
    value = data.get("messages")
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return jsonl.loads(value)
    except ValueError as error:
        raise BadRow("invalid_json", f"the messages are not valid JSON: {error}") from None


def body_of(data: Json) -> tuple[Json, bool]:
    """The fields of a line of OpenAI's Batch API, as Chat Completions has them, and whether it asks the Responses API.

    Raises BadRow where it is for another endpoint, UsageError where its items are no messages.
    """
    url, method = data.get("url", "/v1/chat/completions"), data.get("method", "POST")
    found = _ENDPOINT.search(str(url))
    if found is None or str(method).upper() != "POST":
        raise BadRow("invalid_row", f"{method} {url} is not POST /v1/chat/completions or /v1/responses")
    if found[1] is None:
        return dict(data["body"]), False
    from llmcli.request.responses.read import fields_of_body

    return fields_of_body(data["body"]), True


def own_parameters(data: Json) -> Json:
    """The API's fields in a prompt row; other keys are the user's own data, but for slips of the pen."""
    own: Json = {}
    for key, value in data.items():
        if key in _PLACES:
            continue
        if key in API_FIELDS or key in EXTENSIONS:
            own[key] = value
        elif (close := near_miss(key)) is not None:
            raise BadRow("invalid_row", f"there is no field {key}: did you mean {close}?")
    return own
