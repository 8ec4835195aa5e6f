"""What a client asks for: a body of Chat Completions as our Request; the command line's flags stand under it."""

from __future__ import annotations

from dataclasses import dataclass

from llmcli.errors import UsageError
from llmcli.request.builder import Builder
from llmcli.request.messages import check_message_list
from llmcli.request.params import checked_field
from llmcli.wire import Json, Request

_OURS = frozenset({"messages", "model", "stream", "stream_options"})


@dataclass(frozen=True, slots=True)
class Called:
    """A request, and how the client wants its answer."""

    request: Request
    stream: bool
    with_usage: bool  # in a stream, at its end


@dataclass(frozen=True)
class Asker:
    """Makes requests of bodies. `fixed`: the command line's model answers, whatever a body names.

    `stream` is how the upstream is asked, where the command line says it: the client has its answer as it wants it.
    """

    builder: Builder
    fixed: bool
    stream: bool | None = None

    def called(self, body: Json) -> Called:
        """What a body asks for. Raises UsageError."""
        said = {name: value for name, value in body.items() if value is not None}
        messages = check_message_list(said.get("messages"), "messages")
        stream, options, model = said.get("stream", False), said.get("stream_options", {}), said.get("model")
        if not isinstance(stream, bool):
            raise UsageError("stream must be true or false")
        if not isinstance(model, str | None):
            raise UsageError("the model must be a string")
        own = {name: checked_field(name, value) for name, value in said.items() if name not in _OURS}
        with_usage = bool(checked_field("stream_options", options).get("include_usage"))
        builder = self.builder.with_own(own, stream if self.stream is None else self.stream)
        request = builder.request(messages, model=None if self.fixed else model)
        return Called(request, stream, with_usage)
