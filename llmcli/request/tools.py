"""Tool definitions: from FILE or JSON to the API's `tools` list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from llmcli.errors import UsageError
from llmcli.request.reading import ReadStdin, load_json
from llmcli.wire import Json

KINDS = ("function", "custom")
_KEYS = ("name", "description", "parameters", "strict")
_SCHEMAS = ("parameters", "input_schema", "inputSchema")  # the API's, Anthropic's, MCP's
_THEIRS = {  # what MCP and Anthropic say beside it, which Chat Completions has no place for
    *("title", "annotations", "outputSchema", "execution", "icons", "_meta"),
    *("cache_control", "defer_loading", "input_examples", "allowed_callers", "eager_input_streaming"),
}


class RunsTools(Protocol):
    """What runs tools that are defined elsewhere."""

    @property
    def names(self) -> set[str]:
        """The tools, as the model calls them."""

    async def run(self, call: Json, place: str) -> Any:
        """What a call gives; `place` says where in which conversation it stands."""

    def named(self, position: int, tools: Sequence[Json]) -> str | None:
        """What it calls the tool at a position of a request's tools; None where it does not run that one."""


def load_tools(value: str, read_stdin: ReadStdin) -> list[Json]:
    """`--tools FILE|JSON`: a list of tools, or one; what neighbours call a tool becomes what the API takes.

    Raises UsageError naming the tool that has no name, or a name that stands twice.
    """
    data = load_json(value, "--tools", read_stdin)
    if isinstance(data, dict) and isinstance(data.get("result"), dict):  # MCP's reply to tools/list
        data = data["result"]
    if isinstance(data, dict) and isinstance(data.get("tools"), list):
        data = data["tools"]
    tools = [_tool(item, index) for index, item in enumerate(data if isinstance(data, list) else [data])]
    if not tools:
        raise UsageError(": the list is empty", flag="--tools")
    seen: set[str] = set()
    for name in tool_names(tools):
        if name in seen:
            raise UsageError(f": two tools are named {name!r}", todo="names must differ", flag="--tools")
        seen.add(name)
    return tools


def tool_names(tools: Iterable[Json]) -> list[str]:
    """The names of tools in the API's shape; those of an endpoint's own types have none."""
    return [str(tool[tool["type"]]["name"]) for tool in tools if tool["type"] in KINDS]


def check_tool(item: Any, index: int, where: str) -> None:
    """Raise UsageError where a tool has not the API's shape; a type of its own is for the endpoint to judge."""
    kind = item.get("type") if isinstance(item, dict) else None
    if not isinstance(kind, str):
        raise UsageError(
            f"{where}tool {index} is no function definition", todo='it needs "name" and "parameters"'
        )
    if kind not in KINDS:
        return
    inner = item.get(kind)
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str) or not inner["name"]:
        raise UsageError(f"{where}tool {index} has no name")
    if not isinstance(inner.get("parameters", {}), dict):
        raise UsageError(f"{where}the parameters of {inner['name']!r} are no JSON Schema object")


def _tool(item: Any, index: int) -> Json:
    """A tool in the API's shape, out of a neighbour's. Raises UsageError."""
    tool = _of_neighbours(item) if isinstance(item, dict) else item
    check_tool(tool, index, "--tools: ")
    if tool["type"] not in KINDS:
        raise UsageError(
            f": tool {index} is no function definition",
            todo="give other types with -o tools=[...]",
            flag="--tools",
        )
    if tool["type"] == "function":
        _check_function(tool["function"])
    return dict(tool)


def _of_neighbours(item: Json) -> Json:
    """A bare function, or a tool of MCP, of Anthropic or of the Responses API, as Chat Completions takes it."""
    kind = item.get("type", "function")
    if kind not in KINDS or kind in item or not isinstance(item.get("name"), str):
        return item
    inner = {key: value for key, value in item.items() if key not in {"type", *_THEIRS, *_SCHEMAS}}
    schemas = [key for key in _SCHEMAS if key in item]
    if kind == "custom" and not schemas:
        return {"type": kind, kind: {**inner, **_format(inner)}}
    if len(schemas) > 1:
        raise UsageError(
            f"--tools: {item['name']!r} has both {' and '.join(schemas)}", todo="drop one of them"
        )
    for key in schemas:
        inner["parameters"] = item[key]
        if key != "parameters" and isinstance(item[key], dict):
            inner["parameters"] = {word: value for word, value in item[key].items() if word != "$schema"}
    return {"type": "function", "function": inner}


def _format(tool: Json) -> Json:
    """The grammar of a custom tool, which the Responses API has flat."""
    said = tool.get("format")
    if not isinstance(said, dict) or said.get("type") != "grammar" or "grammar" in said:
        return {}
    return {"format": {"type": "grammar", "grammar": {key: said[key] for key in said if key != "type"}}}


def _check_function(function: Json) -> None:
    """Raise UsageError for a key that no function has, and for parameters that are no JSON Schema."""
    name = function["name"]
    for key in function:
        if key not in _KEYS:
            from difflib import get_close_matches  # here, since few keys are unknown

            close = get_close_matches(key, _KEYS, 1)
            todo = (
                f"did you mean {close[0]}?"
                if close
                else f"a function has {', '.join(_KEYS[:-1])} and {_KEYS[-1]}"
            )
            raise UsageError(f"--tools: {key!r} is no key of the function {name!r}", todo=todo)
    if function.get("parameters"):
        from llmcli.request.schemas.schema import check_schema  # here, since most requests have no tools

        check_schema(function["parameters"], f"--tools: the parameters of {name!r}")
