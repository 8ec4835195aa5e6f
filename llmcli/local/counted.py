"""Counted: the very tokens of a request, or of a text, by the model's own template and vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmcli.local.found import fitting_model
from llmcli.local.server import LocalServer


def local_tokens(model: str, fields: Mapping[str, Any], env: Mapping[str, str]) -> int:
    """The prompt tokens of a request. Raises UsageError."""
    return int(_asked(model, fields, env, "/v1/chat/completions/input_tokens", dict(fields))["input_tokens"])


def local_text_tokens(model: str, text: str, env: Mapping[str, str]) -> int:
    """The tokens of a text alone. Raises UsageError."""
    fields = {"content": text, "add_special": False, "parse_special": False}
    return len(_asked(model, {}, env, "/tokenize", fields)["tokens"])


def _asked(model: str, request: Mapping[str, Any], env: Mapping[str, str], path: str, fields: Any) -> Any:
    found, head = fitting_model(model, request, env)
    server = LocalServer(model, found, head, 1)
    try:
        return server.asked(path, fields)
    finally:
        server.close()
