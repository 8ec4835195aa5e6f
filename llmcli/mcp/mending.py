"""Mending: what servers send and the SDK would refuse, so that one slip costs neither a list nor a good result."""

from __future__ import annotations

from llmcli import jsonl
from llmcli.wire import Json

_KINDS: dict[str, dict[str, type]] = {  # of parts, with what each must have
    "text": {"text": str},
    "image": {"data": str, "mimeType": str},
    "audio": {"data": str, "mimeType": str},
    "resource_link": {"name": str, "uri": str},
    "resource": {"resource": dict},
}
_SERVER_ERROR = -32000


def answer_as_sdk_takes(message: object) -> object:
    """A message of JSON-RPC as the SDK takes it: an answer that is none in a detail would be waited for in vain."""
    if not isinstance(message, dict) or "id" not in message or "method" in message:
        return message
    head = {"jsonrpc": "2.0", "id": message["id"]}
    if (error := message.get("error")) is not None:
        return {**head, "error": _error(error)}
    if "result" not in message:
        return message
    return {**head, "result": as_sdk_takes(_result(message["result"]))}


def _error(error: object) -> Json:
    if not isinstance(error, dict):
        return {"code": _SERVER_ERROR, "message": _text(error)}
    code = error.get("code")
    is_code = isinstance(code, int) and not isinstance(code, bool)
    return {**error, "code": code if is_code else _SERVER_ERROR, "message": _text(error.get("message", ""))}


def _result(result: object) -> Json:
    """A result that is an object; another one is the text of a tool's."""
    if isinstance(result, dict):
        return result
    return {"content": [] if result is None else [{"type": "text", "text": _text(result)}]}


def _text(value: object) -> str:
    return value if isinstance(value, str) else jsonl.dumps(value).decode()


def as_sdk_takes(result: Json) -> Json:
    """A JSON-RPC result as the SDK takes it; the same object where nothing is wrong."""
    if isinstance(tools := result.get("tools", ()), list | None):  # null is the empty list of servers in Go
        return {**result, "tools": [_tool(each) for each in tools or () if _is_tool(each)]}
    if result.keys() & {"content", "structuredContent", "isError"}:
        return _called(result)
    return result


def _is_tool(tool: object) -> bool:
    return isinstance(tool, dict) and isinstance(tool.get("name"), str)


def _tool(tool: Json) -> Json:
    """A tool whose schema has the type that it must have, and no promise of what it gives: a broken one loses it."""
    schema = tool.get("inputSchema")
    plain: Json = {
        key: tool[key] for key in ("name", "description", "annotations", "execution") if key in tool
    }
    for key, kind in (("description", str), ("annotations", dict), ("execution", dict)):
        if not isinstance(plain.get(key, kind()), kind):
            del plain[key]
    if "annotations" in plain:
        plain["annotations"] = {
            key: value for key, value in plain["annotations"].items() if isinstance(value, bool)
        }
    if (support := plain.pop("execution", {}).get("taskSupport")) in {"required", "optional", "forbidden"}:
        plain["execution"] = {"taskSupport": support}
    plain["inputSchema"] = {**(schema if isinstance(schema, dict) else {}), "type": "object"}
    return plain


def _called(result: Json) -> Json:
    content = result.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    parts = [_part(each) for each in content] if isinstance(content, list) else []
    changed = {**result, "content": parts}
    if not isinstance(changed.get("isError", False), bool):
        changed["isError"] = bool(changed["isError"])
    if "structuredContent" in changed and (parts or not isinstance(changed["structuredContent"], dict)):
        structured = changed.pop("structuredContent")
        if not parts and structured is not None:
            changed["content"] = [{"type": "text", "text": _text(structured)}]
    return changed


def _part(part: object) -> Json:
    """A part of a kind that the SDK knows, with all that it must have; another one as its own JSON."""
    if isinstance(part, dict) and _is_whole(part):
        return {key: value for key, value in part.items() if key not in {"annotations", "_meta", "icons"}}
    return {"type": "text", "text": _text(part)}


def _is_whole(part: Json) -> bool:
    wanted = _KINDS.get(str(part.get("type")))
    return wanted is not None and all(isinstance(part.get(key), kind) for key, kind in wanted.items())
