"""Errors in every dress: what a server says is told in its words, and means what it means, whatever the status."""

from __future__ import annotations

import json

import pytest

from tests import server as wire
from tests.conftest import Result

HELLO = wire.chunk("Hel")
LO = wire.chunk("lo", finish_reason="stop")


def error(message, **more):
    return {"error": {"message": message, **more}}


# --- In a stream --------------------------------------------------------------------------------------------

EVENTS = {
    "an object": error("It broke."),
    "a string": {"error": "It broke."},
    "a list": {"error": [{"msg": "It broke."}]},
    "object: error": {"object": "error", "message": "It broke.", "code": 500},
    "type: error": {"type": "error", "error": {"type": "overloaded_error", "message": "It broke."}},
    "type: error without a word": {"type": "error", "id": "It broke."},
    "detail": {"detail": "It broke."},
    "detail list": {"detail": [{"loc": ["body", "n"], "msg": "It broke.", "type": "x"}]},
    "error_code": {"error_code": 17, "error_msg": "It broke."},
    "a message alone": {"message": "It broke."},
    "null choices": {"choices": None, "base_resp": {"status_code": 1000, "status_msg": "It broke."}},
    "x_groq": {**wire.chunk(""), "x_groq": {"id": "req", "error": "It broke."}},
    "x_groq object": {**wire.chunk(""), "x_groq": {"error": {"message": "It broke."}}},
    "beside choices": {**wire.chunk(""), "error": {"message": "It broke."}},
    "a choice's own": {
        "choices": [{"index": 0, "delta": {}, "error": {"message": "It broke.", "code": 502}}]
    },
    "empty choices": {"choices": [], "base_resp": {"status_code": 1000, "status_msg": "It broke."}},
    "a status beside choices": {
        **wire.chunk(""),
        "base_resp": {"status_code": 1000, "status_msg": "It broke."},
    },
    "null choices and words": {"choices": None, "info": {"reason": "It broke."}},
    "a status that failed": {"status": "error", "reason": "It broke."},
    "a problem": {"title": "It broke.", "status": 500},
    "not ok": {"ok": False, "description": "It broke."},
    "no success": {"success": False, "data": {"reason": "It broke."}},
    "a code": {"code": 503, "description": "It broke."},
    "an exception": {"exception": "It broke."},
    "a line of JSON": b'{"error": {"message": "It broke."}}\n\n',
    "a line of JSON behind its event": b'event: message\n{"error": {"message": "It broke."}}\n\n',
    "a field of that name": b'error: {"message": "It broke."}\n\n',
    "a field of that name, words": b"error: It broke.\n\n",
    "an event of that name": b"event: error\ndata: It broke.\n\n",
    "an event of that name, a string": b'event: error\ndata: "It broke."\n\n',
}


@pytest.mark.parametrize("name", EVENTS)
def test_an_error_in_a_stream_is_no_end_of_an_answer(ask, server, name):
    server.script = wire.events([HELLO, EVENTS[name], wire.DONE])
    result = ask("x")
    assert (result.code, result.out) == (75, "Hel\n")
    assert "It broke." in result.err
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", EVENTS)
def test_an_error_before_any_text_is_tried_again(ask, server, name):
    server.script = [wire.events([EVENTS[name], wire.DONE]), wire.ok("Hello")]
    assert ask("x") == Result(0, "Hello\n", "")


NO_ERRORS = {
    "null": None,
    "empty": {},
    "false": False,
    "nothing in it": {"code": 0, "message": "", "param": None, "details": []},
    "a nought": {"code": "0", "message": ""},
}


@pytest.mark.parametrize("name", NO_ERRORS)
@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_an_error_that_says_nothing_beside_choices_is_none(ask, server, name, flag):
    server.script = wire.ok("Hello", extra={"error": NO_ERRORS[name]})
    assert ask(flag, "x") == Result(0, "Hello\n", "")


def test_events_that_are_no_errors_are_none(ask, server):
    quiet = [
        {"type": "ping"},
        {"choices": [], "usage": wire.usage(1, 1), "error": None},
        {"choices": [], "prompt_filter_results": [{"message": "fine"}]},
        {"id": "x", "usage": wire.usage(1, 1)},
        {"x_groq": {"id": "req"}},
    ]
    server.script = wire.events([quiet[0], HELLO, *quiet, LO, *quiet[1:], wire.DONE])
    assert ask("x") == Result(0, "Hello\n", "")


# --- Words --------------------------------------------------------------------------------------------------

BODIES = {
    "error_msg": {"error_code": 17, "error_msg": "It broke."},
    "msg": {"code": 1, "msg": "It broke.", "data": None},
    "Message": {"Message": "It broke."},
    "Error.Message": {"Error": {"Code": "X", "Message": "It broke."}},
    "title": {"type": "about:blank", "title": "It broke.", "status": 500},
    "detail": {"detail": {"message": "It broke."}},
    "detail list": {"detail": [{"type": "missing", "loc": ["body", "model"], "msg": "It broke."}]},
    "faultstring": {"fault": {"faultstring": "It broke.", "detail": {"errorcode": "a.b"}}},
    "errors": {"errors": [{"message": "It broke."}]},
    "errors of strings": {"errors": ["It broke."]},
    "errors by field": {"errors": {"model": ["It broke."]}},
    "status_msg": {"base_resp": {"status_code": 1000, "status_msg": "It broke."}},
    "html-message": {"html-message": "<b>It broke.</b>"},
    "errorMessage": {"errorMessage": "It broke.", "errorType": "X"},
    "error in error": {"error": {"error": {"message": "It broke."}}},
    "deep": {"result": {"data": {"message": "It broke."}}},
    "an upstream's body in a string": error(
        "Provider returned error", metadata={"raw": '{"error": {"message": "It broke."}}'}
    ),
    "error_description": {"error": "invalid_request", "error_description": "It broke."},
    "a message beside a word": {"status": 404, "error": "Not Found", "message": "It broke.", "path": "/v1"},
    "a list": [{"error": {"message": "It broke.", "code": 400}}],
}


@pytest.mark.parametrize("name", BODIES)
def test_words_are_found_wherever_they_stand(ask, server, name):
    server.script = wire.status(500, BODIES[name])
    result = ask("--retries", "0", "x")
    assert (result.code, "It broke." in result.err) == (75, True), result.err
    server.script = wire.reply(BODIES[name])
    result = ask("--retries", "0", "--no-stream", "x")
    assert (result.code, "It broke." in result.err) in {(75, True), (65, True)}, result.err


def test_only_an_empty_body_said_nothing(ask, server):
    server.script = wire.status(500, "")
    assert "the endpoint answered 500 and said nothing" in ask("--retries", "0", "x").err


@pytest.mark.parametrize("body", [{}, [], {"error": {}}, {"a": {"b": [1, 2]}}, {"error": {"message": None}}])
def test_json_without_words_is_shown_as_it_is(ask, server, body):
    server.script = wire.status(500, body)
    shown = json.dumps(body, separators=(",", ":"))
    assert f"the endpoint answered 500 with {shown} (HTTP" in ask("--retries", "0", "x").err
    server.script = wire.reply(body)
    result = ask("--retries", "0", "--no-stream", "x")
    assert (result.code, shown in result.err) == (75, True), result.err


def test_long_json_is_cut(ask, server):
    server.script = wire.status(500, {"a": list(range(10_000))})
    err = ask("--retries", "0", "x").err
    assert '{"a":[0,1,2' in err
    assert len(err) < 1_000


# --- What means what ----------------------------------------------------------------------------------------

MONEY = "Requested 54000, limit 30000"
KINDS = [
    # A 403 for flagged input is refused
    (4, 403, error("m requires moderation. Your input was flagged for violence", code=403)),
    (4, 403, {"code": "x", "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE"}),
    (4, 400, error("The response was filtered: content management policy", code="content_filter")),
    (4, 400, error("Content Exists Risk", type="invalid_request_error")),
    (4, 400, {"code": "data_inspection_failed", "message": "Input data may be unsuitable."}),
    (4, 400, error("Your prompt was flagged as against our usage policy", code="invalid_prompt")),
    (77, 403, error("Your account was deactivated for a violation of our policies")),
    (77, 403, error("Country, region, or territory not supported", code="unsupported_country")),
    (77, 400, error("API key not valid. Please pass a valid API key.", status="INVALID_ARGUMENT", code=400)),
    # No money
    (69, 402, {}),
    (69, 429, error("suspended", type="exceeded_current_quota_error")),
    (69, 400, error("Your credit balance is too low to access the API", type="invalid_request_error")),
    (69, 400, {"code": "Arrearage", "message": "Access denied, your account must be in good standing."}),
    (69, 429, error("no words", code="1113")),
    (69, 429, error("no words", code=1113)),
    (69, 403, {"error": "Your team does not have any credits or licenses yet."}),
    (69, 403, {"error": "Your team doesn't have any credits"}),
    (69, 403, {"code": 30001, "message": "Sorry, your account balance is insufficient"}),
    (69, 400, error("Budget has been exceeded! Current cost: 1, Max budget: 1", type="budget_exceeded")),
    (69, 403, error("Key limit exceeded (total limit)", code=403)),
    (69, 500, error("Insufficient Balance")),
    # No such model
    (65, 403, error("Project does not have access to model `m`", code="model_not_found")),
    (65, 400, error("Invalid model name passed in model=m", code="400")),
    # A prompt that is too long
    (65, 400, error("no words", type="exceed_context_size_error", code=400)),
    (65, 500, error("the request exceeds the available context size")),
    # A 429 that can never pass
    (65, 429, error(f"Request too large on tokens per min (TPM): {MONEY}", code="rate_limit_exceeded")),
    (65, 429, error("TPM: Limit 30,000, Requested 54,000.", code="rate_limit_exceeded")),
    # And what passes
    (
        75,
        429,
        error("TPM: Limit 30000, Used 29000, Requested 1500. Try again in 1s", code="rate_limit_exceeded"),
    ),
    (75, 429, error("You exceeded your current quota, check your plan. Please retry in 3s.", code=429)),
    (75, 400, error("Rate exceeded", code="ThrottlingException")),
    (75, 503, error("The model is currently not available, try again later")),
]


@pytest.mark.parametrize(("code", "status", "body"), KINDS)
@pytest.mark.parametrize("flag", ["--stream", "--no-stream"])
def test_an_error_means_what_it_says(ask, server, code, status, body, flag):
    server.script = wire.status(status, body)
    result = ask("--retries", "1", flag, "x")
    assert (result.code, len(server.requests)) == (code, 2 if code == 75 else 1), result.err


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (65, error("no", code=400)),
        (65, error("no", code="404")),
        (69, error("no", code=402)),
        (77, error("no", code=401)),
        (75, error("no", code=429)),
        (75, error("no", code=502)),
        (75, error("no", type="invalid_request_error")),
        (4, error("flagged by moderation", code=403)),
        (69, {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
        (65, {"object": "error", "message": "no", "code": 400}),
    ],
)
@pytest.mark.parametrize("way", ["stream", "body"])
def test_a_code_in_a_200_counts_as_the_status_would(ask, server, code, body, way):
    server.script = wire.events([body, wire.DONE]) if way == "stream" else wire.reply(body)
    result = ask("--retries", "1", "--stream" if way == "stream" else "--no-stream", "x")
    assert (result.code, len(server.requests)) == (code, 2 if code == 75 else 1), result.err


OTHERS = {
    "exceed_context_size_error": (400, error("no words", type="exceed_context_size_error")),
    "ContextWindowExceededError": (400, error("litellm.ContextWindowExceededError: no", code="400")),
    "input_tokens": (400, error("You passed 9", type="BadRequestError", param="input_tokens", code=400)),
    "prompt is too long": (400, error("prompt is too long: 208310 tokens > 200000 maximum")),
    "range of input length": (
        400,
        {"code": "InvalidParameter", "message": "Range of input length should be [1, 6]"},
    ),
    "invalid model name": (400, error("Invalid model name passed in model=m")),
    "no valid model id": (400, error("m is not a valid model ID", code=400)),
    "pinned": (400, {"detail": "This server is pinned to 'a'; requested 'b'"}),
    "403": (403, error("Project does not have access to model `m`", code="model_not_found")),
    "never passes": (429, error(MONEY, code="rate_limit_exceeded")),
    "413": (413, "<html><title>413 Request Entity Too Large</title></html>"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_model_is_asked(ask, server, name):
    server.script = [wire.status(*OTHERS[name]), wire.ok("Hello")]
    assert ask("--fallback", "other", "x") == Result(0, "Hello\n", "")
    assert [request.fields["model"] for request in server.requests] == ["tiny", "other"]


def test_another_model_is_not_asked_for_what_it_would_reject_too(ask, server):
    unsupported = "Unsupported parameter: 'max_tokens' is not supported with this model. Use another."
    server.script = [wire.status(400, error(unsupported, param="max_tokens")), wire.ok("Hello")]
    assert ask("--fallback", "other", "x").code == 65


def test_a_flagged_row_fails_alone(cli, server, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "a"}\n{"prompt": "b"}\n{"prompt": "c"}\n')
    flagged = wire.status(403, error("Your input was flagged", code=403))
    server.script = lambda request: flagged if request.text == "b" else wire.ok("fine")
    out = tmp_path / "out.jsonl"
    argv = ("batch", str(rows), "--base-url", server.base_url, "-m", "tiny", "-O", str(out), "-j", "1", "-q")
    assert cli(*argv).code == 7
    assert len(out.read_text().splitlines()) == 2
    failed = json.loads((tmp_path / "out.errors.jsonl").read_text())
    assert (failed["error"]["code"], failed["response"]["status_code"]) == ("refused", 403)
    assert len(server.requests) == 3


# --- Waits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "1s"}, {}, 1.0),
        ({"retry-after": "6m0s"}, {}, 360.0),
        ({"retry-after": "250ms"}, {}, 0.25),
        ({}, [{"error": {"code": 429, "details": [{"@type": "RetryInfo", "retryDelay": "34s"}]}}], 34.0),
        ({}, error("Please try again in 34.07s."), 34.07),
        ({}, error("Please retry after 5 seconds."), 5.0),
        ({}, error("Please try again in 6m0s. Visit us."), 360.0),
        ({}, error("try again in 120ms"), 0.12),
        ({}, {"detail": "Rate limit", "retry_after": 7}, 7.0),
        ({}, "Rate limited, try again in 3 minutes", 180.0),
        ({"retry-after": "2"}, error("Please try again in 34.07s."), 2.0),
    ],
)
def test_a_wait_is_found_in_the_header_or_the_body(ask, server, clock, headers, body, seconds):
    server.script = [wire.status(429, body, headers=headers), wire.ok("Hello")]
    result = ask("x")
    assert (result.code, result.out) == (0, "Hello\n")
    assert clock.slept == [pytest.approx(seconds)]


# --- Replies that are no JSON by the letter -----------------------------------------------------------------

BENT = {
    "NaN": b'NaN, "b": -Infinity, "c": Infinity, "d": 1e400, "e": -1e999',
    "half a character": b'"\\ud83d", "b": "x\\udc00y"',
    "a raw control byte": b'"a\x01b\x1b", "b": "\x00"',
    "no UTF-8": b'"\xff\xfe"',
    "a number of 5,000 digits": b"1" * 5_000,
}


@pytest.mark.parametrize("name", BENT)
@pytest.mark.parametrize("flags", [["--json"], ["--format", "jsonl"], ["--stream", "--format", "events"]])
def test_a_paid_answer_is_kept_and_what_is_printed_is_json(ask, server, name, flags):
    body = (
        b'{"id": "x", "object": "chat.completion", "odd": %b, "choices": [{"index": 0, "message": '
        b'{"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}' % BENT[name]
    )
    server.script = wire.reply(body)
    result = ask(*flags, "x")
    assert result.code == 0, result.err
    lines = [result.out] if flags == ["--json"] else result.out.splitlines()
    whole = [json.loads(line, parse_constant=pytest.fail) for line in lines][-1]
    assert whole["choices"][0]["message"]["content"] == "Hello"
    assert "\\ud" not in result.out


def test_odd_characters_of_the_answer_are_replaced(ask, server):
    body = b'{"choices": [{"message": {"content": "a\x01b\\ud83dc\xff"}, "finish_reason": "stop"}]}'
    server.script = wire.reply(body)
    assert ask("--no-stream", "x") == Result(0, "a\ufffdb\ufffdc\ufffd\n", "")


def test_odd_numbers_and_characters_reach_no_record(cli, server, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "a"}\n')
    body = b'{"odd": NaN, "choices": [{"message": {"content": "a\x01\\ud83d"}, "finish_reason": "stop"}]}'
    server.script = wire.reply(body)
    out = tmp_path / "out.jsonl"
    argv = ("batch", str(rows), "--base-url", server.base_url, "-m", "tiny", "-O", str(out), "-q")
    assert cli(*argv).code == 0
    record = json.loads(out.read_text(), parse_constant=pytest.fail)
    assert record["response"]["body"]["choices"][0]["message"]["content"] == "a\ufffd\ufffd"
    assert record["response"]["body"]["odd"] is None
