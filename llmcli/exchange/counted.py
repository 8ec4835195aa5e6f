"""Counted: the prompt tokens of a request, by the tables, or by the model itself where it is here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from llmcli.app import App
from llmcli.local import LOCAL
from llmcli.tokens.count import Count, counted_request
from llmcli.wire import Request

if TYPE_CHECKING:
    from llmcli.local.counted import LocalCounts

CountOf = Callable[[Request], Count]
"""The prompt tokens of a request. Raises UsageError where a model that is here cannot be had."""


def count_of(request: Request) -> Count:
    """The prompt tokens of a request, by the tables."""
    return counted_request(request.provider, request.model, request.fields)


@contextmanager
def counting(app: App) -> Iterator[CountOf]:
    """What counts requests; a model that is here is loaded at its first one, and kept until the end of this."""
    here: list[LocalCounts] = []

    def count(request: Request) -> Count:
        if request.provider != LOCAL:
            return count_of(request)
        if not here:
            from llmcli.local.counted import LocalCounts

            here.append(LocalCounts(app.world.env))
        tokens = here[0].tokens(request.model, request.fields)
        return Count(tokens, exact=True, most=tokens)

    try:
        yield count
    finally:
        for counts in here:
            counts.close()


def counted(app: App, request: Request) -> Count:
    """The prompt tokens of one request."""
    with counting(app) as count:
        return count(request)
