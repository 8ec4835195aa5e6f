"""Addresses: the only reader of a URL. What it says, which host it means, and what of it may be shown."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from os.path import normpath
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urljoin, urlsplit

from llmcli.lean.dataclass import dataclass

_PORTS = {"http": 80, "https": 443}
_SOCKET = "http+unix"
_LONGEST_NAME = 253
_LABEL = r"[a-z0-9_-]{1,63}"
_NUMBER = r"[0-9]+|0x[0-9a-f]*"
_MANY = 1024  # addresses that one run may read before the first is read again

_HARMLESS = {"api-version", "api_version", "version", "v"}  # names in a query whose values are no secrets
_SECRETS = r"(?<=://)[^/?#]*(?=@)|(?<=#)[^=]*=.*|(?<=[?&;])(?P<name>[^=&;#]*=)?[^=&;#][^&;#]*"
_ASCII = "%/:=&?~+!$,;'@()*[]|#"  # what stays as it stands in an address
_BEFORE_PATH = r"(?i)(https?://)[^/?#]*"
_STORE = re.compile(r"(s3|gs|az)://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """An http(s) address that a client can ask.

    `host` is the one that is meant, whatever its spelling: small letters, ASCII, four numbers of an IPv4 address, no
    brackets, no final dot. `port` is never None. `socket`: the path of the Unix socket that is asked instead.
    """

    parts: SplitResult
    host: str
    port: int
    socket: str | None = None

    @property
    def origin(self) -> tuple[str, str, int]:
        """What two addresses of one server have in common."""
        return self.parts.scheme, self.socket or self.host, self.port

    @property
    def user(self) -> str | None:
        """What stands in it of who asks, `NAME:PASSWORD`, unquoted; None where nothing does."""
        name, at, _ = self.parts.netloc.rpartition("@") if self.socket is None else ("", "", "")
        user, _, password = name.partition(":")
        return f"{unquote(user)}:{unquote(password)}" if at and name else None

    @property
    def basic(self) -> str | None:
        """The same as the value of an Authorization header."""
        if self.user is None:
            return None
        from base64 import b64encode

        return "Basic " + b64encode(self.user.encode()).decode()

    @property
    def shown(self) -> str:
        """Scheme, host as it was typed, port and path: fit to be shown."""
        if self.socket is not None:
            return f"{_SOCKET}://{self.socket}{self.parts.path}"
        place = self.parts.netloc.rpartition("@")[2]
        return f"{self.parts.scheme}://{place}{self.parts.path}"

    @property
    def public(self) -> str:
        """The address without what may be secret: a name and password, and all of a query but what is known."""
        query = urlencode([pair for pair in parse_qsl(self.parts.query) if is_harmless(pair[0])])
        return self.parts._replace(netloc=self.parts.netloc.rpartition("@")[2], query=query).geturl()

    @property
    def secrets(self) -> frozenset[str]:
        """What stands in it and nobody else may read: who asks, and keys behind ? and #, however they are spelled."""
        pairs = parse_qsl(self.parts.query) + parse_qsl(self.parts.fragment)
        found = {value for name, value in pairs if not is_harmless(name)}
        if self.user is not None:
            name, _, password = self.user.partition(":")
            found |= {self.parts.netloc.rpartition("@")[0], password or name, self.user}
            found.add((self.basic or "").removeprefix("Basic "))
        return frozenset(
            form for value in found if value for form in (value, unquote(value), quote(value, safe=""))
        )


@lru_cache(_MANY)
def address_of(text: str) -> Address | None:
    """The http(s) address that a text is; None for what no client can ask: no such host or port, unprintable bytes."""
    try:
        parts = urlsplit(text)
        if parts.scheme == _SOCKET:
            return _over_socket(text) if text.isprintable() else None
        port = parts.port  # raises ValueError, as a bracket too many does
        host = _meant(parts.hostname or "")
    except ValueError:
        return None
    if host is None or port == 0 or parts.scheme not in _PORTS or not text.isprintable():
        return None
    return Address(parts, host, port or _PORTS[parts.scheme])


def fault_of(text: str) -> str:
    """What is wrong with a text that is no address, to be said behind it."""
    with suppress(ValueError):
        parts = urlsplit(text)
        last = (parts.hostname or "").removesuffix(".").rpartition(".")[2]
        if parts.scheme in _PORTS and parts.port != 0 and re.fullmatch(_NUMBER, last):
            return "is no http(s) URL: its host is no IPv4 address"
    return "is no http(s) URL"


def asked(url: str) -> str:
    """An address as a client is to ask it: the host that is meant, and nothing of who asks. A final dot stays."""
    address = address_of(url)
    if address is None:
        return url
    if address.socket is not None:
        return quote(address.parts._replace(scheme="http", netloc="localhost").geturl(), safe=_ASCII)
    host = f"[{address.host.replace('%', '%25')}]" if ":" in address.host else address.host
    is_final = (address.parts.hostname or "").endswith(".")
    if is_final and not _is_ip(address.host) and address.host != "localhost":
        host += "."  # name servers are asked for this name alone
    place = host if address.parts.port is None else f"{host}:{address.parts.port}"
    return quote(re.sub(_BEFORE_PATH, lambda start: start[1] + place, url, count=1), safe=_ASCII)


def with_socket_as_host(url: str) -> str:
    """An address to which a path can be added: of a Unix socket, one with the socket's path in the host's place.

    `http+unix:///run/llama.sock/v1`: the socket ends with the first name in `.sock` or `.socket`, else before the last.
    """
    parts = urlsplit(url) if url.startswith(f"{_SOCKET}:///") else None
    if parts is None:
        return url
    names = parts.path.split("/")
    ends = [at for at, name in enumerate(names, 1) if name.endswith((".sock", ".socket"))]
    end = ends[0] if ends else len(names) - 1
    path = "".join(f"/{name}" for name in names[end:])
    return parts._replace(netloc=quote("/".join(names[:end]), safe=""), path=path).geturl()


def socket_of(url: str) -> str | None:
    """The path of the Unix socket that an address means."""
    address = address_of(url)
    return None if address is None else address.socket


def resolved(url: str, place: str) -> str:
    """The address that a place means which an address names, whole or in part; the place where nobody can tell."""
    try:
        return urljoin(url, place)
    except ValueError:
        return place


def is_this_machine(url: str) -> bool:
    """Whether an address is one of this very machine: loopback, or no host in particular."""
    address = address_of(url)
    host = "" if address is None else address.host
    if host == "localhost" or host.endswith(".localhost"):
        return True
    with suppress(ValueError):
        number = ip_address(host)
        number = getattr(number, "ipv4_mapped", None) or number
        return number.is_loopback or number.is_unspecified
    return False


def is_harmless(name: str) -> bool:
    """Whether what stands under a name in an address's query may be shown."""
    return name in _HARMLESS


def shown_url(text: str) -> str:
    """An address, or what was meant as one, with stars for a password and for what keys may be in its query."""

    def starred(match: re.Match[str]) -> str:
        name = match["name"] or ""
        return match[0] if is_harmless(name[:-1]) else f"{name}***"

    if "://" not in text or address_of(text) is None:  # no address: nobody knows where its password ends
        text = re.sub(r"^((?:\w[\w+.-]*:/+)?).*@", r"\1***@", text, flags=re.DOTALL)
    return re.sub(_SECRETS, starred, text)


def public_url(url: str) -> str:
    """The same for one that is kept: without what may be secret, so that it names the server alone."""
    address = address_of(url)
    return url if address is None else address.public


def is_store_url(text: str) -> bool:
    """Whether a name is that of objects in a store, and not of a file."""
    return _STORE.match(text) is not None


def store_url(text: str) -> str:
    """The URL of objects as a library reads it: a name there is meant as it stands, `%`, `?` and `#` in it, too."""
    scheme, _, place = text.partition("://")
    bucket, slash, path = place.partition("/")
    return f"{scheme.lower()}://{bucket}{slash}{quote(path)}"


def normal_path(name: str) -> str:
    """One spelling for the paths that mean the same, but that links are not looked at; a URL stays as it is."""
    return name if is_store_url(name) else normpath(name)


def _over_socket(text: str) -> Address | None:
    """The address of a Unix socket, whose path stands in the host's place, or before the path."""
    parts = urlsplit(with_socket_as_host(text))
    socket = unquote(parts.netloc)
    return Address(parts, "localhost", _PORTS["http"], socket) if socket.startswith("/") else None


def _meant(host: str) -> str | None:
    """The host that a spelling means, as the URL standard (and libcurl) reads it; None for what cannot be one."""
    if ":" in host:  # it came out of brackets
        return str(IPv6Address(host.replace("%25", "%", 1)))
    name = unquote(host).removesuffix(".")
    if not name.isascii():
        name = name.encode("idna").decode()  # raises a ValueError
    labels = name.lower().split(".")
    if re.fullmatch(_NUMBER, labels[-1]):
        return _ipv4(labels)
    is_name = len(name) <= _LONGEST_NAME and all(re.fullmatch(_LABEL, label) for label in labels)
    return ".".join(labels) if is_name else None


def _ipv4(labels: list[str]) -> str | None:
    """The address of up to four numbers, of which the last fills what the others leave: 127.1 is 127.0.0.1."""
    if len(labels) > 4 or not all(re.fullmatch(_NUMBER, label) for label in labels):
        return None
    *first, last = [_number(label) for label in labels]
    if any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
        return None
    return str(IPv4Address(sum(number << (24 - 8 * at) for at, number in enumerate(first)) + last))


def _number(label: str) -> int:
    """A number as inet_aton reads it: 0x7f, 0177, 127. Raises ValueError."""
    if label.startswith("0x"):
        return int(label[2:] or "0", 16)
    return int(label, 8) if label.startswith("0") else int(label)


def _is_ip(host: str) -> bool:
    with suppress(ValueError):
        ip_address(host)
        return True
    return False
