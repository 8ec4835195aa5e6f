"""`--messages`: a conversation from a file, checked before anything is sent."""

from __future__ import annotations

import json

import pytest

from tests import server as wire
from tests.conftest import Result

HELLO = {"role": "user", "content": "hello"}
HI = {"role": "assistant", "content": "hi"}
CALL = {"role": "assistant", "content": None, "tool_calls": [wire.call("weather", {"city": "Oslo"})]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "rain"}


@pytest.fixture
def sent(cli, tmp_path):
    """The messages of the request that a file's text makes, between a system message and a prompt."""

    def run(text: str, *argv: str) -> list[dict]:
        (tmp_path / "m.jsonl").write_text(text)
        result = cli("ask", "--dry-run", "--messages", f"{tmp_path}/m.jsonl", *argv)
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)["messages"]

    return run


def lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([HELLO, HI]),
        json.dumps([HELLO, HI], indent=2),
        json.dumps({"messages": [HELLO, HI]}),
        lines(HELLO, HI),
        lines(HELLO, HI).replace("\n", "\r\n"),
        "\n" + lines(HELLO) + "\n\n" + lines(HI),
        "\ufeff" + lines(HELLO, HI),
    ],
    ids=["array", "indented", "object", "lines", "crlf", "blank lines", "bom"],
)
def test_a_conversation_stands_between_system_and_prompt(sent, text):
    assert sent(text, "-s", "Be brief.", "And you?") == [
        {"role": "system", "content": "Be brief."},
        HELLO,
        HI,
        {"role": "user", "content": "And you?"},
    ]


def test_no_prompt_is_needed(sent):
    assert sent(lines(HELLO)) == [HELLO]


def test_from_stdin_which_is_no_prompt_then(cli):
    result = cli("ask", "--dry-run", "--messages", "-", "And you?", stdin=lines(HELLO, HI).encode())
    assert json.loads(result.out)["messages"] == [HELLO, HI, {"role": "user", "content": "And you?"}]


def test_a_session_file_is_a_conversation(sent):
    text = lines({"llmcli": {"session": 1, "model": "gpt-4o"}}, HELLO, {**HI, "llmcli": {"cost_usd": 0.1}})
    assert sent(text, "more")[:2] == [HELLO, HI]


@pytest.mark.parametrize("more", [[], [{**RESULT, "tool_call_id": "call_2"}]], ids=["none", "one of two"])
def test_calls_that_a_session_ends_with_are_left_out(cli, tmp_path, more):
    calls = [wire.call("weather", {}, "call_1"), wire.call("weather", {}, "call_2")]
    open_end = [{"role": "user", "content": "weather?"}, {**CALL, "tool_calls": calls}, *more]
    file = tmp_path / "s.jsonl"
    file.write_text(lines({"llmcli": {"version": 1, "model": "gpt-4o"}}, HELLO, HI, *open_end))
    done = cli("ask", "--dry-run", "--messages", str(file), "more")
    assert json.loads(done.out)["messages"] == [HELLO, HI, {"role": "user", "content": "more"}]
    said = f"llmcli: --messages {file}: the last turn of the session has no answer: it is left out\n"
    assert (done.code, done.err) == (0, said)


def test_tool_calls_and_their_answers(sent):
    assert sent(lines(HELLO, CALL, RESULT)) == [HELLO, CALL, RESULT]


def test_what_is_not_known_of_a_message_is_kept(sent):
    odd = {"role": "assistant", "content": "x", "reasoning_content": "y", "prefix": True}
    assert sent(lines(odd)) == [odd]


def test_the_embedded_provider_answers_the_last_user(cli, tmp_path):
    (tmp_path / "m.json").write_text(json.dumps([HELLO, HI, {"role": "user", "content": "again"}]))
    assert cli("ask", "-m", "offline/echo", "--messages", f"{tmp_path}/m.json") == Result(0, "again\n", "")


ROLES = "one of developer, system, user, assistant, tool, function"
PARTS = "the content must be text or a list of parts"
CALLS = "the tool_calls must be a list of calls with an id each"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "{} holds no messages"),
        ("[]", "the prompt is empty; give a PROMPT, pipe text in, or name a file with -f"),
        ("17", "{} is no list of messages"),
        ('{"role": "user"', "{} is not valid JSON: Expecting ',' delimiter: line 1 column 16 (char 15) (line 1)"),
        (lines(HELLO) + "{,}\n", ("{} is not valid JSON: Expecting property name enclosed in double quotes:"
         " line 1 column 2 (char 1) (line 2)")),
        ('[\n{"role" "user"}]', "{} is not valid JSON: Expecting ':' delimiter: line 2 column 9 (char 10)"),
        (lines(HELLO, "hi"), "a message must be an object ({}, message 1)"),
        (lines(HELLO, {"content": "x"}), f"the role is missing ({{}}, message 1); {ROLES}"),
        (lines({"role": "bot", "content": "x"}), f"there is no role 'bot' ({{}}, message 0); {ROLES}"),
        (lines(HELLO, {"role": "user"}), "the content is missing ({}, message 1)"),
        (lines({"role": "user", "content": 1}), f"{PARTS} ({{}}, message 0)"),
        (lines({"role": "user", "content": ["hi"]}), f"{PARTS} ({{}}, message 0)"),
        (lines({"role": "user", "content": [{"type": "text"}]}), f"{PARTS} ({{}}, message 0)"),
        (lines({"role": "assistant", "tool_calls": 7}), f"{CALLS} ({{}}, message 0)"),
        (lines({"role": "assistant", "tool_calls": [{}]}), f"{CALLS} ({{}}, message 0)"),
        (lines({"role": "tool", "content": "x"}),
         "a tool message needs the tool_call_id that it answers ({}, message 0)"),
        (lines(HELLO, RESULT),
         "the tool message answers call 'call_1', which no assistant message before it made ({}, message 1)"),
        (lines(CALL, RESULT, RESULT),
         "the tool message answers call 'call_1', which no assistant message before it made ({}, message 2)"),
        (lines(HELLO, CALL), "the tool call 'call_1' is not answered by a tool message ({}, message 1)"),
        (lines(CALL, HELLO, RESULT), "the tool call 'call_1' is not answered by a tool message ({}, message 0)"),
    ],
)  # fmt: skip
def test_a_conversation_that_is_none(ask, server, tmp_path, text, message):
    file = tmp_path / "m.jsonl"
    file.write_text(text)
    said = message.format(f"--messages {file}")
    assert ask("--messages", str(file)) == Result(2, "", f"llmcli: usage: {said}\n")
    assert server.requests == []


def test_a_file_that_is_not_there(ask):
    assert ask("--messages", "/nowhere") == Result(
        2, "", "llmcli: usage: cannot read /nowhere: No such file or directory; check the path\n"
    )
