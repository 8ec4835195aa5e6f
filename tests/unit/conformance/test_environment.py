"""The environment that HTTP libraries read: keys, proxies and certificates, for every command alike."""

from __future__ import annotations

import contextlib
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests import server as wire
from tests.unit.conformance.asking import (
    KEY,
    WHOLE,
)

OPENAI_ACCOUNT = {
    "OPENAI_API_KEY": "sk-openai",
    "OPENAI_ADMIN_KEY": "sk-admin",
    "OPENAI_ORG_ID": "org-1",
    "OPENAI_PROJECT_ID": "proj-1",
    "OPENAI_CUSTOM_HEADERS": "X-Mine: custom\nAuthorization: Bearer custom\nuser-agent: custom\ncontent-type: x/y",
}
SECRETS = ("sk-openai", "sk-admin", "org-1", "proj-1", "custom", "x/y")
THROUGH_CLI = ["ask", "--no-stdin", "--retries", "0", "Hi"]


@pytest.mark.parametrize(
    ("model", "key", "authorization"),
    [("groq/tiny", {"GROQ_API_KEY": "gsk-1"}, "Bearer gsk-1"), ("ollama/tiny", {}, None)],
)
def test_nothing_of_openais_account_goes_to_others(model, key, authorization, server, process):
    for flags in ([], ["--no-stream"]):
        done = process(
            *THROUGH_CLI, "-m", model, "--base-url", server.base_url, *flags, env=OPENAI_ACCOUNT | key
        )
        assert (done.code, done.out, done.err) == (0, "Hi\n", "")
    for sent in server.requests:
        assert sent.headers.get("authorization") == authorization
        assert sent.headers["content-type"] == "application/json"
        head = str(dict(sent.headers))
        assert not [secret for secret in SECRETS if secret in head]


def test_openai_itself_gets_them(server, process):
    env = {**OPENAI_ACCOUNT, "OPENAI_CUSTOM_HEADERS": "X-Mine: custom"}
    assert process(*THROUGH_CLI, "-m", "openai/tiny", "--base-url", server.base_url, env=env).code == 0
    headers = server.requests[0].headers
    assert headers["authorization"] == "Bearer sk-openai"
    assert headers["openai-organization"] == "org-1"
    assert headers["openai-project"] == "proj-1"
    assert headers["x-mine"] == "custom"


def test_a_proxy_of_the_environment_is_used(server, process):
    env = {"HTTP_PROXY": server.base_url.removesuffix("/v1"), "OPENAI_API_KEY": KEY}
    done = process(*THROUGH_CLI, "-m", "openai/tiny", "--base-url", "http://model.invalid/v1", env=env)
    assert (done.code, done.out, done.err) == (0, "Hi\n", "")
    assert server.requests[0].path == "http://model.invalid/v1/chat/completions"


def test_a_proxy_needs_no_scheme(server, process, tmp_path):
    proxy = server.base_url.removesuffix("/v1").removeprefix("http://")
    env = {"http_proxy": proxy, "OPENAI_API_KEY": KEY}
    argv = ("-m", "openai/tiny", "--base-url", "http://model.invalid/v1")
    (tmp_path / "rows").write_text('{"prompt": "Hi"}\n')
    assert process(*THROUGH_CLI, *argv, env=env).out == "Hi\n"
    assert process("batch", "-q", str(tmp_path / "rows"), *argv, env=env).code == 0
    assert {request.path for request in server.requests} == {"http://model.invalid/v1/chat/completions"}


@pytest.mark.parametrize("proxy", ["socks9://127.0.0.1:9", "http://[::1", "http://127.0.0.1:99999"])
def test_a_batch_does_not_begin_with_a_proxy_that_cannot_be_used(proxy, process, tmp_path):
    (tmp_path / "rows").write_text('{"prompt": "Hi"}\n')
    argv = ("batch", "-q", str(tmp_path / "rows"), "-m", "tiny", "--base-url", "http://model.invalid/v1")
    done = process(*argv, env={"http_proxy": proxy, "OPENAI_API_KEY": KEY})
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("llmcli: usage: cannot use the proxy: ")


@pytest.mark.parametrize("exception", ["127.0.0.1", "example.com, 127.0.0.0/8", "nonsense/8,127.0.0.1/8"])
def test_no_proxy_is_honoured(exception, server, process, tmp_path):
    (tmp_path / "rows").write_text('{"prompt": "Hi"}\n')
    with wire.Server() as proxy:
        env = {"http_proxy": proxy.base_url, "NO_PROXY": exception, "OPENAI_API_KEY": KEY}
        argv = ("-m", "openai/tiny", "--base-url", server.base_url)
        assert process(*THROUGH_CLI, *argv, env=env).out == "Hi\n"
        assert process("batch", "-q", str(tmp_path / "rows"), *argv, env=env).code == 0
        assert (len(proxy.requests), len(server.requests)) == (0, 2)


@pytest.mark.parametrize("name", ["no/such.pem", "rows", "."])
def test_a_batch_does_not_begin_with_certificates_that_cannot_be_read(name, process, tmp_path):
    (tmp_path / "rows").write_text('{"prompt": "Hi"}\n')
    argv = ("-m", "openai/tiny", "--base-url", "https://127.0.0.1:1/v1")
    env = {"SSL_CERT_FILE": str(tmp_path / name), "OPENAI_API_KEY": KEY}
    asked, done = (process(*command, *argv, env=env) for command in (THROUGH_CLI, ("batch", "-q", "rows")))
    assert done == asked
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("llmcli: usage: cannot read the certificates: ")


@pytest.mark.parametrize(
    ("env", "line"),
    [
        (
            {"SSL_CERT_FILE": "/no/such.pem"},
            "cannot read the certificates: No such file or directory; check SSL_CERT_FILE and SSL_CERT_DIR",
        ),
        (
            {"SSL_CERT_FILE": "/"},
            "cannot read the certificates: Is a directory; check SSL_CERT_FILE and SSL_CERT_DIR",
        ),
        (
            {"HTTPS_PROXY": "http://[::1"},
            "cannot use the proxy: Invalid IPv6 URL; check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY",
        ),
        (
            {"ALL_PROXY": "127.0.0.1:99999"},
            "cannot use the proxy: Port out of range 0-65535; check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY",
        ),
    ],
)
def test_an_environment_that_nothing_can_be_sent_with(env, line, process):
    argv = [*THROUGH_CLI, "-m", "openai/tiny", "--base-url", "https://127.0.0.1:1/v1"]
    done = process(*argv, env={**env, "OPENAI_API_KEY": KEY})
    assert (done.code, done.out, done.err) == (2, "", f"llmcli: usage: {line}\n")


class Whole(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(WHOLE).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def https(folder: Path) -> Iterator[tuple[str, Path]]:
    """A TLS server with a certificate of its own making: (base URL, the certificate)."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HTTPServer(("127.0.0.1", 0), Whole) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{server.server_address[1]}/v1", certificate
        server.shutdown()
        thread.join()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_certificates_of_the_environment_are_trusted_and_no_others(tmp_path, process):
    with https(tmp_path) as (base_url, certificate):
        argv = [*THROUGH_CLI, "-m", "openai/tiny", "--base-url", base_url]
        trusting = process(*argv, env={"SSL_CERT_FILE": str(certificate), "OPENAI_API_KEY": KEY})
        wary = process(*argv, env={"OPENAI_API_KEY": KEY})
        (tmp_path / "rows").write_text('{"prompt": "Hi"}\n')
        batch = ("batch", "-q", "rows", "--retries", "0", *argv[-4:])
        env = {"SSL_CERT_FILE": str(certificate), "OPENAI_API_KEY": KEY}
        assert (process(*batch, env=env).code, process(*batch, env={"OPENAI_API_KEY": KEY}).code) == (0, 7)
    assert (trusting.code, trusting.out, trusting.err) == (0, "Hello\n", "")
    assert (wary.code, wary.out) == (75, "")
    assert "certificate" in wary.err.lower()
