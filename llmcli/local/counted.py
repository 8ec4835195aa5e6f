"""Counted: the very tokens of a request, or of a text, by the model's own template and vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmcli.local.server import LocalServer


class LocalCounts:
    """Counts for models that are here; each is loaded when it is first needed, and kept until `close`."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._servers: dict[str, LocalServer] = {}

    def tokens(self, model: str, fields: Mapping[str, Any]) -> int:
        """The prompt tokens of a request. Raises UsageError."""
        server = self._server_of(model)
        server.check(fields)
        return int(server.asked("/v1/chat/completions/input_tokens", dict(fields))["input_tokens"])

    def text_tokens(self, model: str, text: str) -> int:
        """The tokens of a text alone. Raises UsageError."""
        fields = {"content": text, "add_special": False, "parse_special": False}
        return len(self._server_of(model).asked("/tokenize", fields)["tokens"])

    def close(self) -> None:
        """Nothing more is counted."""
        for server in self._servers.values():
            server.close()

    def _server_of(self, model: str) -> LocalServer:
        if model not in self._servers:
            self._servers[model] = LocalServer(self._env, model, 1)
        return self._servers[model]
