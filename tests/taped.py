"""The seam of the wire as a cassette plays it: what vcrpy puts in place of it, by `custom_patches`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from dataclasses import replace
from typing import Any, ClassVar

from vcr.errors import CannotOverwriteExistingCassetteException
from vcr.request import Request

from llmcli.transport.wire.exchange import Wire
from llmcli.transport.wire.heads import Head, WireReply


class TapedExchange:
    """`Wire.exchange` that gives what the cassette has; where that may be written, what the server says."""

    cassette: ClassVar[Any] = None  # vcrpy sets it, in a class of its own below this one

    def __init__(self, head: Head, body: bytes = b"") -> None:
        self._head, self._body = head, body
        self._request = Request(head.method, head.url, body, dict(head.headers))

    def __await__(self) -> Generator[Any, None, WireReply]:
        return self._reply().__await__()

    async def _reply(self) -> WireReply:
        if not self.cassette.can_play_response_for(self._request):
            await self._record()
        kept = self.cassette.play_response(self._request)
        headers = {name.lower(): ", ".join(values) for name, values in kept["headers"].items()}
        said = WireReply(kept["status"]["code"], headers, kept["body"]["string"])
        return replace(said, body=b"", pieces=_in_one(said.body)) if self._head.streamed else said

    async def _record(self) -> None:
        if self.cassette.write_protected:
            raise CannotOverwriteExistingCassetteException(
                cassette=self.cassette, failed_request=self._request
            )
        wire = Wire()
        said = await _REAL(wire, replace(self._head, streamed=False), self._body)
        await wire.aclose()
        self.cassette.append(self._request, _kept(said))


CUSTOM_PATCHES = ((Wire, "exchange", TapedExchange),)
_REAL = Wire.exchange


def _kept(said: WireReply) -> dict[str, Any]:
    headers = {name: [value] for name, value in said.headers.items() if name != "content-encoding"}
    status = {"code": said.status, "message": ""}
    return {"status": status, "headers": headers, "body": {"string": said.body}}


async def _in_one(body: bytes) -> AsyncIterator[bytes]:
    yield body
