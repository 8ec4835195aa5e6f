"""Windows: how many tokens a model takes: what its server said, by a list or an error, else what the table knows."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import field
from typing import Any

from llmcli.errors import LlmcliError, PromptTooLong
from llmcli.lean.dataclass import dataclass
from llmcli.lean.pattern import lazy_pattern
from llmcli.registry.listed import listed_window, window_of
from llmcli.registry.models import find_model
from llmcli.registry.providers import provider_of_url
from llmcli.rehearsal import PROVIDER
from llmcli.wire import Json, Request

MATTERS = 4_000  # bytes of a conversation that small windows may not hold; a smaller one tells of it when it is full

_NUMBER = r"(\d[\d,]*)"
_WINDOW = lazy_pattern(
    r"(?:context|max(?:imum)?|model|sequence)[ _-](?:\w+[ _-])?(?:length|size|window|limit|len)\b[^\d.;]{0,30}"
    rf"{_NUMBER}"
    rf"|> {_NUMBER} maximum",
    re.IGNORECASE,
)
_PROMPT = lazy_pattern(
    rf"{_NUMBER}(?: tokens?)? (?:in|from|of) (?:the |your )?(?:messages|prompt|input|text)"
    rf"|(?:resulted in|contains|passed|at least|input|prompt(?: is| has| of)?) [(]?{_NUMBER}(?: input)? tokens"
    rf"|request \({_NUMBER} tokens"
    rf"|{_NUMBER} tokens? >",
    re.IGNORECASE,
)

Listing = Callable[[Request], Awaitable[list[Json]]]
"""What a server lists for GET /models."""


@dataclass
class Windows:
    """What is known of windows. `listing` asks a server, where that may be done at all; `told` what it said."""

    listing: Listing | None = None
    detail: Callable[[str], None] = lambda _: None
    _told: dict[tuple[str, str], int] = field(default_factory=dict)
    _stretch: dict[tuple[str, str], float] = field(
        default_factory=dict
    )  # tokens of the server's for one of ours
    _asked: bool = False

    def of(self, request: Request) -> int | None:
        """The window in the server's tokens; None: nothing is known."""
        known = find_model(request.provider, request.model)
        return self._told.get(_key(request)) or (known.context_window if known else None)

    def stretch(self, request: Request) -> float:
        """Tokens that the server counts for one of ours, at least 1."""
        return self._stretch.get(_key(request), 1.0)

    async def ask(self, request: Request) -> None:
        """Ask the server what its window is, once, where nobody knows and the address is the user's own.

        A server that does not say is no failure.
        """
        if self.listing is None or self._asked or self.of(request) is not None or not _is_own(request):
            return
        self._asked = True
        try:
            window = listed_window(await self.listing(request), request.model)
        except LlmcliError as error:
            self.detail(f"context: the server does not say how large its window is: {error.what}")
            return
        if window is not None:
            self._told[_key(request)] = window
            self.detail(f"context: the server's window has {window} tokens")

    def learn(self, request: Request, error: PromptTooLong, counted: int) -> int:
        """Learn from a server that took no prompt of `counted` tokens of ours; the window, as far as it is known."""
        window, prompt = window_in(error), prompt_in(error)
        window = window or self.of(request) or counted
        self._told[_key(request)] = window
        theirs = prompt or max(window, int(counted * self.stretch(request)) + 1)
        self._stretch[_key(request)] = max(self.stretch(request), theirs / max(counted, 1))
        return window


def window_in(error: PromptTooLong) -> int | None:
    """The window that an error tells of, in its body or its words."""
    return window_of(error.body) or _number(_WINDOW, error.what)


def prompt_in(error: PromptTooLong) -> int | None:
    """The tokens that the prompt had, as an error tells."""
    return _value(error.body, "n_prompt_tokens") or _number(_PROMPT, error.what)


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    number = next((group for group in found.groups() if group), "0") if found else "0"
    return int(number.replace(",", "")[:12]) or None


def _value(data: Any, key: str) -> int | None:
    """A number of an object, at whatever depth."""
    if not isinstance(data, dict):
        return None
    if type(data.get(key)) is int:
        return max(data[key], 0) or None
    return next((found for part in data.values() if (found := _value(part, key))), None)


def _is_own(request: Request) -> bool:
    """Whether an address is the user's own, and no provider's that has customers."""
    owner = provider_of_url(request.base_url)
    return request.provider != PROVIDER and (owner is None or not owner.key_required)


def _key(request: Request) -> tuple[str, str]:
    return request.base_url, request.model
