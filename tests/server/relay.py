"""What comes on one connection goes out on another, both ways: what proxies do once they have let somebody pass."""

from __future__ import annotations

import contextlib
import socket
import threading


def relay(client: socket.socket, port: int, opened: bytes = b"") -> None:
    """Carry all between a client, who is told `opened` first, and a port of this machine, until both have ended."""
    with socket.create_connection(("127.0.0.1", port)) as server:
        client.sendall(opened)
        back = threading.Thread(target=_carry, args=(server, client), daemon=True)
        back.start()
        _carry(client, server)
        back.join()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
