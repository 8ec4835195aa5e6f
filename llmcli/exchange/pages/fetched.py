"""Fetching: `-f URL` to the text of that page, over the wire that requests go, or from what --record kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urldefrag

from llmcli import __version__, files, jsonl
from llmcli.address import address_of, asked, fault_of, resolved, shown_url
from llmcli.app import App
from llmcli.errors import LlmcliError, NoInput, OutputFailure, Told, TransientFailure, UsageError
from llmcli.exchange.asked import Paged
from llmcli.exchange.layers.store import recorded, recording
from llmcli.exchange.pages.readable import readable
from llmcli.exchange.pages.way import PageNames
from llmcli.request.prompt import is_page
from llmcli.transport.stars import told_apart, without
from llmcli.transport.wire.exchange import Wire
from llmcli.transport.wire.heads import Break, Head, How, WireReply
from llmcli.transport.wire.trust import Certificates

_LONGEST = 10_000_000  # bytes, unpacked
_TIME = 30.0  # seconds for a page, its redirects included
_CONNECT = 10.0  # seconds of these for a connection
_HOPS = 10
_REDIRECTS = {301, 302, 303, 307, 308}
_PASSING = {408, 425, 429}
_ACCEPT = "text/html, text/*;q=0.9, application/json;q=0.9, */*;q=0.5"


def pages_of(app: App, settings: Paged, *, sends: bool) -> Mapping[str, str]:
    """The text of each address that -f names. `sends`: whether a model is asked then; else the reading is said.

    Raises UsageError for what is no page or no text, TransientFailure where another time may help, NoInput and
    OutputFailure for --replay and --record.
    """
    urls = list(dict.fromkeys(name for name in settings.input.file if is_page(name)))
    if not urls:
        return {}
    replay, record = settings.money.replay, settings.money.record
    if replay is not None:
        folder = recorded(replay).path
        return {url: _kept(folder, url) for url in urls}
    keep = recording(record).path if record is not None and sends else None
    pages = app.drive(_fetched(app, settings, urls), settings.network.deadline)
    for url, text in pages.items():
        if not sends:
            app.notes.say(f"{shown_url(url)} was read, and nothing else is sent: {len(text)} characters")
        if keep is not None:
            _keep(keep, url, text)
    return pages


async def _fetched(app: App, settings: Paged, urls: list[str]) -> dict[str, str]:
    return {url: await Fetch(app, settings.network.cacert).text(url) for url in urls}


class Fetch:
    """One page, from the address that was typed to where its redirects end."""

    def __init__(self, app: App, cacert: str | None) -> None:
        self._app, env = app, app.world.env
        self._way = PageNames(env)
        self._wire = Wire(env, _LONGEST, Certificates(cacert, None, None), names=self._way)
        self._ends = app.world.clock() + _TIME

    async def text(self, url: str) -> str:
        """The page's text. Raises UsageError, TransientFailure."""
        try:
            place, reply = await self._followed(url)
        finally:
            await self._wire.aclose()
        _check_reply(reply, shown_url(place))
        text = readable(reply.body, reply.headers.get("content-type", ""), shown_url(place))
        address = address_of(place)
        sent = reply.proxy.secrets | (address.secrets if address else frozenset())
        return str(without(text, told_apart(sent)))  # a page may repeat who asks for it

    async def _followed(self, url: str) -> tuple[str, WireReply]:
        """(address, reply) where the redirects end."""
        for _ in range(_HOPS):
            reply = await self._got(url)
            place = reply.headers.get("location", "").strip()
            if reply.status not in _REDIRECTS or not place:
                return url, reply
            target = resolved(url, place)
            self._app.notes.say(f"{shown_url(url)} redirects to {shown_url(target)}")
            if not is_page(target):
                raise UsageError(f"{shown_url(url)} redirects to what is no web page: {shown_url(target)}")
            url = target
        raise UsageError(
            f"more than {_HOPS} redirects, the last to {shown_url(url)}", todo="check the address"
        )

    async def _got(self, url: str) -> WireReply:
        """What an address answers. A name and password go to the host alone beside which they stand."""
        address = address_of(url)
        if address is None:
            raise UsageError(f"-f {shown_url(url)}: {fault_of(url)}", todo="check the address")
        where = urldefrag(asked(url)).url
        self._way.enter(where)
        left = max(self._ends - self._app.world.clock(), 0.001)
        login = [("Authorization", address.basic)] if address.basic else []
        headers = (("Accept", _ACCEPT), ("User-Agent", f"llmcli/{__version__}"), *login)
        try:
            return await self._wire.exchange(Head("GET", where, headers, left, min(_CONNECT, left)))
        except Break as error:
            raise _failed(error, shown_url(url)) from None


def _check_reply(reply: WireReply, name: str) -> None:
    if reply.broken is not None:
        raise _failed(reply.broken, name)
    if 200 <= reply.status < 300:
        return
    if reply.status >= 500 or reply.status in _PASSING:
        told = Told(status=reply.status)
        raise TransientFailure(f"cannot read {name}: HTTP {reply.status}", todo="try again later", told=told)
    raise UsageError(f"cannot read {name}: HTTP {reply.status}", todo="check the address")


def _failed(error: Break, name: str) -> LlmcliError:
    if error.how is How.TOO_LONG:
        todo = "save it, cut it (llmcli count --truncate N), and give the file"
        return UsageError(f"{name} is longer than {_LONGEST // 1_000_000} MB", todo=todo)
    if error.how is How.LATE:
        return TransientFailure(f"{name} was not there within {_TIME:g} s", todo="try again later")
    behind = f", by {error.proxy}" if error.proxy else ""
    return TransientFailure(
        f"cannot read {name}{behind}: {error.reason}", todo="check the address, or try again later"
    )


def _file(folder: Path, url: str) -> Path:
    return folder / "pages" / f"{hashlib.sha256(url.encode()).hexdigest()}.json"


def _keep(folder: Path, url: str, text: str) -> None:
    file = _file(folder, url)
    try:
        for directory in (folder, file.parent):
            files.make_directory(directory)
        files.replace(file, jsonl.line({"url": shown_url(url), "text": text}), sync=False)
    except OSError as error:
        raise OutputFailure(
            f"cannot keep the page in {folder}: {error.strerror}", todo="check the path"
        ) from None


def _kept(folder: Path, url: str) -> str:
    try:
        return str(jsonl.loads(files.read_regular(_file(folder, url)))["text"])
    except (OSError, ValueError, KeyError, TypeError):
        problem = f"{shown_url(url)} was not recorded"
        raise NoInput(problem, str(folder), "record it with --record, the address spelled alike") from None
