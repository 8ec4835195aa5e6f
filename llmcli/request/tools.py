"""Tool definitions: from FILE or JSON to the API's `tools` list."""

from __future__ import annotations

from typing import Any

from llmcli import jsonl
from llmcli.errors import UsageError
from llmcli.request.prompt import ReadStdin, read_file
from llmcli.wire import Json


def load_json(value: str, flag: str, read_stdin: ReadStdin) -> Any:
    """The JSON that a flag names: the text itself where it begins like JSON, else a file. Raises UsageError."""
    inline = value.lstrip()[:1] in {"{", "["}
    where = flag if inline else f"{flag} {value}"
    text = value if inline else read_file(value.removeprefix("@"), read_stdin)
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
        raise UsageError("--tools: the list is empty")
    seen: set[str] = set()
    for name in map(tool_name, tools):
        if name in seen:
            raise UsageError(f"--tools: two tools are named {name!r}", todo="names must differ")
        seen.add(name)
    return tools


def tool_name(tool: Json) -> str:
    """The name of a tool in the API's shape."""
    return str(tool[tool["type"]]["name"])


def _tool(item: Any, index: int) -> Json:
    if isinstance(item, dict) and "type" not in item and isinstance(item.get("name"), str):
        item = {"type": "function", "function": item}
    kind = item.get("type") if isinstance(item, dict) else None
    if kind not in {"function", "custom"}:
        raise UsageError(
            f"--tools: tool {index} is no function definition", todo='it needs "name" and "parameters"'
        )
    inner = item.get(kind)
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str) or not inner["name"]:
        raise UsageError(f"--tools: tool {index} has no name")
    if not isinstance(inner.get("parameters", {}), dict):
        raise UsageError(f"--tools: the parameters of {inner['name']!r} are no JSON Schema object")
    return dict(item)
