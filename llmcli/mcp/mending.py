"""Mending: what servers send and the SDK would refuse, so that one slip costs neither a list nor a good result."""

from __future__ import annotations

from llmcli import jsonl
from llmcli.wire import Json

_KINDS = {"text", "image", "audio", "resource_link", "resource"}


def as_sdk_takes(result: Json) -> Json:
    """A JSON-RPC result as the SDK takes it; the same object where nothing is wrong."""
    if isinstance(result.get("tools"), list):
        return {**result, "tools": [_tool(each) for each in result["tools"] if _is_tool(each)]}
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
            changed["content"] = [{"type": "text", "text": jsonl.dumps(structured).decode()}]
    return changed


def _part(part: object) -> Json:
    """A part of a kind that the SDK knows; another one as its own JSON."""
    if isinstance(part, dict) and part.get("type") in _KINDS:
        return {key: value for key, value in part.items() if key not in {"annotations", "_meta", "icons"}}
    text = part if isinstance(part, str) else jsonl.dumps(part).decode()
    return {"type": "text", "text": text}
