"""How an answer ends, in every server's word: ask, streamed and not."""

from __future__ import annotations

import json

import pytest

from tests import server as wire
from tests.conftest import Result

WAYS = pytest.mark.parametrize("way", ["--stream", "--no-stream"])
ONCE = ("--retries", "0")

WHOLE = """stop STOP end_turn stop_sequence eos eos_token COMPLETE Stop end normal completed FinishReason.STOP
    FINISH_REASON_STOP"""
CALLS = "tool_calls function_call tool_use TOOL_CALLS tool-calls stop eos"
CUT = """length max_tokens MAX_TOKENS model_length model_context_window_exceeded token_limit LENGTH
    max_output_tokens max-tokens FinishReason.MAX_TOKENS"""
BLOCKED = """content_filter content_filtered content-filter content_filter:SAFETY SAFETY RECITATION BLOCKLIST
    PROHIBITED_CONTENT SPII sensitive guardrail_intervened refusal safety IMAGE_SAFETY"""
GIVEN_UP = """abort cancelled timeout time_limit network_error insufficient_system_resource error repetition
    repetition_detected function_call_filter ABORT canceled MALFORMED_FUNCTION_CALL"""
BROKEN = [*GIVEN_UP.split(), "function_call_filter: MALFORMED_FUNCTION_CALL"]
UNKNOWN = [
    "weird",
    "OTHER",
    "stopp",
    "no stop",
    "lengthy",
    "abort_not",
    "tool",
    "x" * 3000,
    17,
    ["stop"],
    {"a": 1},
]
UNSAID = [None, wire.ABSENT, "", "null", "None", "FINISH_REASON_UNSPECIFIED", False, []]
OFFERED = ("--tools", '{"name": "f"}')


def gave_up(result: Result, code: int, name: str, out: str, *words: str) -> None:
    """This exit, this stdout, and one line of explanation that has these words."""
    assert result == Result(code, out, result.err)
    assert result.err.startswith(f"llmcli: {name}: ")
    assert result.err.count("\n") == 1
    assert [word for word in words if word not in result.err] == []


def choice(
    message: object = wire.ABSENT, finish_reason: object = wire.ABSENT, **more: object
) -> wire.Scenario:
    """A whole body of one choice."""
    one = wire.present({"index": 0, "message": message, "finish_reason": finish_reason, **more})
    return wire.reply({"object": "chat.completion", "choices": [one], "usage": wire.usage(7, 19)})


# --- The words ----------------------------------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize("word", WHOLE.split())
def test_a_whole_answer_in_any_servers_word_is_exit_0(ask, server, way, word):
    server.script = wire.ok("Hi", finish_reason=word)
    assert ask(way, "x") == Result(0, "Hi\n", "")


@WAYS
@pytest.mark.parametrize("word", CALLS.split())
def test_calls_in_any_servers_word_are_exit_0(ask, server, way, word):
    server.script = wire.ok(tool_calls=[wire.call("f", {})], finish_reason=word)
    assert ask(way, *OFFERED, "x") == Result(0, '{"id":"call_1","name":"f","arguments":{}}\n', "")


@WAYS
@pytest.mark.parametrize("word", CUT.split())
def test_a_cut_answer_in_any_servers_word_is_exit_3(ask, server, way, word):
    server.script = wire.ok("par", finish_reason=word)
    gave_up(ask(way, "x"), 3, "incomplete", "par\n", "token limit")
    assert len(server.requests) == 1


def test_a_full_window_is_not_cured_by_more_tokens(ask, server):
    server.script = wire.ok("par", finish_reason="model_context_window_exceeded")
    assert "-M" not in ask("x").err


@WAYS
@pytest.mark.parametrize("word", BLOCKED.split())
def test_a_blocked_answer_in_any_servers_word_is_exit_4(ask, server, way, word):
    server.script = wire.ok("par", finish_reason=word)
    gave_up(ask(way, "x"), 4, "refused", "par\n", "" if word == "content_filter" else word)
    assert len(server.requests) == 1


@pytest.mark.parametrize("word", BROKEN)
def test_an_answer_that_the_server_gave_up_after_text_was_shown_is_exit_3(ask, server, word):
    server.script = wire.ok("part", finish_reason=word)
    gave_up(ask("x"), 3, "incomplete", "part\n", word)
    assert len(server.requests) == 1


@pytest.mark.parametrize("word", BROKEN)
def test_an_unstreamed_answer_that_the_server_gave_up_is_tried_again(ask, server, word):
    server.script = [wire.ok("part", finish_reason=word), wire.ok("Hello")]
    assert ask("--no-stream", "x") == Result(0, "Hello\n", "")
    server.script = wire.ok("part", finish_reason=word)
    gave_up(ask("--no-stream", *ONCE, "x"), 75, "tempfail", "", word)


@WAYS
@pytest.mark.parametrize("word", BROKEN)
def test_an_answer_given_up_before_anything_was_shown_is_tried_again(ask, server, way, word):
    server.script = [wire.ok("", finish_reason=word), wire.ok("Hello")]
    assert ask(way, "x") == Result(0, "Hello\n", "")
    server.script = [wire.ok("", finish_reason=word), wire.ok("Hello")]
    assert ask(way, *ONCE, "--fallback", "other", "x") == Result(0, "Hello\n", "")


@WAYS
@pytest.mark.parametrize("word", UNKNOWN, ids=str)
def test_a_word_that_nobody_knows_is_exit_3_and_told(ask, server, way, word):
    server.script = wire.ok("Hi", finish_reason=word)
    result = ask(way, "x")
    gave_up(result, 3, "incomplete", "Hi\n", str(word)[:80])
    assert len(result.err) < 400
    assert len(server.requests) == 1
    assert ask(way, "--ok", "incomplete", "x").code == 0


@pytest.mark.parametrize("keep", ["--cache", "--record"])
@WAYS
@pytest.mark.parametrize("word", ["weird", "abort", "SAFETY", "max_tokens"])
def test_only_a_whole_answer_is_kept(ask, server, tmp_path, way, word, keep):
    keeping = [keep, str(tmp_path / "kept")] if keep == "--record" else [keep]
    env = {"LLMCLI_CACHE": str(tmp_path / "cache")}
    server.script = wire.ok("Hi", finish_reason=word)
    ask(way, *keeping, *ONCE, "--ok", "incomplete,refused,tempfail", "x", env=env)
    assert list(tmp_path.rglob("*.json")) == []
    server.script = wire.ok("Hi", finish_reason="eos_token")
    assert ask(way, *keeping, "x", env=env).code == 0
    assert len(list(tmp_path.rglob("*.json"))) == 1


@pytest.mark.parametrize("shape", ["json", "jsonl", "events"])
@WAYS
def test_a_record_of_an_unknown_ending_is_printed_and_exit_3(ask, server, shape, way):
    server.script = wire.ok("Hi", finish_reason="weird")
    result = ask("--format", shape, way, "x")
    assert (result.code, result.err.count("\n")) == (3, 1)
    last = result.out if shape == "json" else result.out.splitlines()[-1]
    assert json.loads(last)["choices"][0]["finish_reason"] == "weird"


@WAYS
def test_one_choice_of_several_that_was_cut_is_exit_3(ask, server, way):
    def second_cut(request: wire.Request) -> wire.Answer:
        body = {
            "choices": [
                {"index": 0, "message": {"content": "a"}, "finish_reason": "stop"},
                {"index": 1, "message": {"content": "b"}, "finish_reason": "MAX_TOKENS"},
            ]
        }
        chunks = [{"choices": [{**one, "delta": one["message"]}]} for one in body["choices"]]
        return wire.play(
            wire.events([*chunks, wire.DONE]) if way == "--stream" else wire.reply(body), request
        )

    server.script = second_cut
    gave_up(ask(way, "--n", "2", "x"), 3, "incomplete", "a\nb\n", "MAX_TOKENS")


# --- No word at all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", UNSAID, ids=str)
def test_a_body_that_came_whole_without_a_finish_reason_did_not_break_off(ask, server, word):
    server.script = choice({"role": "assistant", "content": "Hi"}, word)
    assert ask("--no-stream", "x") == Result(0, "Hi\n", "")
    assert ask("--stream", "x") == Result(0, "Hi\n", "")  # JSON for a stream
    server.script = choice({"role": "assistant", "tool_calls": [wire.call("f", {})]}, word)
    calls = Result(0, '{"id":"call_1","name":"f","arguments":{}}\n', "")
    assert ask("--no-stream", *OFFERED, "x") == calls


@pytest.mark.parametrize("word", UNSAID, ids=str)
def test_a_stream_without_a_word_at_its_end_broke_off(ask, server, word):
    server.script = wire.ok("par", finish_reason=word, done=False)
    gave_up(ask("x"), 3, "incomplete", "par\n")
    server.script = wire.ok("Hi", finish_reason=word)
    assert ask("x") == Result(0, "Hi\n", "")  # [DONE]


def test_an_unstreamed_reply_of_events_that_broke_off_is_tried_again(ask, server):
    server.script = [wire.ok("par", finish_reason=None, done=False, stream=True), wire.ok("Hello")]
    assert ask("--no-stream", "x") == Result(0, "Hello\n", "")


@pytest.mark.parametrize("message", [wire.ABSENT, None, {}, {"content": None}, {"content": ""}], ids=str)
@pytest.mark.parametrize(
    ("word", "code", "name"),
    [
        ("content_filter", 4, "refused"),
        ("length", 3, "incomplete"),
        ("stop", 3, "incomplete"),
        ("weird", 3, "incomplete"),
    ],
)
def test_a_choice_without_a_message_but_with_a_finish_reason_is_an_empty_one(
    ask, server, message, word, code, name
):
    server.script = choice(message, word)
    for way in ("--stream", "--no-stream"):
        server.requests.clear()
        gave_up(ask(way, "x"), code, name, "\n")
        assert len(server.requests) == 1


@pytest.mark.parametrize("message", [wire.ABSENT, None, {}, {"content": None}, {"content": ""}], ids=str)
@pytest.mark.parametrize("word", [wire.ABSENT, None, "", "tool_calls"], ids=str)
def test_a_body_with_neither_an_answer_nor_a_finish_reason_is_tried_again(ask, server, message, word):
    server.script = [choice(message, word), wire.ok("Hello")]
    assert ask("--no-stream", "x") == Result(0, "Hello\n", "")
    server.script = [choice(message, word), wire.ok("Hello")]
    assert ask("--no-stream", *ONCE, "--fallback", "other", "x") == Result(0, "Hello\n", "")
    server.script = choice(message, word)
    gave_up(ask("--no-stream", *ONCE, "x"), 75, "tempfail", "")


@pytest.mark.parametrize("more", [{"text": "Hi"}, {"delta": {"content": "Hi"}}], ids=str)
def test_a_choice_of_another_api_is_no_empty_answer(ask, server, more):
    server.script = choice(wire.ABSENT, "stop", **more)
    gave_up(ask("--no-stream", *ONCE, "x"), 75, "tempfail", "", "no choices that can be read")


@WAYS
@pytest.mark.parametrize("word", ["tool_calls", "function_call", "tool_use"])
def test_a_finish_reason_of_calls_without_a_call_is_broken(ask, server, way, word):
    server.script = [wire.ok("", finish_reason=word), wire.ok("Hello")]
    assert ask(way, "x") == Result(0, "Hello\n", "")
    server.script = wire.ok("par", finish_reason=word)
    broken = (3, "incomplete", "par\n") if way == "--stream" else (75, "tempfail", "")
    gave_up(ask(way, *ONCE, "x"), *broken, word)


def test_a_function_call_of_the_old_api_is_a_call(ask, server):
    call = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    server.script = choice(call, "function_call")
    assert ask("--no-stream", "--json", *OFFERED, "x").code == 0


# --- Nothing in it ------------------------------------------------------------------------------------------


@WAYS
def test_an_answer_of_nothing_but_reasoning_is_exit_3_and_says_so(ask, server, way):
    server.script = wire.ok("", reasoning="Hm", usage=wire.usage(7, 19))
    gave_up(ask(way, "x"), 3, "incomplete", "\n", "reasoning only, 19 tokens paid")
    assert len(server.requests) == 1
    assert ask(way, "--ok", "incomplete", "x").code == 0


@WAYS
def test_reasoning_that_only_the_usage_knows_is_told(ask, server, way):
    counted = {**wire.usage(7, 19), "completion_tokens_details": {"reasoning_tokens": 19}}
    server.script = wire.ok("", usage=counted)
    gave_up(ask(way, "x"), 3, "incomplete", "\n", "reasoning only, 19 tokens paid")


@WAYS
def test_reasoning_that_was_cut_is_told(ask, server, way):
    server.script = wire.ok("", reasoning="Hm", finish_reason="length", usage=wire.usage(7, 19))
    gave_up(ask(way, "x"), 3, "incomplete", "\n", "token limit", "reasoning only, 19 tokens paid", "-M")


@WAYS
@pytest.mark.parametrize("text", ["", None])
def test_an_answer_of_nothing_is_exit_3(ask, server, way, text):
    server.script = wire.ok(text, usage=wire.usage(7, 1))
    gave_up(ask(way, "x"), 3, "incomplete", "\n", "empty", "1 token paid")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "content",
    [
        [],
        [{"type": "text", "text": ""}],
        [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}],
    ],
)
def test_a_list_of_nothing_is_nothing(ask, server, content):
    server.script = choice({"role": "assistant", "content": content}, "stop")
    gave_up(ask("--no-stream", "x"), 3, "incomplete", "\n", "empty")


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "audio": {"id": "a", "data": "UklGRg==", "transcript": "Hi"}},
        {
            "content": "",
            "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}],
        },
        {"content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]},
    ],
)
def test_media_are_not_nothing(ask, server, message):
    server.script = choice({"role": "assistant", **message}, "stop")
    assert "incomplete" not in ask("--no-stream", "--json", "x").err


@WAYS
@pytest.mark.parametrize("flag", [("--stop", "."), ("-o", "stop_token_ids=[7]")])
def test_an_empty_answer_that_a_stop_sequence_explains_is_complete(ask, server, way, flag):
    server.script = wire.ok("")
    assert ask(way, *flag, "x") == Result(0, "\n", "")
    server.script = wire.ok("", finish_reason="length")
    assert ask(way, *flag, "x").code == 3


@pytest.mark.parametrize("message", [wire.ABSENT, None, {"content": ""}], ids=str)
def test_an_empty_answer_that_a_stop_sequence_explains_is_kept(ask, server, tmp_path, message):
    server.script = choice(message, "stop")
    for keeping in ("--record", "--replay"):
        assert ask("--no-stream", "--stop", ".", keeping, str(tmp_path / "kept"), "x") == Result(0, "\n", "")
    assert len(server.requests) == 1


@WAYS
@pytest.mark.parametrize("message", [wire.ABSENT, None, {}], ids=str)
def test_a_list_of_items_without_a_message_is_empty(ask, server, way, message):
    server.script = choice(message, "stop")
    assert ask(way, "--schema-multi", "--schema", "a int", "x").code == 3


@WAYS
def test_a_stop_sequence_of_the_servers_own_explains_an_empty_answer(ask, server, way):
    server.script = wire.ok("", finish_reason="stop_sequence")
    assert ask(way, "x") == Result(0, "\n", "")


@pytest.mark.parametrize("keep", ["--cache", "--record"])
@WAYS
def test_an_empty_answer_is_not_kept(ask, server, tmp_path, way, keep):
    keeping = [keep, str(tmp_path / "kept")] if keep == "--record" else [keep]
    server.script = wire.ok("", reasoning="Hm")
    env = {"LLMCLI_CACHE": str(tmp_path / "cache")}
    assert ask(way, *keeping, "--ok", "incomplete", "x", env=env).code == 0
    assert list(tmp_path.rglob("*.json")) == []


@WAYS
@pytest.mark.parametrize("flags", [["--json-mode"], ["--schema", "a int"]])
def test_an_empty_answer_is_not_repaired(ask, server, way, flags):
    server.script = [wire.ok("", reasoning="Hm"), wire.ok('{"a": 1}')]
    gave_up(ask(way, *flags, "--repair", "2", "x"), 3, "incomplete", "\n", "reasoning only")
    assert len(server.requests) == 1


@WAYS
@pytest.mark.parametrize(("word", "code"), [("weird", 3), ("SAFETY", 4), ("MAX_TOKENS", 3), ("refusal", 4)])
def test_an_answer_that_did_not_end_whole_is_not_repaired(ask, server, way, word, code):
    server.script = [wire.ok('{"a":', finish_reason=word), wire.ok('{"a": 1}')]
    assert ask(way, "--json-mode", "--repair", "2", "x").code == code
    assert len(server.requests) == 1


def test_an_answer_that_broke_off_behind_an_early_finish_reason_is_not_repaired(ask, server):
    blocks = [OFTEN, wire.chunk("lo"), wire.chunk("never")]
    server.script = [wire.cut(wire.events(blocks), -30), wire.ok('{"a": 1}')]
    gave_up(
        ask("--json-mode", "--stream", "--repair", "1", "x"),
        3,
        "incomplete",
        "Hello\n",
        "the connection broke",
    )


@WAYS
@pytest.mark.parametrize("word", ["eos_token", "COMPLETE", "stop_sequence"])
def test_a_whole_answer_in_any_word_is_repaired(ask, server, way, word):
    server.script = [wire.ok("no", finish_reason=word), wire.ok('{"a": 1}', finish_reason=word)]
    assert ask(way, "--json-mode", "--repair", "1", "x") == Result(0, '{"a": 1}\n', "")


@WAYS
@pytest.mark.parametrize(("word", "code"), [("weird", 3), ("SAFETY", 4), ("MAX_TOKENS", 3)])
def test_calls_of_an_answer_that_did_not_end_whole_are_not_run(ask, server, tmp_path, way, word, code):
    tools = '[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]'
    server.script = wire.ok(tool_calls=[wire.call("f", {})], finish_reason=word)
    ran = tmp_path / "ran"
    assert ask(way, "--tools", tools, "--exec", f"f=touch {ran}", "x").code == code
    assert not ran.exists()


# --- Streams ------------------------------------------------------------------------------------------------

ROLE = wire.chunk("", role="assistant")
STOP = wire.chunk(finish_reason="stop")
NOTHINGS = {
    "no event": [],
    "no event but [DONE]": [wire.DONE],
    "comments": [b": still here\n\n"],
    "a role": [ROLE],
    "a role and [DONE]": [ROLE, wire.DONE],
    "usage alone": [{"choices": [], "usage": wire.usage(7, 0)}, wire.DONE],
    "empty deltas": [wire.chunk(""), wire.chunk(None), wire.DONE],
    "an empty finish_reason": [ROLE, wire.chunk(finish_reason=""), wire.DONE],
    "null as a string": [ROLE, wire.chunk(finish_reason="null"), wire.DONE],
    "reasoning without an end": [wire.chunk(reasoning_content="Hm"), wire.DONE],
    "tool_calls without a call": [ROLE, wire.chunk(finish_reason="tool_calls"), wire.DONE],
    "abort": [ROLE, wire.chunk(finish_reason="abort")],
}


@pytest.mark.parametrize("name", NOTHINGS)
def test_a_stream_of_nothing_is_tried_again_and_another_model_asked(ask, server, name):
    nothing = wire.events(NOTHINGS[name])
    server.script = [nothing, nothing, wire.ok("Hello")]
    assert ask("x") == Result(0, "Hello\n", "")
    server.script = [nothing, wire.ok("Hello")]
    assert ask(*ONCE, "--fallback", "other", "x") == Result(0, "Hello\n", "")
    server.script = nothing
    gave_up(ask(*ONCE, "x"), 75, "tempfail", "")


OFTEN = wire.chunk("Hel", finish_reason="stop")
GOOD = {
    "null as a string till the end": [
        wire.chunk("Hel", finish_reason="null"),
        wire.chunk("lo", finish_reason="null"),
        STOP,
    ],
    "an empty finish_reason till the end": [
        wire.chunk("Hel", finish_reason=""),
        wire.chunk("lo", finish_reason=""),
        STOP,
    ],
    "stop in each chunk": [OFTEN, wire.chunk("lo", finish_reason="stop"), STOP],
    "stop with the role": [wire.chunk("", role="assistant", finish_reason="stop"), wire.chunk("Hello"), STOP],
    "stop twice": [wire.chunk("Hello"), STOP, STOP],
    "text behind stop": [OFTEN, wire.chunk("lo")],
    "length, and then more": [wire.chunk("Hel", finish_reason="length"), wire.chunk("lo"), STOP],
    "an empty finish_reason behind stop": [wire.chunk("Hello"), STOP, wire.chunk("", finish_reason="")],
    "null behind stop": [wire.chunk("Hello"), STOP, wire.chunk("", finish_reason="null")],
    "error, and then more": [wire.chunk("Hel", finish_reason="error"), wire.chunk("lo"), STOP],
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("end", [[], [wire.DONE]], ids=["EOF", "[DONE]"])
def test_what_comes_behind_a_finish_reason_counts(ask, server, name, end):
    server.script = wire.events([*GOOD[name], *end])
    assert ask("x") == Result(0, "Hello\n", "")


def test_the_last_finish_reason_counts(ask, server):
    server.script = wire.events([OFTEN, wire.chunk("lo", finish_reason="length"), wire.DONE])
    gave_up(ask("x"), 3, "incomplete", "Hello\n", "token limit")
    server.script = wire.events([OFTEN, wire.chunk("lo"), wire.chunk(finish_reason="abort"), wire.DONE])
    gave_up(ask("x"), 3, "incomplete", "Hello\n", "abort")


def test_a_connection_that_breaks_in_text_behind_an_early_finish_reason_is_exit_3(ask, server):
    blocks = [OFTEN, wire.chunk("lo"), wire.chunk("never")]
    server.script = wire.cut(wire.events(blocks), -30)
    gave_up(ask("x"), 3, "incomplete", "Hello\n", "the connection broke")


def test_a_connection_that_breaks_behind_the_end_takes_nothing(ask, server):
    server.script = wire.cut(wire.events([wire.chunk("Hello"), STOP, wire.chunk("never")]), -30)
    assert ask("x") == Result(0, "Hello\n", "")


def test_calls_behind_a_finish_reason_count(ask, server):
    call = {"index": 0, **wire.call("f", {})}
    early = wire.chunk("", finish_reason="tool_calls")
    server.script = wire.events([early, wire.chunk(tool_calls=[call]), STOP, wire.DONE])
    assert ask(*OFFERED, "x") == Result(0, '{"id":"call_1","name":"f","arguments":{}}\n', "")


def test_the_usage_behind_an_answer_that_was_given_up_is_told(ask, server):
    usage = {"choices": [], "usage": wire.usage(7, 19)}
    server.script = wire.events([wire.chunk("par"), wire.chunk(finish_reason="abort"), usage, wire.DONE])
    result = ask("-u", "x")
    assert (result.code, result.out) == (3, "par\n")
    assert "19 out" in result.err


def test_the_usage_of_an_unstreamed_answer_that_was_given_up_is_told(ask, server):
    server.script = choice({"content": "par"}, "abort")
    result = ask("--no-stream", "-u", *ONCE, "x")
    assert result.code == 75
    assert "19 out" in result.err
