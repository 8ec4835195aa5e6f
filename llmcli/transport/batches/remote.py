"""A provider's files and batches over HTTP: the openai SDK's calls on our wire, each of them made once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, BinaryIO

from llmcli.errors import Rejected
from llmcli.registry.batch_terms import BatchTerms
from llmcli.transport import replies
from llmcli.transport.batches.base import BatchSeen, FileSeen, batch_seen, file_seen
from llmcli.transport.failures.breaks import not_whole
from llmcli.transport.failures.diagnosis import Reply, failure, in_band, odd, parsed
from llmcli.transport.keys import KeyOf
from llmcli.transport.lazy import import_openai
from llmcli.transport.sdk import Call, Sdk
from llmcli.transport.wire.heads import Bounds, Break, How, WireReply
from llmcli.wire import Json, Request

_PAGE = 100
_ANY = 1 << 50  # bytes of an output file


class RemoteBatches:
    """A BatchApi at the address of `like`, a request of the model. `sdk` makes what speaks to it with `key_of`."""

    def __init__(
        self, like: Request, terms: BatchTerms, key_of: KeyOf, bounds: Bounds, sdk: Callable[[Bounds], Sdk]
    ) -> None:
        self._like, self._terms, self._key_of = like, terms, key_of
        self._bounds = replace(bounds, longest=_ANY)
        self._new_sdk = sdk
        self._sdk = sdk(self._bounds)

    async def upload(self, name: str, content: BinaryIO) -> str:
        """See BatchApi."""
        beside: Json = {}
        if self._terms.keep is not None:
            beside["expires_after"] = {"anchor": "created_at", "seconds": self._terms.keep}

        def call(client: Any, headers: dict[str, Any]) -> Any:
            file = (name, content, "application/jsonl")
            create = client.files.with_raw_response.create
            return create(file=file, purpose=self._terms.purpose, extra_headers=headers, **beside)

        reply, data = await self._once(call)
        identity = data.get("id")
        if not isinstance(identity, str) or not identity:
            raise odd(reply, "the reply to an upload names no file")
        return identity

    async def create(self, file: str, metadata: Mapping[str, str]) -> BatchSeen:
        """See BatchApi."""
        terms = self._terms
        beside: Json = {} if not terms.tags else {"metadata": dict(metadata)}
        if terms.keep is not None:
            beside["output_expires_after"] = {"anchor": "created_at", "seconds": terms.keep}

        def call(client: Any, headers: dict[str, Any]) -> Any:
            if terms.key_header:
                headers = {**headers, terms.key_header: "-".join(metadata.values())}
            return client.batches.with_raw_response.create(
                completion_window=terms.window or import_openai().omit,
                endpoint=terms.url_of(self._like.api.path),
                input_file_id=file,
                extra_headers=headers,
                **beside,
            )

        return self._seen(*await self._once(call))

    async def batch(self, batch: str) -> BatchSeen:
        """See BatchApi."""
        return self._seen(
            *await self._object(
                lambda client, headers: client.batches.with_raw_response.retrieve(
                    batch, extra_headers=headers
                )
            )
        )

    async def cancel(self, batch: str) -> BatchSeen:
        """See BatchApi."""
        return self._seen(
            *await self._object(
                lambda client, headers: client.batches.with_raw_response.cancel(batch, extra_headers=headers)
            )
        )

    async def batches(self) -> AsyncGenerator[BatchSeen, None]:
        """See BatchApi."""
        async for data in self._listed("batches"):
            try:
                yield batch_seen(data)
            except ValueError:
                continue

    async def files(self) -> AsyncGenerator[FileSeen, None]:
        """See BatchApi."""
        async for data in self._listed("files", purpose=self._terms.purpose):
            if (file := file_seen(data)) is not None:
                yield file

    async def lines(self, file: str) -> AsyncGenerator[bytes, None]:
        """See BatchApi."""
        reply, sent = await self._sdk.call(
            self._like,
            lambda client, headers: client.files.with_raw_response.content(file, extra_headers=headers),
            streamed=True,
        )
        begun = b""
        try:
            if not 200 <= sent.status < 300:
                raise failure(reply, b"".join([piece async for piece in self._pieces(reply, sent)]))
            async with aclosing(self._pieces(reply, sent)) as pieces:
                async for piece in pieces:
                    *whole, begun = (begun + piece).split(b"\n")
                    for line in whole:
                        if line.strip():
                            yield line
        finally:
            sent.close()
        if begun.strip():
            yield begun

    async def delete(self, file: str) -> None:
        """See BatchApi."""
        try:
            await self._object(
                lambda client, headers: client.files.with_raw_response.delete(file, extra_headers=headers)
            )
        except Rejected as error:
            if error.meant not in {404, 405, 410}:
                raise

    async def key(self) -> str | None:
        """See BatchApi."""
        return await self._key_of(self._like)

    async def aclose(self) -> None:
        """See BatchApi."""
        await self._sdk.aclose()

    # --- Replies --------------------------------------------------------------------------------------------------

    async def _once(self, call: Call) -> tuple[Reply, Json]:
        """The same over a connection of its own: what gets lost on one that was kept open, the wire sends again."""
        sdk = self._new_sdk(self._bounds)
        try:
            return await self._object(call, sdk)
        finally:
            await sdk.aclose()

    async def _object(self, call: Call, sdk: Sdk | None = None) -> tuple[Reply, Json]:
        """The JSON object of a reply. Raises the CallFailed family."""
        reply, sent = await (sdk or self._sdk).call(self._like, call)
        body = replies.whole(reply, sent, self._bounds)
        data = parsed(body)
        if not isinstance(data, dict):
            raise odd(reply, f"the reply is none of a Batch API: {reply.words(body)}")
        if "error" in data and data["error"] and "id" not in data:
            raise in_band(reply, data)
        return reply, reply.without_key(data)

    @staticmethod
    def _seen(reply: Reply, data: Json) -> BatchSeen:
        try:
            return batch_seen(data)
        except ValueError:
            raise odd(reply, "the reply tells of no batch") from None

    async def _listed(self, what: str, **beside: Any) -> AsyncGenerator[Json, None]:
        """The objects of a list, page by page."""
        after: str | None = None
        while True:
            where = {**beside, "limit": _PAGE, **({} if after is None else {"after": after})}

            def call(client: Any, headers: dict[str, Any], where: Json = where) -> Any:
                return getattr(client, what).with_raw_response.list(extra_headers=headers, **where)

            reply, sent = await self._sdk.call(self._like, call)
            data = parsed(replies.whole(reply, sent, self._bounds))
            items = data.get("data") if isinstance(data, dict) else data
            if not isinstance(items, list):
                raise odd(reply, f"the reply is no list of {what}")
            for item in items:
                if isinstance(item, dict):
                    yield item
            last = items[-1].get("id") if items and isinstance(items[-1], dict) else None
            if not isinstance(data, dict) or not data.get("has_more") or last in {None, after}:
                return
            after = last

    async def _pieces(self, reply: Reply, sent: WireReply) -> AsyncGenerator[bytes, None]:
        """The pieces of a body, none of which is waited for too long. Raises TransientFailure where it breaks off."""
        if sent.pieces is None:
            yield sent.body
            return
        try:
            async with aclosing(sent.pieces) as pieces:
                while True:
                    async with asyncio.timeout(self._bounds.timeout):
                        piece = await anext(pieces, None)
                    if piece is None:
                        return
                    yield piece
        except Break as error:
            raise not_whole(reply, error, self._bounds) from None
        except TimeoutError:
            late = Break(How.LATE, "")
            raise not_whole(reply, late, self._bounds) from None
