"""Calls of the API's first form (`function_call`): printed, judged, run and kept as tool calls are."""

from __future__ import annotations

import json

import pytest

from tests import server as wire

FUNCTIONS = '[{"name": "w", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]'
OLD = {"name": "w", "arguments": '{"city":"Rome"}'}
LINE = '{"id":null,"name":"w","arguments":{"city":"Rome"}}\n'


def whole(**message):
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": None, **message},
        "finish_reason": "function_call",
    }
    return wire.reply({"object": "chat.completion", "choices": [choice]})


def pieces(reason="function_call"):
    return wire.events(
        [
            wire.chunk(role="assistant", content=None, function_call={"name": "w", "arguments": ""}),
            *(
                wire.chunk(function_call={"arguments": piece})
                for piece in wire.pieces(str(OLD["arguments"]), 4)
            ),
            wire.chunk(finish_reason=reason),
            wire.DONE,
        ]
    )


OFFER = ("-o", f"functions={FUNCTIONS}")


@pytest.mark.parametrize("shape", [(), ("--no-stream",)])
def test_an_old_call_is_printed_as_a_line(ask, server, shape):
    server.script = whole(function_call=OLD)
    result = ask(*shape, *OFFER, "x")
    assert (result.code, result.out, result.err) == (0, LINE, "")


def test_an_old_call_that_nobody_offered_is_printed_and_invalid(ask, server):
    server.script = whole(function_call=OLD)
    result = ask("--no-stream", "x")
    assert (result.code, result.out) == (5, LINE)
    assert "the model called w, which is no tool that it was offered" in result.err


@pytest.mark.parametrize("reason", ["function_call", "stop", "tool_calls"])
def test_an_old_call_in_pieces_is_printed_as_a_line(ask, server, reason):
    server.script = pieces(reason)
    result = ask(*OFFER, "x")
    assert (result.code, result.out, result.err) == (0, LINE, "")


@pytest.mark.parametrize("script", [whole(function_call=OLD), pieces()], ids=["whole", "pieces"])
def test_in_json_an_old_call_is_as_it_came(ask, server, script):
    server.script = script
    result = ask("--json", *OFFER, "x")
    message = json.loads(result.out)["choices"][0]["message"]
    assert (result.code, message["function_call"], "tool_calls" in message) == (0, OLD, False)


def test_text_beside_an_old_call_is_told_on_stderr(ask, server):
    server.script = whole(content="Let me see.", function_call=OLD)
    result = ask("--no-stream", *OFFER, "x")
    assert (result.code, result.out, result.err) == (0, LINE, "llmcli: Let me see.\n")


def test_an_old_call_of_nothing_is_broken(ask, server):
    server.script = whole()
    assert ask("--no-stream", "--retries", "0", "x").code == 75
    server.script = whole(function_call={})
    assert ask("--no-stream", "--retries", "0", "x").code == 75


def test_an_old_call_with_unfit_arguments_is_invalid(ask, server):
    server.script = whole(function_call={"name": "w", "arguments": "{"})
    result = ask(*OFFER, "x")
    assert (result.code, result.out) == (5, '{"id":null,"name":"w","arguments":"{"}\n')


@pytest.mark.parametrize(
    ("choice", "code"), [("none", 5), ('{"name": "other"}', 5), ('{"name": "w"}', 0), ("auto", 0)]
)
def test_what_the_old_choice_asked_for_is_judged(ask, server, choice, code):
    server.script = whole(function_call=OLD)
    assert ask(*OFFER, "-o", f"function_call={choice}", "x").code == code


def test_an_old_call_that_was_forced_and_did_not_come_is_invalid(ask, server):
    server.script = wire.ok("No.")
    forced = '{"name": "w"}'
    assert ask(*OFFER, "-o", f"function_call={forced}", "x").code == 5


def test_a_session_keeps_an_old_call_and_sends_it_again(cli, server, tmp_path):
    server.script = [whole(function_call=OLD), wire.ok("Warm.")]
    common = ("--base-url", server.base_url, "-m", "tiny", "--session", f"{tmp_path}/s.jsonl", *OFFER)
    assert cli("ask", *common, "Weather?").out == LINE
    result = cli("ask", *common, "--messages", "-", stdin=b'[{"role":"function","name":"w","content":"30"}]')
    assert (result.code, result.out) == (0, "Warm.\n")
    sent = server.requests[1].json["messages"]
    assert [one["role"] for one in sent] == ["user", "assistant", "function"]
    assert sent[1]["function_call"] == OLD
