"""Reasons: what the SDK raises, in words for people and for the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp import MCPError


def leaf_of(error: BaseException | None) -> BaseException | None:
    """The first error of a group of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def protocol_code(error: BaseException) -> int | None:
    """The code of a protocol error; None for any other."""
    code = getattr(leaf_of(error), "code", None)
    return code if isinstance(code, int) else None


def ending_in(error: BaseException | None) -> str:
    """Why a session ended, in the words of an error that ended it."""
    if type(error).__name__ == "ValidationError":
        return f"its answer is not what MCP says: {fault_in(error)}"
    return str(getattr(error, "message", "") or error or "") or type(error).__name__


def said_in(error: MCPError) -> str:
    """A protocol error of a call; of pydantic's words, where an answer cannot be read, the first."""
    said = str(error.message)
    if "validation error" in said:
        said = said.partition(":")[0]
    return f"{said} (code {error.code})" + (f": {error.data}" if error.data else "")


def fault_in(error: Any) -> str:
    """What pydantic's ValidationError says first: its own words are for programmers."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
