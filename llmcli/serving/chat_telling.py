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
        self._calls: dict[tuple[int, int], tuple[object, object]] = {}  # (id, name) by (choice, index)

    def whole(self, completion: Completion) -> Json:
        """The answer, as one object."""
        return fitted_completion(completion.body, self._name)

    def piece(self, chunk: Chunk) -> bytes:
        """The event that a chunk is; none where nothing is in it for a client."""
        if not chunk.get("choices"):
            return b""
        self._last = fitted_chunk(chunk, self._name)
        for choice in self._last["choices"]:
            if calls := choice["delta"].get("tool_calls"):
                choice["delta"]["tool_calls"] = [self._once(choice["index"], call) for call in calls]
        return _event({**self._last, "usage": None} if self._with_usage else self._last)

    def _once(self, choice: int, call: Json) -> Json:
        """A piece of a call without the id and the name that were told: clients join what comes again."""
        place = choice, call["index"]
        inner = call.get("function") or {}
        said = call.get("id"), inner.get("name")
        told = self._calls.get(place)
        if told is None or (said[0] and said[0] != told[0]):
            self._calls[place] = said
            return call
        rest = {key: value for key, value in call.items() if key != "id"}
        if said[1] and said[1] == told[1]:
            rest["function"] = {key: value for key, value in inner.items() if key != "name"}
        return rest

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
