"""An answer told in the words of Chat Completions: whole, or in chunks."""

from __future__ import annotations

from llmcli import jsonl
from llmcli.serving.fitted import fitted_chunk, fitted_completion, fitted_usage_chunk
from llmcli.serving.replies import Problem
from llmcli.wire import Chunk, Completion, Json

_DONE = b"data: [DONE]\n\n"


class ChatTelling:
    """Tells one answer. `name` is the model's; `with_usage`: a stream has usage, in a chunk of its own."""

    def __init__(self, name: str, with_usage: bool) -> None:
        self._name, self._with_usage = name, with_usage
        self._last = Chunk()

    def whole(self, completion: Completion) -> Json:
        """The answer, as one object."""
        return fitted_completion(completion.body, self._name)

    def piece(self, chunk: Chunk) -> bytes:
        """The event that a chunk is; none where nothing is in it for a client."""
        if not chunk.get("choices"):
            return b""
        self._last = fitted_chunk(chunk, self._name)
        return _event({**self._last, "usage": None} if self._with_usage else self._last)

    def ended(self, completion: Completion) -> bytes:
        """The events of the end."""
        if not self._with_usage:
            return _DONE
        return _event(fitted_usage_chunk(self._last, self._name, completion.body.get("usage"))) + _DONE

    def failed(self, problem: Problem) -> bytes:
        """The event of an error, behind which nothing comes."""
        return _event(problem.body)


def _event(data: Json) -> bytes:
    return b"data: " + jsonl.dumps(data) + b"\n\n"
