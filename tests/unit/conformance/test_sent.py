"""What every transport sends: the very body, the key where it belongs, and no secret anywhere else."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace

import pytest

from llmcli.errors import (
    AuthFailure,
    CallFailed,
    Rejected,
    TransientFailure,
)
from llmcli.wire import Header, Headers
from tests import server as wire
from tests.server import event, ok
from tests.unit.conformance.asking import (
    KEY,
    STOP,
    WAYS,
    OfServer,
    ask,
    hello,
    request_to,
)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("provider", ["openai", "groq", "ollama"])
def test_the_key_and_the_very_body_are_sent(way, provider, server, new_transport):
    request = request_to(
        server.base_url,
        way,
        provider,
        temperature=0.1,
        user="J\xfcrgen \N{GRINNING FACE}",
        top_k=None,
        seed=2**70,
    )
    transport = new_transport()
    ask(transport, request)
    (sent,) = server.requests
    assert (sent.method, sent.path) == ("POST", "/v1/chat/completions")
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["content-type"] == "application/json"
    streams = {
        "stream": True,
        "stream_options": {"include_usage": True},
    }  # as all is by a model in this process
    body = {**request.body(), **(streams if isinstance(transport, OfServer) else {})}
    assert sent.json == body
    assert list(sent.json) == list(body), "in the order of the request"
    assert sent.headers["user-agent"].startswith("llmcli/")


@pytest.mark.parametrize("way", WAYS)
def test_without_a_key_there_is_no_authorization(way, server, new_transport):
    ask(new_transport(key=None), request_to(server.base_url, way, "ollama"))
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("way", WAYS)
def test_headers_of_a_request_win_over_ours(way, server, new_transport):
    headers = {"X-Mine": "one", "user-agent": "mine", "AUTHORIZATION": "Basic eDp5"}
    said = Headers.of(Header(name, value, value) for name, value in headers.items())
    ask(new_transport(), replace(request_to(server.base_url, way), headers=said))
    sent = server.requests[0].headers
    assert {name.lower(): sent[name.lower()] for name in headers} == {
        name.lower(): value for name, value in headers.items()
    }
    assert sent["content-type"] == "application/json"


@pytest.mark.parametrize("way", WAYS)
def test_the_query_of_an_address_stays(way, server, new_transport):
    ask(new_transport(), request_to(server.base_url + "/?api-version=7", way))
    assert server.requests[0].path == "/v1/chat/completions?api-version=7"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_takes_the_key_nowhere(way, code, server, new_transport):
    with wire.Server() as elsewhere:
        server.script = wire.redirect(code, f"{elsewhere.base_url}/chat/completions")
        with pytest.raises(Rejected, match="the address has moved"):
            ask(new_transport(), request_to(server.base_url, way))
        assert elsewhere.requests == []


MAY_HAVE_COST = {
    "dropped": (wire.drop(), True),
    "reset": (wire.reset(), True),
    "half a head": (wire.raw(b"HTTP/1.1 200 OK\r\ncontent-le"), True),
    "no HTTP": (wire.raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), True),
    "no JSON": (wire.reply(b'{"id": "chatcmpl-1", "choi'), True),
    "cut": (wire.cut(wire.framed(ok("Hello"), "length"), 30), True),
    "429": (wire.status(429), False),
    "400": (wire.status(400), False),
}


@pytest.mark.parametrize("name", MAY_HAVE_COST)
def test_what_may_have_cost(name, server, new_transport):
    server.script, may = MAY_HAVE_COST[name]
    with pytest.raises(CallFailed) as caught:
        ask(new_transport(), request_to(server.base_url, "whole"))
    assert caught.value.may_have_cost == may


def test_a_refused_port_has_not_cost(new_transport):
    with pytest.raises(CallFailed) as caught:
        ask(new_transport(), request_to("http://127.0.0.1:9/v1"))
    assert not caught.value.may_have_cost


@pytest.mark.parametrize("key", ["sk-\N{SNOWMAN}", "sk-\xe9", "sk-1\nX-Evil: 1", "sk-1\r\n\r\n", "sk\0"])
@pytest.mark.parametrize("way", WAYS)
def test_a_key_that_no_header_can_hold(way, key, server, new_transport):
    with pytest.raises(AuthFailure) as caught:
        ask(new_transport(key=key), request_to(server.base_url, way))
    assert str(caught.value) == "the key holds characters that no key has (openai/tiny); check it"
    assert server.requests == []


QUOTED = f"Incorrect API key provided: {KEY}. Look it up."
ESCAPED = json.dumps(wire.error(QUOTED, code=KEY)).replace("sk-", "\\u0073k-").encode()
QUOTING = {
    "an error": wire.status(401, wire.error(QUOTED)),
    "an error of text": wire.status(500, QUOTED),
    "a long error": wire.status(500, f"{'x' * 490} {KEY}"),
    "an HTML error": wire.status(502, f"<html><body>{QUOTED}</body></html>"),
    "an error code": wire.status(400, wire.error("Look it up.", code=KEY)),
    "an error that spells it with escapes": wire.status(401, ESCAPED),
    "an HTML error that spells it with entities": wire.status(502, f"<p>{KEY.replace('-', '&#45;')}</p>"),
    "a content type": wire.reply("hello", content_type=f"text/{KEY}"),
    "a name in an error": wire.status(400, {"error": {KEY: KEY, "message": {KEY: [KEY]}}}),
    "a request id": wire.status(400, headers={"x-request-id": KEY}),
    "a 200 error": ok(error={"message": QUOTED}),
    "a 200 error code": ok(error={"message": "Look it up.", "code": KEY}),
    "no Chat Completion": wire.reply(f"<html>{QUOTED}</html>"),
    "an error in the middle": hello({"error": {"message": QUOTED}}),
    "a broken event": hello(event(QUOTED.encode()), STOP),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", QUOTING)
def test_a_server_that_quotes_the_key(name, way, server, new_transport):
    server.script = QUOTING[name]
    with pytest.raises(CallFailed) as caught:
        ask(new_transport(), request_to(server.base_url, way))
    error = caught.value
    told = [str(error), error.code, error.request_id, json.dumps(error.body)]
    assert not [words for words in told if words and KEY[:12] in words]


@pytest.mark.parametrize("key", [KEY, None])
def test_a_name_and_password_in_the_address_are_who_asks(key, server, new_transport):
    ask(new_transport(key=key), request_to(server.base_url.replace("://", "://me:hunter2@")))
    assert server.requests[0].headers["authorization"] == "Basic " + b64encode(b"me:hunter2").decode()


def test_an_address_with_a_password_is_not_quoted(new_transport):
    with pytest.raises(TransientFailure) as caught:
        ask(new_transport(), request_to("http://me:hunter2@nowhere.invalid:81/v1"))
    assert "hunter2" not in str(caught.value)
    assert "http://nowhere.invalid:81/v1" in str(caught.value)
