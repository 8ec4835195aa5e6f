"""What goes over the wire, what comes back, and what may break between, without a word about how."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import field
from enum import Enum, auto

from llmcli.lean.dataclass import dataclass

_STATUS, _END, _NOTHING = ":status", ":end", ""  # which no header is called
_USUAL, _KEPT = 256, 1024  # bytes of a line that is worth keeping, and how many such lines are

LONGEST = 64_000_000  # bytes of a reply, if nobody says how many


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Where a request goes, and how long it may take. One object for all that share it: that is what is fast.

    `headers` are pairs of a name and a value; beside them go only those that HTTP needs. `timeout` is in seconds:
    for a whole exchange, or, with `streamed`, until the head of the reply is there. `connect` is the part of it for
    the connection, name look-up and TLS included. `socket` is the path of a Unix socket to send it over.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    timeout: float = 600.0
    connect: float = 10.0
    streamed: bool = False
    socket: str | None = None


@dataclass(frozen=True, slots=True)
class Proxy:
    """The proxy before an address. `url` has nothing in it of who asks, and is fit to be shown; empty: there is none.

    `account`: name and password. `secrets`: what nobody may read. `answers`: it sees a request, and may answer it.
    """

    url: str = ""
    account: tuple[str, str] | None = field(default=None, repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    answers: bool = False

    @property
    def has_tls(self) -> bool:
        """Whether it is itself spoken to over TLS."""
        return self.url.startswith("https:")

    @property
    def is_socks(self) -> bool:
        """Whether it is asked for a connection by SOCKS."""
        return self.url.startswith("socks")


NO_PROXY = Proxy()


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a request may take: seconds for an attempt and for its connection, bytes of its reply, unpacked."""

    timeout: float = 600.0
    connect: float = 10.0
    longest: int = LONGEST

    @property
    def connecting(self) -> float:
        """Seconds that a connection has."""
        return min(self.connect, self.timeout)


class How(Enum):
    """How far an exchange had come when it broke."""

    UNREACHABLE = auto()  # no connection: nothing was sent
    REFUSED = auto()  # a proxy did not let it pass
    UNTRUSTED = auto()  # the server's certificate is not to be trusted
    NOT_SHOWN = auto()  # the server does not take the certificate that says who we are, or wants one
    NO_TLS = auto()  # the server does not speak TLS
    NOT_CONNECTED = auto()  # the time for a connection was up
    LATE = auto()  # the time for the exchange was up
    BROKEN = auto()  # the connection broke before the head of a reply was there
    UNREADABLE = auto()  # what came is no HTTP
    CUT = auto()  # the connection broke inside the body
    PACKED = auto()  # the body cannot be unpacked
    TOO_LONG = auto()  # the body is beyond the bound


class Break(Exception):
    """An exchange that came to no end. `reason`: in the words of the operating system, or of libcurl.

    `proxy` is the one that was on the way, fit to be shown; `status` is its word for that, 200 where it let it pass.
    """

    def __init__(self, how: How, reason: str, proxy: str = "", status: int | None = None) -> None:
        super().__init__(reason)
        self.how = how
        self.reason = reason
        self.proxy = proxy
        self.status = status


@dataclass(slots=True)
class WireReply:
    """The head of a reply, and its body: `body` where it was read whole, else `pieces`.

    Header names are lower case. `broken`: how a body that is not whole ended. `close` gives up what has not come.
    `proxy` was on the way.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    broken: Break | None = None
    proxy: Proxy = NO_PROXY
    pieces: AsyncGenerator[bytes, None] | None = None
    close: Callable[[], None] = lambda: None


def head_of(lines: list[bytes]) -> tuple[int, dict[str, str]]:
    """(status, headers) of the last head in these lines, which may begin with interim ones and end in trailers.

    Raises ValueError where there is no whole head in it.
    """
    headers = dict(map(_field, lines))
    if lines and len(headers) == len(lines) and headers.popitem()[0] is _END and _NOTHING not in headers:
        return int(headers.pop(_STATUS, "")), headers  # one head, no header twice: no step of ours a line
    status, whole = 0, False
    for name, value in map(_field, lines):
        if name is _STATUS:
            status, headers, whole = int(value), {}, False
        elif whole:
            continue  # a trailer
        elif name is _END:
            whole = True
        elif name is not _NOTHING:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if not whole:
        raise ValueError("no head")
    return status, headers


class _Fields(dict[bytes, tuple[str, str]]):
    """Lines of heads, those that were met last: a server's heads differ in two or three lines."""

    def __missing__(self, line: bytes) -> tuple[str, str]:
        field = _field_in(line)
        if len(line) <= _USUAL:
            if len(self) >= _KEPT:
                self.clear()
            self[line] = field
        return field


def _field_in(line: bytes) -> tuple[str, str]:
    """What a line of a head is: a name and a value, _STATUS and the status, _END, or _NOTHING."""
    if line[:5] == b"HTTP/":
        return _STATUS, line.split(None, 2)[1].decode("latin-1")
    name, colon, rest = line.partition(b":")
    if colon:
        return name.strip().lower().decode("latin-1"), rest.strip().decode("latin-1")
    return (_NOTHING if line.strip() else _END), ""


_field = _Fields().__getitem__
