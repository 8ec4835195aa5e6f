"""Company networks: a real nginx that wants our certificate and a header, proxies that refuse, and plain servers."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmcli.address import asked
from llmcli.transport.wire.proxies import proxy_for
from tests import server as wire
from tests.certificates import made, openssl
from tests.server.socks import socks

KEY = {"OPENAI_API_KEY": "sk-secret-0123456789"}
COMMANDS = ["ask", "ask --no-stream", "chat", "batch", "batch --stream", "models --live"]


@pytest.fixture(params=COMMANDS)
def call(request, cli, tmp_path):
    """A call of an address by a command: its exit code, and all that it left behind."""
    command, *flags = request.param.split()

    def run(url: str, *more: str, **env: str) -> tuple[int, str]:
        argv = [command, *flags, "--base-url", url, *more]
        if command == "models":  # which tries once
            argv = [word for at, word in enumerate(argv) if "--retries" not in argv[max(at - 1, 0) : at + 1]]
        else:
            argv += ["-m", "tiny"]
        if command == "batch":
            (tmp_path / "rows").write_text('{"prompt": "Hi"}\n')
            argv += [str(tmp_path / "rows"), "--fresh", "-O", str(tmp_path / "o.jsonl"), "-v"]
        elif command == "ask":
            argv += ["-v", "Hi"]
        done = cli(*argv, stdin=b"Hi\n", env={**KEY, **env})
        kept = "".join(path.read_text() for path in tmp_path.glob("o*.jsonl"))
        code = json.loads(kept)["error"]["code"] if done.code == 7 else done.code
        return {"tempfail": 75, "auth": 77}.get(code, code), done.out + done.err + kept

    return run


# --- nginx --------------------------------------------------------------------------------------------------------

NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
    ssl_client_certificate {folder}/ca.pem; ssl_verify_client on;
    location / {{
      if ($http_x_team != "research") {{ return 403; }}
      proxy_pass {upstream}; proxy_http_version 1.1; proxy_buffering off;
    }}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    return made(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def nginx(certificates) -> Iterator[str]:
    """A gateway that wants a certificate of ours and the header X-Team."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    with wire.Server() as upstream:
        upstream.script = wire.ok("Hello")
        upstream.models = wire.reply({"object": "list", "data": [{"id": "tiny"}]})
        port, conf = free_port(), certificates / "nginx.conf"
        place = upstream.base_url.removesuffix("/v1")
        conf.write_text(NGINX.format(folder=certificates, port=port, upstream=place))
        running = subprocess.Popen([program, "-c", str(conf), "-e", str(certificates / "error.log")])
        try:
            while running.poll() is None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
            yield f"https://localhost:{port}/v1"
        finally:
            running.terminate()
            running.wait()


def test_a_gateway_that_wants_a_certificate_and_a_header(call, nginx, certificates):
    both = ["--cacert", f"{certificates}/ca.pem", "--cert", f"{certificates}/both.pem"]
    code, said = call(nginx, *both, "-H", "X-Team: research")
    assert (code, "Hello" in said or "tiny" in said) == (0, True), said


def test_a_key_in_a_file_of_its_own_and_authorities_of_the_environment(call, nginx, certificates):
    ours = ["--cert", f"{certificates}/client.pem", "--cert-key", f"{certificates}/client.key"]
    code, said = call(nginx, *ours, "-H", "X-Team: research", SSL_CERT_FILE=f"{certificates}/ca.pem")
    assert code == 0, said


def test_without_the_header_the_gateway_refuses(call, nginx, certificates):
    code, _ = call(nginx, "--cacert", f"{certificates}/ca.pem", "--cert", f"{certificates}/both.pem")
    assert code == 77


def test_without_our_certificate_the_gateway_refuses(call, nginx, certificates):
    code, said = call(nginx, "--cacert", f"{certificates}/ca.pem", "-H", "X-Team: research")
    assert code != 0
    assert "SSL certificate" in said


def test_a_certificate_that_is_not_trusted_is_said_once(call, nginx):
    code, said = call(nginx, "-H", "X-Team: research")
    assert code == 75
    assert "the server's certificate is not trusted: " in said
    assert "name who signed it with --cacert FILE or SSL_CERT_FILE" in said
    assert re.search(r"attempts?[ \"]+:? ?[2-9]|[2-9] attempts", said) is None


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--cacert", "{}/none.pem"], "--cacert cannot read {}/none.pem: No such file or directory"),
        (["--cacert", "{}/client.key"], "--cacert cannot read {}/client.key: no PEM of that kind is in it"),
        (["--cert", "{}/client.pem"], "--cert cannot read {}/client.pem: no PEM of that kind is in it"),
        (["--cert", "{}/client.pem", "--cert-key", "{}/server.key"], "the key is another certificate's"),
        (["--cert", "{}/client.pem", "--cert-key", "{}/locked.key"], "its key has a password"),
        (["--cert-key", "{}/client.key"], "--cert-key without a certificate; give it with --cert"),
    ],
)
def test_certificates_that_cannot_be_used_are_exit_2(cli, certificates, flags, problem):
    locked = ["-aes256", "-passout", "pass:x", "-out", certificates / "locked.key"]
    openssl("rsa", "-in", certificates / "client.key", *locked)
    words = [word.format(certificates) for word in flags]
    for more in ([], ["--dry-run"]):
        done = cli("ask", "--base-url", "https://127.0.0.1:9/v1", "-m", "tiny", *words, *more, "hi")
        assert (done.code, problem.format(certificates) in done.err) == (2, True), done.err


@pytest.mark.parametrize("command", ["ask", "batch"])
def test_a_log_of_tls_keys_that_cannot_be_written_does_not_matter(process, nginx, certificates, command):
    (process.home / "rows").write_text('{"prompt": "Hi"}\n')
    argv = ["--base-url", nginx, "-m", "tiny", "--cert", f"{certificates}/both.pem", "-H", "X-Team: research"]
    env = {**KEY, "SSL_CERT_FILE": f"{certificates}/ca.pem", "SSLKEYLOGFILE": "/no/such/keys.log"}
    done = process(command, "-q", *argv, "Hi" if command == "ask" else "rows", env=env)
    assert (done.code, done.err) == (0, "")


class _Slow(socketserver.BaseRequestHandler):
    """In front of nginx: who begins with TLS waits, who speaks in plain words does not."""

    def handle(self) -> None:
        begins = self.request.recv(1 << 16)
        if begins.startswith(b"\x16"):
            time.sleep(2.5)  # longer than a handshake is left alone
        with socket.create_connection(self.server.behind) as behind:
            behind.sendall(begins)
            back = threading.Thread(target=self.pipe, args=(behind, self.request), daemon=True)
            back.start()
            self.pipe(self.request, behind)
            back.join()

    @staticmethod
    def pipe(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 16):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)


def test_a_server_that_is_slow_to_speak_tls_is_no_plain_one(cli, nginx, certificates):
    both = [
        "--cacert",
        f"{certificates}/ca.pem",
        "--cert",
        f"{certificates}/both.pem",
        "-H",
        "X-Team: research",
    ]
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Slow) as slow:
        slow.daemon_threads, slow.behind = True, ("127.0.0.1", int(re.findall(r":(\d+)", nginx)[0]))
        threading.Thread(target=slow.serve_forever, args=(0.01,), daemon=True).start()
        where = f"https://localhost:{slow.server_address[1]}/v1"
        done = cli("ask", "--base-url", where, "-m", "tiny", *both, "Hi", env=KEY)
        assert (done.code, done.out) == (0, "Hello\n"), done.err
        slow.shutdown()


# --- Plain servers ------------------------------------------------------------------------------------------------


def test_https_to_a_plain_server_is_said_once_and_quickly(call, server):
    began = time.monotonic()
    code, said = call(server.base_url.replace("http:", "https:"))
    assert code == 75
    assert "the server does not speak TLS" in said
    assert f"if it is a plain server, write {server.base_url}" in said
    assert re.search(r"attempts?[ \"]+:? ?[2-9]|[2-9] attempts", said) is None
    assert time.monotonic() - began < 9


def test_https_to_a_plain_server_that_waits_for_more_is_told_from_one_that_is_slow(call):
    class Waiting(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if self.rfile.readline().startswith(b"HEAD / "):
                self.wfile.write(b"HTTP/1.0 404 Not Found\r\n\r\n")
            else:
                self.rfile.read()  # what comes is no request

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Waiting) as plain:
        plain.daemon_threads = True
        threading.Thread(target=plain.serve_forever, args=(0.01,), daemon=True).start()
        code, said = call(f"https://127.0.0.1:{plain.server_address[1]}/v1")
        assert (code, "the server does not speak TLS" in said) == (75, True), said
        plain.shutdown()


# --- Proxies ------------------------------------------------------------------------------------------------------

SECRET = "hunter2-secret"


class _Refusing(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        self.wfile.write(self.server.answer)


@contextlib.contextmanager
def refusing(status: int) -> Iterator[str]:
    """A proxy that refuses all: its address, with a password."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Refusing) as proxy:
        proxy.daemon_threads = True
        proxy.answer = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://ann:{SECRET}@127.0.0.1:{proxy.server_address[1]}"
        proxy.shutdown()


def hidden(said: str) -> bool:
    token = base64.b64encode(f"ann:{SECRET}".encode()).decode()
    return SECRET not in said and token not in said


@pytest.mark.parametrize(("status", "expected"), [(403, 77), (407, 77), (503, 75), (400, 75)])
def test_a_proxy_that_refuses_is_named_without_its_password(call, status, expected):
    with refusing(status) as proxy:
        code, said = call("https://api.example/v1", "--retries", "0", HTTPS_PROXY=proxy)
        place = proxy.replace(f"ann:{SECRET}@", "")
        assert code == expected, said
        assert f"the proxy {place} refused: {status}" in said
        assert "change the request" not in said
        assert "cannot reach the endpoint" not in said
        assert hidden(said)


def test_a_proxy_that_wants_a_password_for_a_plain_server(call):
    with refusing(407) as proxy:
        code, said = call("http://api.example/v1", HTTP_PROXY=proxy)
        assert code == 77, said
        assert f"the proxy {proxy.replace(f'ann:{SECRET}@', '')} refused: 407" in said
        assert hidden(said)


def test_a_proxy_that_is_not_there(call):
    proxy = f"http://ann:{SECRET}@127.0.0.1:9"
    code, said = call("https://api.example/v1", "--retries", "0", HTTPS_PROXY=proxy)
    assert code == 75
    assert "cannot reach the proxy http://127.0.0.1:9: Connection refused" in said
    assert hidden(said)


# --- Redirects ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_names_its_target_and_no_secret_of_it(call, server, code):
    target = f"https://ann:{SECRET}@new.example/v2/?token=sesame-0123456789#id_token=sesame-9876543210"
    body = f"<a href='{target}'>Moved</a>".encode()
    server.script = server.models = wire.with_headers(wire.reply(body, code), {"location": target})
    exit_code, said = call(server.base_url)
    assert "https://***@new.example/v2/?token=***#***" in said
    assert "the address has moved: give the new one with --base-url" in said
    assert exit_code in {65, "rejected"}
    assert hidden(said)
    assert "sesame" not in said


def test_a_redirect_to_a_path_is_named_whole(call, server):
    server.script = server.models = wire.redirect(308, "/api/v1/x")
    _, said = call(server.base_url)
    assert f"it points to {server.base_url.removesuffix('/v1')}/api/v1/x" in said


# --- SOCKS, and what needs no proxy -------------------------------------------------------------------------------


def _port(server: wire.Server) -> int:
    return int(server.base_url.rpartition(":")[2].partition("/")[0])


@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy", "HTTP_PROXY"])
def test_a_socks_proxy_is_used(call, server, variable):
    server.models = wire.reply({"object": "list", "data": [{"id": "tiny"}]})
    with socks(_port(server), user=f"ann:{SECRET}") as proxy:
        where = f"socks5h://ann:{SECRET}@127.0.0.1:{proxy.port}"
        code, said = call("http://api.example/v1", **{variable: where})
        assert (code, proxy.asked, proxy.users) == (0, ["api.example"], [f"ann:{SECRET}"]), said
        assert hidden(said)


@pytest.mark.parametrize(("user", "refusal", "expected"), [("ann:x", 0, 77), (None, 2, 77), (None, 5, 75)])
def test_a_socks_proxy_that_refuses_is_named(call, server, user, refusal, expected):
    with socks(_port(server), user, refusal) as proxy:
        where = f"socks5h://ann:{SECRET}@127.0.0.1:{proxy.port}"
        code, said = call("https://api.example/v1", "--retries", "0", ALL_PROXY=where)
        assert (code, f"the proxy socks5h://127.0.0.1:{proxy.port} refused: " in said) == (expected, True), (
            said
        )
        assert hidden(said)


@pytest.mark.parametrize(
    "env",
    [
        {"ALL_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": "127.0.0.1"},
        {"ALL_PROXY": "socks9://127.0.0.1:9", "no_proxy": "localhost,127.0.0.0/8"},
        {"HTTPS_PROXY": "http://[::1"},
        {"HTTP_PROXY": "http://127.0.0.1:99999", "NO_PROXY": "*"},
    ],
)
def test_a_proxy_that_is_not_for_it_is_not_used_and_not_complained_of(call, server, env):
    server.models = wire.reply({"object": "list", "data": [{"id": "tiny"}]})
    code, said = call(server.base_url, **env)
    assert (code, "proxy" in said.lower()) == (0, False), said


EXCEPTED = [
    ("http://[::1]:8080/v1", "[::1]"),
    ("http://[::1]:8080/v1", "::1"),
    ("http://[::1]:8080/v1", "[::1]:8080"),
    ("http://[fd00::7]/v1", "fd00::/8"),
    ("http://10.1.2.3/v1", "x, 10.0.0.0/8"),
    ("http://10.1.2.3:8080/v1", "10.1.2.3:8080"),
    ("http://api.corp.example:8080/v1", "corp.example:8080"),
    ("http://api.corp.example/v1", "corp.example"),
    ("http://api.corp.example/v1", ".corp.example"),
    ("http://api.corp.example/v1", "*.corp.example"),
    ("http://API.Corp.Example./v1", "api.corp.EXAMPLE"),
    ("http://anything/v1", "*"),
    ("http://127.1/v1", "127.0.0.1"),
]
NOT_EXCEPTED = [
    ("http://[::1]:8080/v1", "[::1]:9090"),
    ("http://10.1.2.3:8080/v1", "10.1.2.3:9090,11.0.0.0/8"),
    ("http://notcorp.example/v1", "corp.example"),
    ("http://api.corp.example/v1", "corp.example:8080"),
    ("http://10.1.2.3/v1", "/8, nonsense/8, ,"),
]


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize(("url", "exceptions"), EXCEPTED + NOT_EXCEPTED)
def test_what_needs_no_proxy(variable, url, exceptions):
    env = {"HTTP_PROXY": "http://proxy:3128", variable: exceptions}
    assert (proxy_for(asked(url), env) is None) == ((url, exceptions) in EXCEPTED)
