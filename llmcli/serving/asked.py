"""What a client asks for: its body as our Request; the command line's flags stand under it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Protocol

from llmcli.errors import UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.request.builder import Builder
from llmcli.request.messages import check_message_list
from llmcli.request.params import checked_field
from llmcli.serving.chat_telling import ChatTelling
from llmcli.serving.replies import Problem
from llmcli.serving.responses.asked import KeptItems, chat_fields
from llmcli.serving.responses.telling import ResponseTelling
from llmcli.wire import Chunk, Completion, Json, Request

_OURS = frozenset({"messages", "model", "stream", "stream_options"})


class Telling(Protocol):
    """Tells one answer in the words of the API that was asked."""

    def whole(self, completion: Completion) -> Json:
        """The answer, as one object."""

    def piece(self, chunk: Chunk) -> bytes:
        """The events that a chunk is."""

    def ended(self, completion: Completion) -> bytes:
        """The events of the end."""

    def failed(self, problem: Problem) -> bytes:
        """The event of an error, behind which nothing comes."""


@dataclass(frozen=True, slots=True)
class Called:
    """A request, whether the client wants its answer in pieces, and what tells it."""

    request: Request
    stream: bool
    telling: Telling


@dataclass(frozen=True)
class Asker:
    """Makes requests of bodies. `fixed`: the command line's model answers, whatever a body names.

    `stream` is how the upstream is asked, where the command line says it: the client has its answer as it wants it.
    `now` is the time, in seconds since 1970.
    """

    builder: Builder
    fixed: bool
    stream: bool | None
    now: Callable[[], float]
    kept: KeptItems = field(default_factory=KeptItems)

    def chat(self, body: Json, _agent: str) -> Called:
        """What a body of Chat Completions asks for. Raises UsageError."""
        request, stream = self._request(body)
        options = body.get("stream_options")
        with_usage = bool(options and checked_field("stream_options", options).get("include_usage"))
        return Called(request, stream, ChatTelling(request.name, with_usage))

    def responses(self, body: Json, agent: str) -> Called:
        """What a body of the Responses API asks for, of a client whose User-Agent is `agent`. Raises UsageError."""
        request, stream = self._request(chat_fields(body, agent, self.kept))
        telling = ResponseTelling(body, request.name, int(self.now()), self.kept.keep)
        return Called(request, stream, telling)

    def _request(self, fields: Json) -> tuple[Request, bool]:
        """The request, and whether the client wants its answer in pieces."""
        said = {name: value for name, value in fields.items() if value is not None}
        messages = check_message_list(said.get("messages"), "messages")
        stream, model = said.get("stream", False), said.get("model")
        if not isinstance(stream, bool):
            raise UsageError("stream must be true or false")
        if not isinstance(model, str | None):
            raise UsageError("the model must be a string")
        if model is None and not self.fixed:  # who pays has to name it
            raise UsageError("no model: the body has none, and llmcli serve was started without -m")
        own = {name: checked_field(name, value) for name, value in said.items() if name not in _OURS}
        builder = self.builder.with_own(own, stream if self.stream is None else self.stream)
        return builder.request(messages, model=None if self.fixed else model), stream
