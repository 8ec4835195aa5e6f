"""Owns the transport that speaks to nobody: offline/echo and offline/flaky, answered in this process.

`offline/echo` answers with the last user text. `offline/flaky?rate=0.2&status=429&seed=1` does the same
but fails that share of requests, so that retries and resumes can be rehearsed. `?tools=each`: see `rehearsed_calls`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from functools import lru_cache

from llmcli.errors import Rejected, Told, UnfitModel, UsageError
from llmcli.rehearsal import ECHO, PROVIDER
from llmcli.rehearsal.chunks import chunks_of
from llmcli.rehearsal.echo import completion_of
from llmcli.tokens.encodings import Encoder, encoding_for, load
from llmcli.transport.answer import Answer
from llmcli.wire import Chunk, Completion, Json, Meta, Request, spelled

_EACH = "tools=each"


class Offline:
    """A transport that answers with no key and no network, the same way each time. `attempts`: made before, if any.

    `wait`: the seconds that failures of offline/flaky ask to wait, where its name says nothing of them.
    """

    def __init__(self, attempts: Counter[str] | None = None, wait: str | None = None) -> None:
        self._attempts: Counter[str] = Counter() if attempts is None else attempts
        self._wait = wait

    async def ask(self, request: Request) -> Answer:
        """See Transport. A stream has one chunk per token."""
        body, encoder = self._answer(request)
        meta = Meta(request.provider, request.model, request_id=body["id"], api=request.api.name)
        if not request.stream:
            return Answer.of(Completion(body, meta))
        with_usage = bool((request.fields.get("stream_options") or {}).get("include_usage"))

        async def chunks() -> AsyncGenerator[Chunk, None]:
            for chunk in chunks_of(body, encoder, with_usage):
                yield chunk
            meta.done = True

        return Answer.streamed(chunks(), meta)

    async def aclose(self) -> None:
        """See Transport."""

    def _answer(self, request: Request) -> tuple[Json, Encoder]:
        name, query, encoding = _settings_in(request.model)
        if name == "flaky":
            from llmcli.rehearsal.flaky import maybe_fail

            maybe_fail(request, query, self._attempts, self._wait)
        encoder = load(encoding)
        try:
            return completion_of(request, encoder, each=_EACH in query.split("&")), encoder
        except (AttributeError, KeyError, TypeError):  # a field that is not what it should be
            raise Rejected(
                f"{request.name} cannot read the request: it is not of the API's shape",
                todo="change the request",
                told=Told(400),
            ) from None


@lru_cache(64)
def _settings_in(model: str) -> tuple[str, str, str]:
    """A model's name, its settings, and its encoding. Raises as `check_rehearsed` does, but for offline/flaky."""
    name, _, query = model.partition("?")
    if name != "flaky":
        check_rehearsed(model)
    return name, query, encoding_for(PROVIDER, name)[0]


def check_rehearsed(model: str) -> None:
    """Raise UnfitModel where there is no such model, UsageError where it cannot be asked to be like this."""
    name, _, query = model.partition("?")
    if name == "flaky":
        from llmcli.rehearsal.flaky import batch_plan

        batch_plan(query)
    elif name != ECHO:
        raise UnfitModel(
            f"there is no model {spelled(PROVIDER, model)}",
            todo="offline/echo or offline/flaky",
            told=Told(404, "model_not_found"),
        )
    elif query not in {"", _EACH}:
        raise UsageError(f"{spelled(PROVIDER, model)}: no such setting", todo=f"e.g. offline/echo?{_EACH}")
