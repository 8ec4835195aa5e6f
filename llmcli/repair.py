"""Repair: an answer that does not fit is shown to the model, with the reason, and asked for again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from llmcli.output.sink import text_of
from llmcli.wire import Completion, Json, Request


@dataclass
class Repair:
    """Asks again up to `attempts` times.

    `misfit(message, request)` says why a message is not what was asked for; `tell` is given a line on each repair.
    """

    attempts: int
    misfit: Callable[[Json, Request], str | None]
    tell: Callable[[str], None]
    _used: int = 0

    async def follow(self, request: Request, completion: Completion) -> Request | None:
        """The request for a better answer; None where there is nothing to mend, or no attempt left."""
        if self._used >= self.attempts:
            return None
        for choice in completion.choices:
            message = choice.get("message") or {}
            reason = None if message.get("refusal") else self.misfit(message, request)
            if reason is not None and choice.get("finish_reason") == "stop":
                self._used += 1
                self.tell(f"repair {self._used} of {self.attempts}: {reason}")
                return _asked_again(request, text_of(message), reason)
        return None


def _asked_again(request: Request, answer: str, reason: str) -> Request:
    messages = [
        *request.fields["messages"],
        {"role": "assistant", "content": answer},
        {
            "role": "user",
            "content": f"That answer is not valid: {reason}\nAnswer again. Give only the corrected JSON, nothing else.",
        },
    ]
    return replace(request, fields={**request.fields, "messages": messages})
