"""Counted: the very tokens of a request, or of a text, by the model's own template and vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmcli.errors import UsageError
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

    def vocabulary(self, model: str) -> LocalVocabulary:
        """The vocabulary of a model. Raises UsageError."""
        return LocalVocabulary(model, self._server_of(model))

    def close(self) -> None:
        """Nothing more is counted."""
        for server in self._servers.values():
            server.close()

    def _server_of(self, model: str) -> LocalServer:
        if model not in self._servers:
            self._servers[model] = LocalServer(self._env, model, 1)
        return self._servers[model]


class LocalVocabulary:
    """A text alone in the tokens of a model, and back; see `Vocabulary` of llmcli/tokens/cut.py."""

    def __init__(self, model: str, server: LocalServer) -> None:
        self._model, self._server = model, server
        self._pieces: dict[int, bytes] = {}

    def encode(self, text: str) -> list[int]:
        """The tokens of a text. Raises UsageError where they are not the text again."""
        tokens = self._tokens(text)
        self._pieces.update((token["id"], _bytes(token["piece"])) for token in tokens)
        found = [token["id"] for token in tokens]
        if self.decode(found) != text.encode("utf-8", "replace"):
            raise UsageError(
                f"local/{self._model} does not keep a text as it stands, so its tokens cannot be cut",
                todo="choose another model for the cut",
            )
        return found

    def count(self, text: str) -> int:
        """Count the tokens of a text."""
        return len(self._tokens(text))

    def decode(self, tokens: Sequence[int]) -> bytes:
        """The bytes of tokens that `encode` gave."""
        return b"".join(map(self._pieces.__getitem__, tokens))

    def _tokens(self, text: str) -> list[Any]:
        fields = {"content": text, "add_special": False, "parse_special": False, "with_pieces": True}
        return list(self._server.asked("/tokenize", fields)["tokens"])


def _bytes(piece: str | list[int]) -> bytes:
    """A piece, which is a list of bytes where these are no UTF-8."""
    return piece.encode() if isinstance(piece, str) else bytes(piece)
