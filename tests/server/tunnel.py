"""A proxy on loopback, plain or over TLS, that gives connections to one port (CONNECT), or says its own word."""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import threading
from collections.abc import Iterator

from tests.server.relay import relay

_OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            client = self.request
            if self.server.tls is not None:
                client = self.server.tls.wrap_socket(client, server_side=True)
            with client, client.makefile("rb") as lines:
                head = b" ".join(iter(lambda: lines.readline().strip(b"\r\n"), b""))
                if not head.startswith(b"CONNECT "):
                    client.sendall(self.server.says(head))
                elif self.server.port is None:
                    client.sendall(_OPEN)
                else:
                    relay(client, self.server.port, _OPEN)


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    tls: ssl.SSLContext | None = None
    port: int | None = None

    def says(self, head: bytes) -> bytes:
        """What it answers to a request for a plain address, or that is none: a page which repeats the head."""
        page = b"Denied: " + head
        who = head.partition(b"Proxy-Authorization: ")[2].partition(b" Proxy-Connection")[0]
        lines = (b"HTTP/1.1 " + self.status, b"WWW-Authenticate: " + who, b"Content-Length: %d" % len(page))
        return b"\r\n".join((*lines, b"", page))

    status = b"403 Forbidden"


@contextlib.contextmanager
def tunnel(
    port: int | None = None, tls: ssl.SSLContext | None = None, status: bytes = b"403 Forbidden"
) -> Iterator[int]:
    """The proxy's own port. `port`: where its tunnels lead (None: they end at once). `status`: of all but CONNECT."""
    with _Proxy(("127.0.0.1", 0), _Handler) as proxy:
        proxy.tls, proxy.port, proxy.status = tls, port, status
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        yield int(proxy.server_address[1])
        proxy.shutdown()
