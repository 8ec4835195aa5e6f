"""What a model thought, sent back to it with the results of its tools: sealed, within one loop, to nobody else."""

from __future__ import annotations

from dataclasses import replace

from llmcli.responses.names import ENCRYPTED, RESPONSES
from llmcli.wire import Message, Request

_KEPT = "output"  # of a message: the items that it was made of, see `llmcli/transport/responses/whole.py`


def is_thoughtful(request: Request) -> bool:
    """Whether the model's thoughts are asked for, to go back."""
    return ENCRYPTED in (request.fields.get("include") or ())


def thoughtful(request: Request) -> Request:
    """The same, with the model's thoughts asked for; a server that keeps answers has them."""
    if request.fields.get("store") or is_thoughtful(request):
        return request
    include = [*(request.fields.get("include") or ()), ENCRYPTED]
    return replace(request, fields={**request.fields, "include": include})


def thoughtless(request: Request) -> Request:
    """The same for another model: without the thoughts of this one."""
    if request.api.name != RESPONSES:
        return request
    fields = {**request.fields, "messages": [without_thoughts(one) for one in request.fields["messages"]]}
    include = [what for what in fields.pop("include", None) or () if what != ENCRYPTED]
    return replace(request, fields={**fields, "include": include} if include else fields)


def without_thoughts(message: Message) -> Message:
    """A message as Chat Completions has it."""
    return {key: message[key] for key in message if key != _KEPT} if _KEPT in message else message
