"""libcurl's easy handles: set up for a head, used again for the next body, and read when their transfer has ended."""

from __future__ import annotations

import errno
import os
import re

import pycurl

from llmcli.lean.dataclass import dataclass
from llmcli.transport.wire.heads import NO_PROXY, Break, Head, How, Proxy
from llmcli.transport.wire.outflow import Outflow
from llmcli.transport.wire.trust import NO_CERTIFICATES, Certificates

_SUPPRESS_CONNECT_HEADERS = 265  # an option that pycurl has no name for: what a proxy says is no reply
_LONGEST = 2**31 - 1  # milliseconds that libcurl can count
_UNREADABLE = {
    pycurl.E_UNSUPPORTED_PROTOCOL,  # what came is HTTP/0.9, or none
    pycurl.E_FTP_WEIRD_SERVER_REPLY,
    100,  # a head of more than 300 kB
}
_CERTIFICATE = {pycurl.E_PEER_FAILED_VERIFICATION, 83}  # 83: not of the issuer that was asked for
_ILL_HEAD = (
    "response headers",
    "Transfer-Encoding",
)  # libcurl's words where its code says only that reading failed
_NOT_SHOWN = re.compile(r"alert .*(certificate|unknown ca)")
_NO_TLS = ("wrong version number", "packet length too long", "http request", "record layer failure")
_E_PROXY = 97  # what a SOCKS proxy says
_DENIED = {10, 11, 12, 33}  # of libcurl's CURLPX codes: those that mean a name or password
_ASKS_WHO = 407  # Proxy Authentication Required
_NOT_ALLOWED = 23  # by the proxy's rules
_MOST_AGAIN = 3
_OF_THE_SYSTEM = {How.UNREACHABLE, How.BROKEN}  # where the operating system knows best what happened
_OF_TLS = {How.UNTRUSTED, How.NOT_SHOWN, How.NO_TLS}
_NO_PROXY_THERE = {pycurl.E_COULDNT_CONNECT, pycurl.E_COULDNT_RESOLVE_PROXY}
_WHILE_CONNECTED = {errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ETIMEDOUT}
_POSTFIELDS = pycurl.POSTFIELDS
_LOST = {pycurl.E_GOT_NOTHING, pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR, pycurl.E_PARTIAL_FILE}


@dataclass(frozen=True, slots=True)
class Route:
    """What the environment says about the way to an address: the `proxy`, (file, folder) of `certificates`.

    `own` is the certificate that says who we are. `socket` is the path of a Unix socket that is the way. `tunnel`: the
    proxy gives a connection, whatever is spoken over it.
    """

    proxy: Proxy = NO_PROXY
    certificates: tuple[str | None, str | None] = (None, None)
    own: Certificates = NO_CERTIFICATES
    socket: str = ""
    tunnel: bool = False


_DIRECT = Route()


class Easy:
    """A handle, and where libcurl puts what comes: `lines` of heads, `pieces` of a body."""

    __slots__ = ("_set", "again", "body", "curl", "head", "lines", "pieces", "proxy", "route")

    def __init__(self) -> None:
        self.curl = pycurl.Curl()
        self._set = self.curl.setopt  # looked up once, see Drive
        self.head: Head | None = None
        self.route = _DIRECT
        self.proxy = ""  # on the way, fit to be shown
        self.body: bytes | Outflow = b""  # that is to go out
        self.again = 0  # times that it was sent once more
        self.lines: list[bytes] = []
        self.pieces: list[bytes] = []

    def take(self, head: Head, body: bytes | Outflow) -> None:
        """Make ready for the next exchange of the head that this handle is set up for."""
        self.lines.clear()
        self.pieces.clear()
        self.body, self.again = body, 0
        if type(body) is bytes:
            if head.method == "POST":
                self._set(_POSTFIELDS, body)
        elif isinstance(body, Outflow):
            self.curl.setopt(pycurl.POSTFIELDSIZE_LARGE, len(body))
            self.curl.setopt(pycurl.READFUNCTION, body.read)
            self.curl.setopt(pycurl.SEEKFUNCTION, body.seek)
            self.head = None  # whoever takes this handle next sets it up anew

    def tell_of(self, hosts: list[str]) -> None:
        """Give the addresses of hosts, as libcurl wants them, so that it looks none up."""
        if hosts:
            self.curl.setopt(pycurl.RESOLVE, hosts)

    @property
    def has_tls(self) -> bool:
        """Whether TLS is spoken, with the server or with the proxy before it."""
        return self.route.proxy.has_tls or (self.head is not None and self.head.url.startswith("https:"))

    @property
    def is_beyond(self) -> bool:
        """Whether a proxy let the exchange pass, so that what breaks is behind it."""
        return bool(self.curl.getinfo(pycurl.HTTP_CONNECTCODE) // 100 == 2)

    def take_a_fresh_connection(self) -> None:
        """Make ready for the same again, over a connection that nobody has used."""
        self.lines.clear()
        self.pieces.clear()
        if isinstance(self.body, Outflow):
            self.body.rewind()
        self.again += 1
        self.curl.setopt(pycurl.FRESH_CONNECT, 1)
        self.head = None  # whoever takes this handle next sets it up anew

    def set_up(self, head: Head, route: Route, longest: int) -> None:
        """Make ready for a head. `longest`: bytes of a body."""
        self.head, self.route, self.proxy, curl = head, route, route.proxy.url, self.curl
        curl.reset()
        curl.setopt(pycurl.URL, head.url)
        curl.setopt(pycurl.POST if head.method == "POST" else pycurl.HTTPGET, 1)
        if head.method not in {"GET", "POST"}:
            curl.setopt(pycurl.CUSTOMREQUEST, head.method)
        curl.setopt(pycurl.NOBODY, head.method == "HEAD")
        theirs = {name.lower() for name, _ in head.headers}
        ours = [header for header in _OURS if header[0].lower() not in theirs]
        curl.setopt(pycurl.HTTPHEADER, [_line(*header) for header in (*ours, *head.headers)])
        curl.setopt(pycurl.HEADERFUNCTION, self.lines.append)
        curl.setopt(pycurl.WRITEFUNCTION, self.pieces.append)
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, _milliseconds(head.connect))
        if not head.streamed:
            curl.setopt(pycurl.TIMEOUT_MS, _milliseconds(head.timeout))
        curl.setopt(pycurl.MAXFILESIZE_LARGE, longest)
        _set_route(curl, route)
        _set_own(curl, route.own)
        for option, value in _ALWAYS:
            curl.setopt(option, value)


_OURS = (
    ("Accept-Encoding", "gzip, deflate"),
    ("Expect", None),  # 100-continue: it costs a second where a server does not know it
    *((name, None) for name in ("Accept", "Content-Type", "User-Agent")),  # nothing by itself
)
_ALWAYS = (
    (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),  # see "Certificates" in the guide's page network
    (pycurl.NOSIGNAL, 1),
    (pycurl.UPLOAD_BUFFERSIZE, 16_384),  # the least; by default each request in flight holds one of 64 kB
    (pycurl.TCP_KEEPALIVE, 1),
    (_SUPPRESS_CONNECT_HEADERS, 1),
)


def _line(name: str, value: str | None) -> str:
    """A header as libcurl wants it, for which `Name:` is one to leave out."""
    if value is None:
        return f"{name}:"
    return f"{name}: {value}" if value else f"{name};"


def _set_route(curl: pycurl.Curl, route: Route) -> None:
    """Say the way outright: libcurl's own look into the environment is off."""
    curl.setopt(pycurl.PROXY, route.proxy.url)
    curl.setopt(pycurl.NOPROXY, "")
    for option, value in zip(
        (pycurl.PROXYUSERNAME, pycurl.PROXYPASSWORD), route.proxy.account or (), strict=False
    ):
        curl.setopt(option, value.encode())
    if route.tunnel:
        curl.setopt(pycurl.HTTPPROXYTUNNEL, 1)
    if route.socket:
        curl.setopt(pycurl.UNIX_SOCKET_PATH, route.socket)
    for options in ((pycurl.CAINFO, pycurl.CAPATH), (pycurl.PROXY_CAINFO, pycurl.PROXY_CAPATH)):
        for option, place in zip(options, route.certificates, strict=True):
            if place is not None:
                curl.setopt(option, place)
            elif any(route.certificates):
                curl.unsetopt(option)


def _set_own(curl: pycurl.Curl, own: Certificates) -> None:
    """Show a certificate to servers that ask for one."""
    if own.certificate is not None:
        curl.setopt(pycurl.SSLCERT, own.certificate)
        curl.setopt(pycurl.SSLKEY, own.key or own.certificate)


def _milliseconds(seconds: float) -> int:
    return max(1, min(int(seconds * 1000), _LONGEST))


def break_of(easy: Easy, code: int, message: str) -> Break:
    """What became of an exchange that libcurl ended with `code`."""
    connected = easy.curl.getinfo(pycurl.REQUEST_SIZE) > 0
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return Break(How.LATE if connected else How.NOT_CONNECTED, message, easy.proxy)
    if code == pycurl.E_FILESIZE_EXCEEDED:
        return Break(How.TOO_LONG, message)
    if easy.proxy and (refusal := _refusal(easy, code, message)) is not None:
        return refusal
    how = _how(code, message, connected=connected)
    reason = _reason(easy, code, message) if how in _OF_THE_SYSTEM else message
    return Break(how, reason, *_to_blame(easy, code, how))


def _to_blame(easy: Easy, code: int, how: How) -> tuple[str, int | None]:
    """(proxy, its word) for a break: a proxy that had let the exchange pass was on the way, and is not to blame."""
    proxy = easy.route.proxy
    is_beyond = easy.is_beyond or (proxy.is_socks and code not in _NO_PROXY_THERE)
    if how in _OF_TLS:
        return (proxy.url if proxy.has_tls and not is_beyond else ""), None
    return proxy.url, (200 if is_beyond else None)


def _how(code: int, message: str, *, connected: bool) -> How:
    if code in _CERTIFICATE:
        return How.UNTRUSTED
    if _NOT_SHOWN.search(message):
        return How.NOT_SHOWN
    if code == pycurl.E_SSL_CONNECT_ERROR and any(words in message for words in _NO_TLS):
        return How.NO_TLS
    if not connected:
        return How.UNREACHABLE
    is_ill = code in _UNREADABLE or any(words in message for words in _ILL_HEAD)
    return How.UNREADABLE if is_ill else How.BROKEN


def check_status(easy: Easy, status: int) -> None:
    """Raise Break for a status that only a proxy has: of a plain server's replies, it gives its own beside them."""
    if status == _ASKS_WHO and easy.proxy:
        raise _refused(easy, status)


def _refused(easy: Easy, status: int) -> Break:
    from http.client import responses  # here: it brings all of `email` with it

    words = responses.get(status, "")
    return Break(How.REFUSED, f"{status} {words}".rstrip(), easy.proxy, status)


def _refusal(easy: Easy, code: int, message: str) -> Break | None:
    """What a proxy said instead of letting an exchange pass; None: it let it."""
    status = easy.curl.getinfo(pycurl.HTTP_CONNECTCODE)
    if status >= 300:
        return _refused(easy, status)
    if code == _E_PROXY:
        why = easy.curl.getinfo(pycurl.PROXY_ERROR)
        status = _ASKS_WHO if why in _DENIED else 403 if why == _NOT_ALLOWED else None
        return Break(How.REFUSED, message, easy.proxy, status)
    return None


def may_go_again(easy: Easy, code: int) -> bool:
    """Whether the server cannot have had the request, so that what broke off was no attempt.

    Either it had closed a connection that was kept open; or it closed before the body was out: it may have answered
    that, and the answer was lost behind the break. Sent again, it has the time to be read, nearly always.
    """
    if code not in _LOST or easy.lines:
        return False
    if not easy.curl.getinfo(pycurl.NUM_CONNECTS):
        return True
    return easy.again < _MOST_AGAIN and easy.curl.getinfo(pycurl.SIZE_UPLOAD_T) < len(easy.body)


def _reason(easy: Easy, code: int, message: str) -> str:
    """The operating system's words where it has some, else libcurl's.

    Its number may be older: a name's first address, often of IPv6, has refused before the second was reached.
    """
    number = easy.curl.getinfo(pycurl.OS_ERRNO)
    is_last = code == pycurl.E_COULDNT_CONNECT or number in _WHILE_CONNECTED
    return os.strerror(number) if number and is_last else message
