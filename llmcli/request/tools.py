"""Tool definitions: from FILE or JSON to the API's `tools` list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llmcli import jsonl
from llmcli.errors import UsageError
from llmcli.request.prompt import ReadStdin, argument, read_file
from llmcli.wire import Json

KINDS = ("function", "custom")


def load_json(value: str, flag: str, read_stdin: ReadStdin) -> Any:
    """The JSON that a flag names: the text itself where it begins like JSON, else a file. Raises UsageError."""
    inline = value.lstrip()[:1] in {"{", "["}
    where = flag if inline else f"{flag} {value}"
    text = argument(value) if inline else read_file(value.removeprefix("@"), read_stdin)
    try:
        return jsonl.loads(text)
    except ValueError as error:
        raise UsageError(f"{where} is not valid JSON: {error}") from None


def load_tools(value: str, read_stdin: ReadStdin) -> list[Json]:
    """`--tools FILE|JSON`: a list of tools, or one; bare function definitions are wrapped.

    Raises UsageError naming the tool that has no name, or a name that stands twice.
    """
    data = load_json(value, "--tools", read_stdin)
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
    if isinstance(item, dict) and "type" not in item and isinstance(item.get("name"), str):
        item = {"type": "function", "function": item}
    check_tool(item, index, "--tools: ")
    if item["type"] not in KINDS:
        raise UsageError(
            f": tool {index} is no function definition",
            todo="give other types with -o tools=[...]",
            flag="--tools",
        )
    return dict(item)
