"""`-f URL`: a page of the web before the prompt, where it may lead, what it costs nobody, and how it is kept."""

from __future__ import annotations

import gzip
import json
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from llmcli.errors import UsageError
from llmcli.exchange.pages.way import PageNames, is_private
from tests.conftest import Result

PAGE = b"""<!doctype html><html><head><title>T</title><style>p {}</style></head><body>
<nav><a href="/">Home</a></nav><h1>Pelicans</h1>
<p>They <b>fly</b> &amp; <a href="/fish">fish</a>.</p><script>alert(1)</script>
<table><tr><th>a<th>b<tr><td>1<td>2</table></body></html>"""
TEXT = "# Pelicans\n\nThey **fly** & fish.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"
HTML = "text/html; charset=utf-8"
BIG = 10_000_001


class Web(ThreadingHTTPServer):
    """A loopback web server; `pages` are by path (status, headers, body), `seen` what was asked for."""

    daemon_threads = True

    def __init__(self):
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def page(self, path: str, body: bytes, kind: str | None = HTML, **headers: str) -> str:
        self.pages[path] = (200, {**({} if kind is None else {"Content-Type": kind}), **headers}, body)
        return self.url + path

    def redirect(self, path: str, place: str, status: int = 302) -> str:
        self.pages[path] = (status, {"Location": place}, b"")
        return self.url + path


class Handler(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        status, headers, body = self.server.pages.get(self.path, (404, {}, b"nothing here"))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


@pytest.fixture
def web():
    server = Web()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def echo(cli):
    def run(*argv: str, **more) -> Result:
        return cli("ask", "-m", "offline/echo", *argv, **more)

    return run


def test_html_comes_as_readable_text_before_the_prompt(echo, web):
    url = web.page("/page", PAGE)
    assert echo("-f", url, "summarize") == Result(0, f"{TEXT}\n\nsummarize\n", "")


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("text/plain", b"  as it stands\n", "  as it stands\n"),
        ("application/json", b'{"a": 1}\n', '{"a": 1}\n'),
        ("application/vnd.x+json; charset=utf-8", b"[1]", "[1]\n"),
        ("text/plain; charset=iso-8859-1", b"caf\xe9", "caf\xe9\n"),
        (None, b"plain", "plain\n"),
        (None, PAGE, TEXT + "\n"),
        ("text/html", b"<p>caf\xe9", "caf\xe9\n"),
        ("text/html", b"<meta charset=utf-8><p>caf\xc3\xa9", "caf\xe9\n"),
        ("text/html", b"just words", "just words\n"),
    ],
)
def test_text_comes_in_its_own_charset(echo, web, kind, body, text):
    assert echo("-f", web.page("/x", body, kind)) == Result(0, text, "")


def test_packed_pages_are_unpacked(echo, web):
    url = web.page("/z", gzip.compress(b"packed"), "text/plain", **{"Content-Encoding": "gzip"})
    assert echo("-f", url).out == "packed\n"


def test_no_header_and_no_key_of_ours_goes_with_it(cli, web, server):
    url = web.page("/page", b"hi", "text/plain")
    argv = [
        "ask",
        "--base-url",
        server.base_url,
        "-m",
        "tiny",
        "-H",
        "X-Trace: 1",
        "-H",
        "Cookie: a=b",
        "-f",
        url,
    ]
    assert cli(*argv, env={"OPENAI_API_KEY": "sk-0123456789"}).code == 0
    ((_, headers),) = web.seen
    assert set(headers) == {"Host", "Accept", "Accept-Encoding", "User-Agent"}


def test_a_login_in_the_address_goes_to_its_host_alone_and_is_not_shown(echo, web):
    web.redirect("/a", web.url.replace("127.0.0.1", "localhost") + "/b")
    web.page("/b", b"hi", "text/plain")
    result = echo("-f", web.url.replace("//", "//me:secret-word@") + "/a")
    assert (result.code, result.out) == (0, "hi\n")
    assert "secret-word" not in result.err
    assert [headers.get("Authorization") for _, headers in web.seen] == ["Basic bWU6c2VjcmV0LXdvcmQ=", None]


def test_redirects_are_followed_and_named(echo, web):
    web.redirect("/a", "/b", 301)
    web.redirect("/b", f"{web.url}/c#part", 307)
    web.page("/c", b"there", "text/plain")
    assert echo("-f", f"{web.url}/a") == Result(
        0,
        "there\n",
        f"llmcli: {web.url}/a redirects to {web.url}/b\nllmcli: {web.url}/b redirects to {web.url}/c#part\n",
    )
    assert echo("-q", "-f", f"{web.url}/a").err == ""


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("/round", "more than 10 redirects"),
        ("file:///etc/passwd", "redirects to what is no web page: file:///etc/passwd"),
        ("http+unix:///run/x.sock", "redirects to what is no web page"),
        ("http://999.1.1.1/", "is no http(s) URL"),
    ],
)
def test_a_redirect_that_leads_nowhere_is_refused(echo, web, place, said):
    result = echo("-f", web.redirect("/round", place))
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def proxied(web) -> dict[str, str]:
    """The environment in which every name of the web is our server's, as a proxy."""
    return {"http_proxy": web.url, "no_proxy": "127.0.0.1,localhost"}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:10.0.0.1]"]
)
def test_a_redirect_from_a_public_address_to_a_private_one_is_refused(echo, web, host):
    place = f"http://{host}:{web.server_port}/secret"
    web.pages["http://example.test/"] = (302, {"Location": place}, b"")
    web.page("/secret", b"secret", "text/plain")
    result = echo("-f", "http://example.test/", "hi", env=proxied(web))
    assert (result.code, result.out) == (2, "")
    assert "leads from a public address to a private one" in result.err
    assert [path for path, _ in web.seen] == ["http://example.test/"]


def test_a_name_that_is_looked_up_to_a_private_address_is_refused_behind_a_public_one():
    way = PageNames({})
    way.enter("http://8.8.8.8/")
    with pytest.raises(UsageError, match="leads from a public address to a private one"):
        way._check("http://inner.test/", ["8.8.4.4", "192.168.1.1"])


@pytest.mark.parametrize(
    ("number", "private"),
    [
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
        ("127.0.0.1", True),
        ("0.0.0.0", True),
        ("10.1.2.3", True),
        ("100.64.0.1", True),
        ("169.254.169.254", True),
        ("224.0.0.1", True),
        ("::1", True),
        ("fe80::1%eth0", True),
        ("fd00::1", True),
        ("::ffff:127.0.0.1", True),
        ("64:ff9b::7f00:1", True),
        ("2002:7f00:1::", True),
        ("64:ff9b::808:808", False),
    ],
)
def test_what_is_private(number, private):
    assert is_private(number) is private


def test_the_host_that_was_typed_may_be_anywhere(echo, web):
    web.redirect("/a", web.url.replace("127.0.0.1", "localhost") + "/b")
    web.page("/b", b"there", "text/plain")
    assert echo("-f", f"{web.url}/a").out == "there\n"


def test_proxies_are_honoured(echo, web):
    web.pages["http://example.test/x"] = (200, {"Content-Type": "text/plain"}, b"by proxy")
    assert echo("-f", "http://example.test/x", env=proxied(web)).out == "by proxy\n"


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (404, 2, "HTTP 404; check the address"),
        (403, 2, "HTTP 403; check the address"),
        (429, 75, "HTTP 429; try again later"),
        (503, 75, "HTTP 503; try again later"),
    ],
)
def test_a_page_that_is_not_there(echo, web, status, code, said):
    web.pages["/x"] = (status, {}, b"no")
    assert echo("-f", f"{web.url}/x", "hi") == Result(
        code, "", f"llmcli: {'usage' if code == 2 else 'tempfail'}: cannot read {web.url}/x: {said}\n"
    )


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("image/png", b"\x89PNG", "is no text, but image/png; an image, audio or PDF is attached with -a"),
        ("application/pdf", b"%PDF", "is no text, but application/pdf"),
        ("text/plain", b"\xff\xfe\xfa", "not"),
        ("text/plain", b"caf\xe9", "is not UTF-8 text: byte 0xe9 at offset 3"),
        ("text/plain; charset=klingon", b"x", "is not the klingon that it says it is"),
        ("text/html", b"<div id=app></div><script>x</script>", "there is no text in"),
        ("text/plain", b"x" * BIG, "is longer than 10 MB"),
    ],
)
def test_a_page_that_is_no_text(echo, web, kind, body, said):
    result = echo("-f", web.page("/x", body, kind), "hi")
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert result.err.count("\n") == 1


def test_a_bomb_is_longer_than_it_looks(echo, web):
    url = web.page("/z", gzip.compress(b"x" * BIG), "text/plain", **{"Content-Encoding": "gzip"})
    assert "is longer than 10 MB" in echo("-f", url).err


def test_ten_megabytes_are_not_too_long(cli, web):
    assert cli("count", "--raw", "-f", web.page("/x", b"x\n" * 5_000_000, "text/plain")).code == 0


def test_nobody_there(echo):
    result = echo("-f", "http://127.0.0.1:9/", "hi")
    assert result.code == 75
    assert result.err.startswith("llmcli: tempfail: cannot read http://127.0.0.1:9/: ")


@pytest.mark.parametrize("argv", [["ask", "--dry-run"], ["ask", "--curl"], ["count"], ["count", "--raw"]])
def test_a_rehearsal_reads_it_too_and_says_so(cli, web, argv):
    url = web.page("/x", b"some text", "text/plain")
    result = cli(*argv, "-m", "gpt-4o", "-f", url, "hi")
    assert result.code == 0
    assert result.err == f"llmcli: {url} was read, and nothing else is sent: 9 characters\n"


def test_a_batch_reads_it_once_for_all_rows(cli, web):
    url = web.page("/x", b"some text", "text/plain")
    rows = b'{"prompt": "one"}\n{"prompt": "two"}\n'
    result = cli("batch", "-m", "offline/echo", "--format", "csv", "-f", url, stdin=rows)
    assert (result.code, result.out.count("some text\n\n")) == (0, 2)
    assert len(web.seen) == 1


def test_record_keeps_it_and_replay_uses_it(web, tmp_path, ask):
    url = web.page("/x", b"some text", "text/plain")
    folder = str(tmp_path / "kept")
    first = ask("--record", folder, "-f", url, "hi")
    assert first.code == 0
    web.pages.clear()
    assert ask("--replay", folder, "-f", url, "hi") == first
    assert len(web.seen) == 1
    (kept,) = (tmp_path / "kept" / "pages").iterdir()
    assert json.loads(kept.read_text()) == {"url": url, "text": "some text"}
    assert kept.stat().st_mode & 0o777 == 0o600
    missing = ask("--replay", folder, "-f", url + "y", "hi")
    assert (missing.code, missing.out) == (66, "")
    assert missing.err.startswith(f"llmcli: no input: {url}y was not recorded ({folder}); ")


def test_a_rehearsal_records_nothing(cli, web, tmp_path):
    url = web.page("/x", b"some text", "text/plain")
    assert cli("ask", "--dry-run", "--record", str(tmp_path / "kept"), "-f", url, "hi").code == 0
    assert not (tmp_path / "kept").exists()


def test_a_page_that_repeats_who_asks_for_it_has_stars(echo, web):
    said = b64encode(b"ann:hunter2-secret")
    url = web.page("/who", b"You are ann:hunter2-secret, Basic " + said, "text/plain")
    done = echo("-f", url.replace("http://", "http://ann:hunter2-secret@"), "--dry-run")
    assert "You are ***, Basic ***" in done.out
    assert "hunter2" not in done.out + done.err
