"""A local server's window, which no table knows: a long conversation goes on in it."""

from __future__ import annotations

import json

import pytest

from tests import server as wire
from tests.conftest import KEY

TURN = "word " * 200  # tokens
OVER = {"error": {"code": 400, "type": "exceed_context_size_error", "n_ctx": 1024, "n_prompt_tokens": 0}}
ASKED = "GET /v1/models"


def tokens(request) -> int:
    """As this server counts: two for each word."""
    return sum(2 * len(wire.text_of(message).split()) for message in request.json["messages"])


def small(window=1024, complaint=None):
    """A server with so small a window, which says so in its own way."""

    def answer(request):
        counted = tokens(request)
        if counted < window:
            return wire.ok("Yes.")
        body = complaint or {"error": {**OVER["error"], "n_ctx": window, "n_prompt_tokens": counted}}
        return wire.status(400, body)

    return answer


def listing(**item):
    return wire.reply({"object": "list", "data": [{"id": "tiny", "object": "model", **item}]})


@pytest.fixture
def chat(cli, server):
    def run(*flags, turns=8, env=None, url=None, model="tiny"):
        lines = "".join(f"{number} {TURN}\n" for number in range(turns)).encode()
        where = ("--base-url", url or server.base_url, "-m", model)
        return cli("chat", *where, *flags, stdin=lines, env=env)

    return run


def paths(server):
    return [f"{request.method} {request.path}" for request in server.requests]


def posts(server):
    return [request for request in server.requests if request.method == "POST"]


def last_words(request):
    """The numbers of the turns that were sent."""
    users = [message for message in request.json["messages"] if message["role"] == "user"]
    return [int(message["content"].split()[0]) for message in users]


@pytest.mark.parametrize(
    "item",
    [
        {"meta": {"n_ctx": 1024, "n_ctx_train": 4096}},
        {"max_model_len": 1024},
        {"context_length": 1024},
        {"context_window": 1024},
        {"loaded_context_length": 1024, "max_context_length": 99_999},
    ],
    ids=str,
)
def test_what_a_server_lists_is_its_window(chat, server, item):
    server.models, server.script = listing(**item), wire.ok("Yes.")
    result = chat()
    assert (result.code, result.out) == (0, "Yes.\n" * 8)
    assert "left out, to stay within 768 tokens" in result.err
    assert last_words(server.requests[-1]) == [5, 6, 7]
    assert paths(server).count(ASKED) == 1


def test_a_list_of_others_says_nothing_but_one_model_alone_answers_to_any_name(chat, server):
    others = [{"id": "big", "max_model_len": 99}, {"id": "huge", "max_model_len": 99}]
    server.models, server.script = wire.reply({"data": others}), wire.ok("Yes.")
    assert (chat().err, len(posts(server))) == ("", 8)
    server.models = wire.reply({"data": [{"id": "/models/tiny.gguf", "meta": {"n_ctx": 1024}}]})
    assert "left out" in chat().err


@pytest.mark.parametrize(
    "models", [wire.status(404), wire.status(500), wire.ok("?"), wire.drop(), wire.raw(b"?")]
)
def test_a_server_that_lists_nothing_is_no_failure(chat, server, models):
    server.models, server.script = models, wire.ok("Yes.")
    result = chat()
    assert (result.code, result.out, result.err) == (0, "Yes.\n" * 8, "")
    assert paths(server).count(ASKED) == 1


def test_the_listing_gets_the_key_that_the_request_gets(chat, server):
    server.models, server.script = listing(max_model_len=1024), wire.ok("Yes.")
    chat(env=KEY)
    assert {request.headers.get("authorization") for request in server.requests} == {"Bearer sk-test"}
    server.requests.clear()
    chat()
    assert {request.headers.get("authorization") for request in server.requests} == {None}


@pytest.mark.parametrize(
    ("flags", "turns", "model"),
    [
        (("--dry-run",), 8, "tiny"),
        (("--curl",), 8, "tiny"),
        ((), 1, "tiny"),
        ((), 8, "gpt-4o-mini"),
    ],
    ids=["dry run", "curl", "one turn", "in the table"],
)
def test_nobody_is_asked_without_need(chat, server, flags, turns, model):
    server.script = wire.ok("Yes.")
    assert chat(*flags, turns=turns, model=model, env=KEY).code == 0
    assert ASKED not in paths(server)


def test_a_short_chat_asks_for_no_list(cli, server):
    cli("chat", "--base-url", server.base_url, "-m", "tiny", stdin=b"a\nb\nc\n")
    assert paths(server) == ["POST /v1/chat/completions"] * 3


def test_a_recording_is_replayed_without_a_word_to_anybody(chat, server, tmp_path):
    server.script = wire.ok("Yes.")
    assert chat("--record", str(tmp_path / "r")).code == 0
    server.requests.clear()
    assert (chat("--replay", str(tmp_path / "r")).code, server.requests) == (0, [])


WORDS = [
    "This model's maximum context length is 1024 tokens. However, you requested {n} tokens ({n} in the messages, "
    "0 in the completion). Please reduce the length of the messages or completion.",
    "This model's maximum context length is 1024 tokens. However, your messages resulted in {n} tokens.",
    "the request exceeds the available context size. try increasing the context size or enable context shift",
    "prompt is too long: {n} tokens > 1024 maximum",
    "Requested tokens ({n}) exceed context window of 1024",
]


@pytest.mark.parametrize("words", [None, *WORDS])
def test_a_prompt_that_is_too_long_is_asked_again_with_fewer_turns(chat, server, words):
    complaint = words and {"error": {"message": words.format(n=1300), "type": "invalid_request_error"}}
    server.script = small(1024, complaint)
    result = chat()
    assert (result.code, result.out) == (0, "Yes.\n" * 8)
    assert "context: the prompt is too long for the server, whose window has " in result.err
    assert "left out" in result.err
    assert len(posts(server)) < 8 + 4  # what was learned holds
    assert last_words(server.requests[-1])[-1] == 7


def test_ask_in_a_session_learns_too(cli, server, tmp_path):
    server.script = small()
    ask = ("ask", "--base-url", server.base_url, "-m", "tiny", "--session", str(tmp_path / "s.jsonl"))
    for number in range(6):
        assert cli(*ask, f"{number} {TURN}").out == "Yes.\n"
    assert (tmp_path / "s.jsonl").read_text().count('"role":"user"') == 6  # nothing of it is lost


def test_old_turns_are_summarized_where_that_is_wished(chat, server):
    server.script = small()
    result = chat("--context", "summarize")
    assert (result.code, result.out) == (0, "Yes.\n" * 8)
    assert "summarized, to stay within" in result.err


def test_with_context_error_nothing_is_left_out(chat, server):
    server.script = small()
    result = chat("--context", "error")
    assert (result.code, result.out) == (65, "Yes.\n" * 2)
    assert len(posts(server)) == 3


def test_a_turn_that_is_too_long_by_itself_is_the_servers_error(chat, server):
    server.script = small(100)
    result = chat()
    assert (result.code, len(posts(server))) == (65, 1)
    assert "llmcli: rejected: " in result.err


def test_a_server_that_takes_nothing_is_not_asked_for_ever(chat, server):
    server.script = [wire.ok("Yes."), wire.ok("Yes."), wire.ok("Yes."), wire.status(400, OVER)]
    assert chat().code == 65
    assert len(posts(server)) <= 6


def test_tools_that_ran_are_not_run_again(chat, server, tmp_path):
    tool = {"type": "function", "function": {"name": "w", "parameters": {"type": "object"}}}
    calls = wire.ok(None, tool_calls=[wire.call("w", {})])
    server.script = [wire.ok("Yes."), wire.ok("Yes."), calls, wire.status(400, OVER)]
    ran = tmp_path / "ran"
    command = f"w=sh -c 'echo x >> {ran}'"
    result = chat("--tools", json.dumps([tool]), "--exec", command)
    assert (result.code, ran.read_text()) == (65, "x\n")


def test_a_long_chat_with_llama_cpp_goes_on(cli, llama):
    lines = "".join(f"{number} {TURN}\n" for number in range(8)).encode()
    result = cli("chat", "--base-url", llama, "-m", "tiny-bigram", "--temperature", "0", stdin=lines, env=KEY)
    assert (result.code, result.out) == (0, "Hello! The sky is blue.\n" * 8)
    assert "left out" in result.err
