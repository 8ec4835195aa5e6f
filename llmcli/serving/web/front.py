"""The front: an HTTP request to a reply. Who may ask, which path is what, how large a body may be."""

from __future__ import annotations

import asyncio
import secrets
import traceback
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import lru_cache
from urllib.parse import unquote

from llmcli.lean.dataclass import dataclass
from llmcli.serving.replies import Problem, Response
from llmcli.serving.web.listening import AsgiReceive, AsgiScope, AsgiSend

Post = Callable[[bytes, str], Awaitable[Response]]
Get = Callable[[str], Response]

WORK = "work"  # where in the state of a request its task is, for whom to cancel that takes it out
_TURN = 32  # pieces of a stream after which it is the turn of others
_AGENT = b"user-agent"
_JSON = [(b"content-type", b"application/json")]
_EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]

_CROWDED = Problem(
    503, "too many connections are open", "overloaded", final=False, wait=1.0, headers={"connection": "close"}
)


class _Gone(Exception):
    """The client went away."""


@dataclass(frozen=True)
class Front:
    """The ASGI application. `posts` and `gets` are what there is, by path below the base URL.

    A post is given the body and the User-Agent. A path of `gets` that ends in `/` is followed by a name. `token`: who
    does not bring it is refused (None: nobody is). `refused` is told of what is not even looked at, `show` is given the
    traceback of a bug.
    """

    posts: Mapping[str, Post]
    gets: Mapping[str, Get]
    token: str | None
    refused: Callable[[Problem], None]
    show: Callable[[str], None]
    patience: float = 60.0
    longest: int = 64_000_000

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            return
        scope["state"][WORK] = asyncio.current_task()
        try:
            await _send(send, self._at_once(scope) or await self._posted(scope, receive))
        except _Gone:
            return
        except asyncio.CancelledError:
            if WORK in scope["state"]:  # it is we who end
                raise
        except Exception:
            self.show(traceback.format_exc())
            raise

    def malformed(self) -> Response:
        """The reply to what is no HTTP."""
        return self._refused(
            Problem(400, "this is no request of HTTP/1.1, or its head is too long", "malformed")
        )

    def late(self) -> Response:
        """The reply to a request that comes too slowly."""
        return self._refused(Problem(408, "the request did not come in time"))

    async def crowded(self, _scope: AsgiScope, _receive: AsgiReceive, send: AsgiSend) -> None:
        """Answers on a connection that is one too many, and closes it. See ASGI."""
        await _send(send, self._refused(_CROWDED))

    def _at_once(self, scope: AsgiScope) -> Response | None:
        """The reply to a request whose body is not to be read; None for a post."""
        if (problem := self._unwelcome(dict(scope["headers"]))) is not None:
            return self._refused(problem)
        path, method = _path(scope["raw_path"]), scope["method"]
        if method == "POST" and path in self.posts:
            return None
        if method in {"GET", "HEAD"} and (got := self._get(path)) is not None:
            return got
        return self._refused(self._nothing(method, path))

    async def _posted(self, scope: AsgiScope, receive: AsgiReceive) -> Response:
        try:
            body = await _read(receive, self.longest)
            return await self.posts[_path(scope["raw_path"])](body, _said(dict(scope["headers"]), _AGENT))
        except _Unread as error:
            return self._refused(error.problem)
        except _Gone:
            raise
        except Exception:  # noqa: BLE001 - a bug: one request's end, not the server's
            self.show(traceback.format_exc())
            return self._refused(Problem(500, "this is a bug of llmcli: its stderr has the traceback"))

    def _refused(self, problem: Problem) -> Response:
        self.refused(problem)
        return problem.reply

    def _get(self, path: str) -> Response | None:
        """The reply to a GET; None where there is nothing."""
        if path in self.gets:
            return self.gets[path]("")
        found = next((known for known in self.gets if known.endswith("/") and path.startswith(known)), None)
        return None if found is None or path == found else self.gets[found](unquote(path.removeprefix(found)))

    def _unwelcome(self, headers: Mapping[bytes, bytes]) -> Problem | None:
        """Why a client is not answered: a page in a browser, or one without the token."""
        if b"origin" in headers:
            return Problem(403, "requests of web pages (with an Origin header) are not answered", "origin")
        if self.token is None:
            return None
        said = _said(headers, b"authorization").partition(" ")[2].strip() or _said(headers, b"api-key")
        if secrets.compare_digest(said.encode(), self.token.encode()):
            return None
        what = "the key is not the token of this llmcli serve" if said else "there is no key"
        return Problem(
            401, f"{what}: it is in OPENAI_API_KEY of its command, or on its stderr", "invalid_api_key"
        )

    def _nothing(self, method: str, path: str) -> Problem:
        if path in self.posts or path in self.gets:
            allowed = "POST" if path in self.posts else "GET, HEAD"
            return Problem(405, f"{path} takes {allowed}, not {method}", headers={"allow": allowed})
        gets = [name for name in self.gets if not name.endswith("/")]
        there = ", ".join([*(f"POST {name}" for name in self.posts), *(f"GET {name}" for name in gets)])
        return Problem(404, f"llmcli serve has no {method} {path or '/'}; it has {there}", "unknown_url")


class _Unread(Exception):
    """A reply that is due before a request is read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def _said(headers: Mapping[bytes, bytes], name: bytes) -> str:
    """A header's value, empty where there is none."""
    return headers.get(name, b"").decode("latin-1")


@lru_cache(64)
def _path(raw: bytes) -> str:
    """The path below the base URL, escapes in it as they came: `/models/offline%2Fecho`."""
    path = raw.decode("latin-1").rstrip("/")
    return path.removeprefix("/v1") if path.startswith("/v1/") else path


async def _read(receive: AsgiReceive, longest: int) -> bytes:
    """The body of a request. Raises _Gone, and _Unread for one that is too long."""
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        piece: bytes = message["body"]
        size += len(piece)
        if size > longest:
            raise _Unread(Problem(413, f"the body is longer than {longest // 1_000_000} MB"))
        if not message["more_body"]:
            return b"".join([*pieces, piece]) if pieces else piece
        pieces.append(piece)


async def _send(send: AsgiSend, reply: Response) -> None:
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in reply.headers.items()]
    if reply.pieces is None:
        headers += [*_JSON, (b"content-length", str(len(reply.body)).encode())]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})
        return
    async with aclosing(reply.pieces) as pieces:
        await send({"type": "http.response.start", "status": reply.status, "headers": headers + _EVENTS})
        count = 0
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            count += 1
            if count % _TURN == 0:  # pieces that are made here do not wait for anything
                await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b""})
