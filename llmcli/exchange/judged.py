"""An answer as it is judged: out of what models wrap around JSON, less nulls that stand for absent, and what is wrong.

What was asked for and not given is found here too: calls, arguments, answers, logprobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from llmcli import jsonl
from llmcli.exchange.chosen import as_label
from llmcli.exchange.wrapping import Judged, without_wrapping
from llmcli.output.calls import arguments_of, inner_of, name_of, tool_calls
from llmcli.output.sink import first_code_block, text_of
from llmcli.wire import Completion, Json, Request

_NO_JSON = object()


def wants_json(request: Request) -> bool:
    """Whether the answer is asked for as JSON."""
    return (request.fields.get("response_format") or {}).get("type") in {"json_object", "json_schema"}


def is_judged(request: Request) -> bool:
    """Whether an answer is read in another way than it was written."""
    if request.choices:
        return True
    return "response_format" in request.fields and wants_json(request)


def judged(message: Json, request: Request) -> Judged:
    """The text of a message as JSON or a label was asked for; where neither was, the text as it is."""
    text = text_of(message)
    if not is_judged(request) or tool_calls(message) or message.get("refusal"):
        return Judged(text)
    code = first_code_block(text) if request.extract else text
    if request.choices:
        return as_label(code, request.choices)
    inside, removed, value = _json_in(code)
    if code is not text and not removed:
        removed = ("fence",) if _json_in(text)[1] else ("text",)
    if value is _NO_JSON:
        return Judged(code, (), "the answer is not valid JSON")
    schema = _schema(request)
    if request.is_strict and schema:
        from llmcli.request.schemas.absent import without_nulls  # here, since most answers have no schema

        less = without_nulls(value, schema)
        if less != value:
            inside, value, removed = jsonl.dumps(less).decode(), less, (*removed, "null")
    return Judged(inside, removed, _unfit(value, request, schema))


def _schema(request: Request) -> Json | None:
    wanted = request.fields["response_format"]
    return request.expects or (wanted.get("json_schema") or {}).get("schema")


def _unfit(value: Any, request: Request, schema: Json | None) -> str | None:
    if request.fields["response_format"]["type"] == "json_object":
        return None if isinstance(value, dict) else "the answer is JSON, but no object"
    if not schema:
        return None
    from llmcli.request.schemas.schema import problem

    violation = problem(value, schema)
    return f"the answer does not fit the schema: {violation}" if violation else None


def _json_in(text: str) -> tuple[str, tuple[str, ...], Any]:
    """The JSON of a text, what was taken off around it, and its value; the text where there is none."""
    value = _json(text)
    if value is not _NO_JSON:
        return text.strip(), (), value
    inside, removed = without_wrapping(text)
    value = _json(inside) if removed else _NO_JSON
    return (text, (), _NO_JSON) if value is _NO_JSON else (inside, removed, value)


def _json(text: str) -> Any:
    try:
        return jsonl.loads(text)
    except ValueError:
        return _NO_JSON


def item_of(request: Request) -> Callable[[Any], Any]:
    """What makes an item of a list be as it is judged."""
    schema = request.expects
    if not request.is_strict or schema is None:
        return lambda item: item
    from llmcli.request.schemas.absent import without_nulls

    return lambda item: without_nulls({"items": [item]}, schema)["items"][0]


def recovered(completion: Completion, request: Request) -> Any:
    """`{"removed": [...], "text": "..."}` where something was taken off; of several answers, a list with `index`."""
    if not is_judged(request):
        return None
    found = []
    for choice in completion.choices:
        answer = judged(choice.get("message") or {}, request)
        if answer.removed:
            told = {"removed": list(answer.removed), "text": answer.text}
            found.append({"index": choice.get("index") or 0, **told} if len(completion.choices) > 1 else told)
    return found[0] if found and len(completion.choices) == 1 else found or None


# --- Calls --------------------------------------------------------------------------------------------------


def miscalled(message: Json, request: Request, earlier: Mapping[str, int] | None = None) -> str | None:
    """Why a message's calls are not what was asked for; None where they are.

    `earlier`: how often tools were called by answers before this one, which a forced choice may be met by.
    """
    calls = tool_calls(message)
    for call in calls:
        if (wrong := _wrong_call(call, request)) is not None:
            return wrong
    choice = _choice(request)
    if choice == "none" and calls:
        return f"the model called {name_of(calls[0])}, and no call was to be made"
    called = {*map(name_of, calls), *(earlier or ())}
    wanted = _forced(choice)
    if wanted is None or (called and not wanted) or wanted & called:
        return None
    return f"the model did not call {' or '.join(sorted(wanted)) or 'a tool'}, as it was to"


def _choice(request: Request) -> Any:
    """What was said of calls; `function_call` is the API's first word for it."""
    return request.fields.get("tool_choice", request.fields.get("function_call"))


def _forced(choice: Any) -> set[str] | None:
    """Tools of which one is to be called, empty: any; None where a call is the model's choice."""
    if choice == "required":
        return set()
    if not isinstance(choice, dict):
        return None
    kind = str(choice.get("type"))
    if kind == "allowed_tools":
        inner = choice.get(kind) or {}
        return set() if inner.get("mode") == "required" else None
    inner = choice.get(kind)
    name = inner.get("name") if isinstance(inner, dict) else choice.get("name")
    return {name} if isinstance(name, str) else None


def _wrong_call(call: Json, request: Request) -> str | None:
    name, tools = name_of(call), offered(request)
    if not name:
        return "the model called a tool without a name"
    if tools is not None and name not in tools:
        return f"the model called {name}, which is no tool that it was offered"
    misfit = unfit_arguments(call, tools or {})
    return f"the arguments of the call of {name} {misfit}" if misfit else None


def unfit_arguments(call: Json, tools: Mapping[str, Json]) -> str | None:
    """What is wrong with a call's arguments, as `are no JSON object`; None where they are what the tool takes."""
    if "arguments" not in (inner := inner_of(call)) and "input" in inner:
        return None  # a text, which a custom tool takes
    try:
        arguments = arguments_of(call)
    except ValueError as error:
        return f"are not a valid JSON object: {error}"
    if not isinstance(arguments, dict):
        return "are not a valid JSON object: they are no object"
    schema = tools.get(name_of(call), {}).get("parameters")
    from llmcli.request.schemas.schema import problem

    try:
        violation = problem(arguments, schema) if isinstance(schema, dict) else None
    except ValueError:  # no JSON Schema, in the server's eyes it may be one
        return None
    return f"do not fit its schema: {violation}" if violation else None


def offered(request: Request) -> dict[str, Json] | None:
    """The tools that the model may call, by name; None where some have no name that is known here."""
    tools: dict[str, Json] = {}
    for tool in request.fields.get("tools") or []:
        inner = tool.get(tool.get("type"), tool.get("function")) if isinstance(tool, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
            return None
        tools[inner["name"]] = inner
    old = request.fields.get("functions")
    tools.update({tool["name"]: tool for tool in old or () if isinstance(tool, dict) and "name" in tool})
    return tools


def calls_before(completion: Completion) -> dict[str, int]:
    """How often tools were called by the answers that were asked on."""
    names: dict[str, int] = {}
    for answer in completion.meta.earlier:
        for choice in answer.choices:
            for call in tool_calls(choice.get("message") or {}):
                names[name_of(call)] = names.get(name_of(call), 0) + 1
    return names


# --- Less than was asked for --------------------------------------------------------------------------------


def missing(completion: Completion, request: Request) -> Iterator[str]:
    """What was asked for and did not come, though the answer is one."""
    choices = completion.choices
    if 0 < len(choices) < request.n:
        came = f"{len(choices)} answer{'s' * (len(choices) > 1)} came"
        yield f"{came}, and --n {request.n} asked for {request.n}"
    if request.fields.get("logprobs") and choices and not any(choice.get("logprobs") for choice in choices):
        yield "logprobs were asked for, and none came"
