"""A SOCKS5 proxy on loopback that sends every connection to one server, and remembers what it was asked for."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.server.relay import relay

_FAMILIES = {1: socket.AF_INET, 4: socket.AF_INET6}
_NO_AUTH, _PASSWORD, _NONE_OF_THESE = 0, 2, 255


@dataclass
class Socks:
    """`port` is its own; `asked` are the hosts that it was asked for, `users` who said who they are."""

    port: int
    asked: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)


@contextlib.contextmanager
def socks(to: int, user: str | None = None, refusal: int = 0) -> Iterator[Socks]:
    """A proxy whose connections all lead to the port `to`.

    `user`: NAME:PASSWORD that it wants; `refusal`: the code (1 to 8) that it answers every request with instead.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError, EOFError):
                if _let_in(self.request, user, seen):
                    _carry(self.request, seen, to, refusal)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as proxy:
        proxy.daemon_threads = True
        seen = Socks(proxy.server_address[1])
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        yield seen
        proxy.shutdown()


def _read(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = client.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def _let_in(client: socket.socket, user: str | None, seen: Socks) -> bool:
    """The greeting: which way to say who one is, and whether that was right."""
    methods = _read(client, _read(client, 2)[1])
    wanted = _NO_AUTH if user is None else _PASSWORD
    client.sendall(bytes([5, wanted if wanted in methods else _NONE_OF_THESE]))
    if wanted not in methods:
        return False
    if user is None:
        return True
    _read(client, 1)
    said = ":".join(_read(client, _read(client, 1)[0]).decode() for _ in range(2))
    seen.users.append(said)
    client.sendall(bytes([1, said != user]))
    return said == user


def _carry(client: socket.socket, seen: Socks, to: int, refusal: int) -> None:
    """The request, and then bytes both ways until one side ends."""
    kind = _read(client, 4)[3]
    size = {1: 4, 4: 16}.get(kind) or _read(client, 1)[0]
    host = _read(client, size)
    name = host.decode() if kind == 3 else socket.inet_ntop(_FAMILIES[kind], host)
    seen.asked.append(name)
    _read(client, 2)
    client.sendall(bytes([5, refusal, 0, 1, 0, 0, 0, 0, 0, 0]))
    if refusal:
        return
    relay(client, to)
