"""`llmcli chat` from a pipe: turns in, answers out, and what each of them sends."""

from __future__ import annotations

import json

import pytest

from tests import server as wire
from tests.conftest import Result

ECHO = ("chat", "-m", "offline/echo")


def said(request) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in request.json["messages"]]


def test_each_line_is_a_turn(cli):
    assert cli(*ECHO, stdin=b"one\ntwo\n") == Result(0, "one\ntwo\n", "")


def test_a_turn_is_sent_with_what_was_said_before_it(chat, server):
    server.script = [wire.ok("Hello Ada"), wire.ok("Ada")]
    assert chat(stdin=b"My name is Ada\nWhat is my name?\n") == Result(0, "Hello Ada\nAda\n", "")
    first, second = map(said, server.requests)
    assert first == [("user", "My name is Ada")]
    assert second == [*first, ("assistant", "Hello Ada"), ("user", "What is my name?")]


def test_all_turns_go_over_one_connection(chat, server):
    chat(stdin=b"one\ntwo\nthree\n")
    assert (len(server.requests), server.connections) == (3, 1)


def test_a_real_server_is_sent_the_conversation(cli, llama):
    env = {"OPENAI_API_KEY": "sk-test"}
    argv = ("chat", "--base-url", llama, "-m", "tiny-bigram", "--temperature", "0", "--format", "jsonl")
    done = cli(*argv, "-s", "Be brief", stdin=b"Hello\nAnd now?\n", env=env)
    first, second = map(json.loads, done.out.splitlines())
    assert (done.code, done.err) == (0, "")
    assert first["choices"][0]["message"]["content"] == "Hello! The sky is blue."
    assert second["usage"]["prompt_tokens"] > first["usage"]["total_tokens"]


def test_blank_lines_are_no_turns(chat, server):
    assert chat(stdin=b"\none\n\n  \ntwo").out == "one\ntwo\n"
    assert len(server.requests) == 2


def test_nothing_on_stdin_is_no_turn(cli):
    assert cli(*ECHO, stdin=b"") == Result(0, "", "")


def test_every_byte_of_a_line_is_kept(chat, server):
    chat(stdin=" a\tb \r\n\N{SNOWMAN} \n".encode())
    assert [request.text for request in server.requests] == [" a\tb \r", "\N{SNOWMAN} "]


def test_turns_of_many_lines_end_with_nul(cli, chat, server):
    assert cli(*ECHO, "--turns", "null", stdin=b"a\nb\n\0c\0") == Result(0, "a\nb\nc\n", "")
    chat("--turns", "null", stdin=b"a\nb\n\0c")
    assert [request.text for request in server.requests] == ["a\nb\n", "c"]


def test_answers_may_end_with_nul(cli):
    assert cli(*ECHO, "-0", "--turns", "null", stdin=b"a\nb\n\0c\0") == Result(0, "a\nb\n\0c\0", "")


def test_turns_of_json(chat, server):
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    turns = [
        "a\nb",
        {"content": "c"},
        {"role": "user", "content": [{"type": "text", "text": "d"}, image], "name": "ada"},
    ]
    assert (
        chat("--turns", "jsonl", stdin="".join(json.dumps(turn) + "\n" for turn in turns).encode()).out
        == "a\nb\nc\nd\n"
    )
    sent = [request.json["messages"][-1] for request in server.requests]
    assert sent == [{"role": "user", "content": "a\nb"}, {"role": "user", "content": "c"}, turns[2]]


def test_a_turn_of_json_may_be_a_system_message(chat, server):
    turns = b'{"role":"system","content":"Be brief"}\n"hi"\n'
    assert chat("--turns", "jsonl", stdin=turns).out == "hi\n"
    assert said(server.requests[0]) == [("system", "Be brief"), ("user", "hi")]


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (
            b"{",
            "the turn is not valid JSON: Expecting property name enclosed in double quotes:"
            " line 1 column 2 (char 1) (turn 2); see --turns",
        ),
        (b"17", "a turn is a JSON string, or a message (turn 2)"),
        (b'{"content":17}', "the content must be text or a list of parts (turn 2)"),
        (b'{"role":"assistant","content":"x"}', "a turn of role assistant cannot be answered (turn 2)"),
    ],
)
def test_a_turn_that_is_none_names_its_number(cli, turn, said):
    assert cli(*ECHO, "--turns", "jsonl", stdin=b'"hi"\n' + turn + b"\n") == Result(
        2, "hi\n", f"llmcli: usage: {said}\n"
    )


def test_a_turn_that_is_not_utf8_names_the_byte(cli):
    assert cli(*ECHO, stdin=b"one\nab\xffc\nthree\n") == Result(
        2,
        "one\n",
        "llmcli: usage: turn 2 is not UTF-8 text: byte 0xff at offset 2; convert it (iconv -t UTF-8)\n",
    )


def test_utf16_is_read_and_a_bom_is_dropped(cli):
    assert cli(*ECHO, stdin="one\ntwo\n".encode("utf-16")).out == "one\ntwo\n"
    assert cli(*ECHO, stdin=b"\xef\xbb\xbfone\ntwo\n").out == "one\ntwo\n"


def test_a_record_per_turn(cli):
    done = cli(*ECHO, "--format", "jsonl", stdin=b"one\ntwo\n")
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [record["choices"][0]["message"]["content"] for record in records] == ["one", "two"]
    assert [record["llmcli"]["model"] for record in records] == ["echo", "echo"]


def test_a_usage_line_per_turn(cli):
    assert cli(*ECHO, "-u", stdin=b"one\ntwo\n").err == (
        "usage: 8 in + 1 out = 9 tokens, $0.000000, 0.00 s, offline/echo\n"
        "usage: 18 in + 1 out = 19 tokens, $0.000000, 0.00 s, offline/echo\n"
    )


def test_the_output_file_has_all_answers(cli, tmp_path):
    out = tmp_path / "out.txt"
    assert cli(*ECHO, "-O", str(out), stdin=b"one\ntwo\n") == Result(0, "", "")
    assert out.read_text() == "one\ntwo\n"


# --- What goes with the turns --------------------------------------------------------------------------------


def test_a_system_message_stands_first(chat, server):
    chat("-s", "Be brief", stdin=b"one\ntwo\n")
    assert [said(request)[0] for request in server.requests] == [("system", "Be brief")] * 2
    assert len(said(server.requests[1])) == 4


def test_earlier_messages_stand_before_the_first_turn(chat, server, tmp_path):
    earlier = tmp_path / "earlier.json"
    earlier.write_text('[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]')
    chat("--messages", str(earlier), stdin=b"c\nd\n")
    assert said(server.requests[1]) == [
        *(("user", "a"), ("assistant", "b")),
        *(("user", "c"), ("assistant", "c"), ("user", "d")),
    ]


def test_files_and_attachments_go_with_the_first_turn(chat, server, tmp_path):
    document = tmp_path / "document.txt"
    document.write_text("the document\n")
    chat("-f", str(document), "-a", "https://example.org/a.png", stdin=b"one\ntwo\n")
    text, image = server.requests[0].json["messages"][0]["content"]
    assert (text["text"], image["type"]) == ("the document\n\none", "image_url")
    assert server.requests[1].json["messages"][-1] == {"role": "user", "content": "two"}


def test_the_template_goes_around_each_turn(chat, server):
    chat("-t", "{{ how }}: {{ input }}", "-p", "how=Briefly", stdin=b"one\ntwo\n")
    assert [request.text for request in server.requests] == ["Briefly: one", "Briefly: two"]


def test_parameters_go_with_each_turn(chat, server):
    chat("--temperature", "0", "-M", "9", stdin=b"one\ntwo\n")
    assert [(request.json["temperature"], request.json["max_tokens"]) for request in server.requests] == [
        (0, 9)
    ] * 2


def test_stdin_holds_the_turns_and_nothing_else(cli):
    assert cli(*ECHO, "-f", "-", stdin=b"one\n") == Result(
        2, "", "llmcli: usage: stdin cannot be read here: the turns come from it; name a file\n"
    )


def test_no_stdin_and_no_terminal_is_no_conversation(cli):
    done = cli(*ECHO, "--no-stdin", stdin=b"one\n")
    assert done == Result(
        2, "", "llmcli: usage: there are no turns; pipe them in, a line each, or use a terminal\n"
    )


def test_dry_run_shows_each_turn_and_sends_nothing(chat, server):
    done = chat("--dry-run", "--no-stream", stdin=b"one\ntwo\n")
    assert [json.loads(line)["messages"] for line in done.out.splitlines()] == [
        [{"role": "user", "content": "one"}],
        [{"role": "user", "content": "two"}],
    ]
    assert server.requests == []


def test_a_schema_holds_for_each_turn(cli):
    done = cli(*ECHO, "--schema", "age int", stdin=b"one\ntwo\n")
    assert done.code == 0
    assert [sorted(json.loads(line)) for line in done.out.splitlines()] == [["age"], ["age"]]


# --- Failures ------------------------------------------------------------------------------------------------


def test_the_first_failure_ends_it_with_its_exit_code(chat, server):
    server.script = [wire.ok("fine"), wire.status(400), wire.ok("never")]
    done = chat(stdin=b"one\ntwo\nthree\n")
    assert (done.code, done.out) == (65, "fine\n")
    assert len(server.requests) == 2


def test_keep_going_goes_on_without_the_turn_that_failed(chat, server):
    server.script = [
        wire.ok("fine"),
        wire.status(400),
        wire.ok("cut", finish_reason="length"),
        wire.ok("last"),
    ]
    done = chat("--keep-going", stdin=b"one\ntwo\nthree\nfour\n")
    assert (done.code, done.out) == (65, "fine\ncut\nlast\n")
    rejected, incomplete = done.err.splitlines()
    assert rejected.startswith("llmcli: rejected: turn 2: ")
    assert incomplete.startswith("llmcli: incomplete: turn 3: the answer was cut at the token limit ")
    assert said(server.requests[3]) == [("user", "one"), ("assistant", "fine"), ("user", "four")]


def test_what_goes_before_the_first_turn_goes_before_the_next_where_that_failed(chat, server):
    server.script = [wire.status(400), wire.ok("fine")]
    chat("-s", "Be brief", "--keep-going", stdin=b"one\ntwo\n")
    assert said(server.requests[1]) == [("system", "Be brief"), ("user", "two")]


@pytest.mark.parametrize("kind", ["lines", "jsonl"])
def test_keep_going_goes_on_behind_a_turn_that_is_no_text(cli, kind):
    done = cli(*ECHO, "--turns", kind, "--keep-going", stdin=b'"one"\nab\xffc\n"three"\n')
    assert (done.code, done.out.replace('"', "")) == (2, "one\nthree\n")
    assert done.err == (
        "llmcli: usage: turn 2: turn 2 is not UTF-8 text: byte 0xff at offset 2;"
        " convert it (iconv -t UTF-8)\n"
    )


def test_keep_going_has_a_record_for_each_turn(chat, server):
    server.script = [wire.status(400), wire.ok("fine")]
    done = chat("--keep-going", "--format", "jsonl", stdin=b"one\ntwo\n")
    failed, fine = map(json.loads, done.out.splitlines())
    assert done.code == 65
    assert failed["error"]["code"] == "rejected"
    assert failed["llmcli"] == {"turn": 1}
    assert fine["choices"][0]["message"]["content"] == "fine"


def test_an_accepted_exit_is_not_the_exit_of_those_that_keep_going(chat, server):
    server.script = [wire.status(400), wire.ok("fine")]
    done = chat("--keep-going", "--ok", "rejected", stdin=b"one\ntwo\n")
    assert (done.code, done.out) == (0, "fine\n")


def test_an_answer_that_broke_off_is_shown_and_is_exit_3(chat, server):
    server.script = wire.ok("Hello there", finish_reason=None, done=False)
    done = chat(stdin=b"one\ntwo\n")
    assert (done.code, done.out, len(server.requests)) == (3, "Hello there\n", 1)


def test_what_a_model_says_of_itself_is_not_sent_back(chat, server):
    server.script = [wire.ok("Hello", reasoning="hmm", extra={"system_fingerprint": "x"}), wire.ok("Bye")]
    chat("--no-stream", stdin=b"one\ntwo\n")
    assert server.requests[1].json["messages"][1] == {"role": "assistant", "content": "Hello"}


def test_an_accepted_exit_is_no_failure_and_its_turn_is_kept(chat, server, tmp_path):
    server.script = [wire.ok("cut", finish_reason="length"), wire.ok("last")]
    kept = tmp_path / "s.jsonl"
    done = chat("--ok", "incomplete", "--session", str(kept), stdin=b"one\ntwo\n")
    assert (done.code, done.out) == (0, "cut\nlast\n")
    assert done.err.startswith("llmcli: incomplete: turn 1: the answer was cut at the token limit ")
    assert said(server.requests[1]) == [("user", "one"), ("assistant", "cut"), ("user", "two")]
    assert '{"role":"assistant","content":"cut","llmcli":{"cut":true}}\n' in kept.read_text()


def test_of_an_answer_that_never_came_nothing_is_kept(chat, server):
    server.script = [wire.status(400), wire.ok("last")]
    done = chat("--ok", "rejected", stdin=b"one\ntwo\n")
    assert (done.code, done.out) == (0, "last\n")
    assert said(server.requests[1]) == [("user", "two")]


# --- Tools ---------------------------------------------------------------------------------------------------

TOOLS = '{"name":"upper","parameters":{"type":"object","properties":{"text":{"type":"string"}}}}'


def test_tools_run_and_the_exchange_is_sent_with_the_next_turn(chat, server):
    calls = [wire.call("upper", {"text": "ada"})]
    server.script = [wire.ok(tool_calls=calls), wire.ok("ADA"), wire.ok("Bye")]
    done = chat("--tools", TOOLS, "--exec", "upper=tr a-z A-Z", stdin=b"Shout my name\nThanks\n")
    assert done == Result(0, "ADA\nBye\n", "")
    messages = server.requests[2].json["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant", "user"]
    assert messages[1]["tool_calls"] == calls
    assert messages[2] == {"role": "tool", "tool_call_id": "call_1", "content": '{"TEXT":"ADA"}'}


def test_calls_are_answered_by_turns_of_tools(chat, server):
    calls = [wire.call("upper", {"text": "a"}, "call_1"), wire.call("upper", {"text": "b"}, "call_2")]
    server.script = [wire.ok(tool_calls=calls), wire.ok("A and B")]
    turns = [
        "Shout",
        {"role": "tool", "tool_call_id": "call_1", "content": "A"},
        {"role": "tool", "tool_call_id": "call_2", "content": "B"},
    ]
    done = chat("--tools", TOOLS, "--turns", "jsonl", stdin="\n".join(map(json.dumps, turns)).encode())
    assert done.code == 0
    assert done.out.splitlines() == [
        '{"id":"call_1","name":"upper","arguments":{"text":"a"}}',
        '{"id":"call_2","name":"upper","arguments":{"text":"b"}}',
        "A and B",
    ]
    assert [message["role"] for message in server.requests[1].json["messages"]] == [
        "user",
        "assistant",
        "tool",
        "tool",
    ]


@pytest.fixture
def called(chat, server, tmp_path):
    """A chat in which "q" is answered with the calls c1 and c2; what else is said is echoed."""
    calls = [wire.call("upper", {"text": "a"}, "c1"), wire.call("upper", {"text": "b"}, "c2")]
    asked = {"role": "user", "content": "q"}
    server.script = lambda request: (
        wire.ok(tool_calls=calls) if request.json["messages"][-1] == asked else wire.ok("so")
    )

    def run(*turns, argv=()):
        kept = ("--session", str(tmp_path / "s.jsonl"))
        stdin = "\n".join(map(json.dumps, turns)).encode()
        return chat("--tools", TOOLS, "--turns", "jsonl", *kept, *argv, stdin=stdin)

    return run


def result(identity: str) -> dict:
    return {"role": "tool", "tool_call_id": identity, "content": "X"}


def kept(tmp_path) -> list[str]:
    records = map(json.loads, (tmp_path / "s.jsonl").read_text().splitlines())
    return [record["role"] for record in records if "role" in record]


CALLED = ["user", "assistant"]
SYSTEM = {"role": "system", "content": "Be brief"}


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        ([result("c1")], "the tool call c2 waits for a tool message (after turn 2)"),
        ([result("c3")], "no call 'c3' waits for a tool message (turn 2); c1 and c2 do"),
        ([result("c1"), result("c1")], "no call 'c1' waits for a tool message (turn 3); c2 does"),
        ([result("c1"), "next"], "the tool call c2 waits for a tool message (turn 3)"),
        ([result("c1"), SYSTEM], "the tool call c2 waits for a tool message (turn 3)"),
        ([SYSTEM], "the tool calls c1 and c2 wait for a tool message (after turn 2)"),
    ],
    ids=["end", "unknown", "twice", "user", "system", "system at the end"],
)
def test_no_tool_message_is_dropped_or_sent_alone(called, server, tmp_path, turns, said):
    done = called("q", *turns)
    assert (done.code, done.err) == (2, f"llmcli: usage: {said}\n")
    assert len(server.requests) == 1
    assert kept(tmp_path) == CALLED


def test_a_tool_message_without_a_call_is_refused(called, server):
    assert called(result("c1")) == Result(
        2, "", "llmcli: usage: no call 'c1' waits for a tool message (turn 1)\n"
    )
    assert server.requests == []


def test_calls_wait_for_the_turns_that_are_right(called, tmp_path):
    done = called("q", result("c1"), "next", result("c2"), argv=["--keep-going"])
    assert (done.code, done.out.splitlines()[-1]) == (2, "so")
    assert done.err == "llmcli: usage: turn 3: the tool call c2 waits for a tool message (turn 3)\n"
    assert kept(tmp_path) == [*CALLED, "tool", "tool", "assistant"]


def test_keep_going_says_at_the_end_which_calls_wait(called):
    done = called("q", result("c1"), argv=["--keep-going"])
    assert (done.code, done.err) == (
        2,
        "llmcli: usage: turn 2: the tool call c2 waits for a tool message (after turn 2)\n",
    )


def test_another_run_answers_the_calls_also_beside_a_system_message(cli, called, server, tmp_path):
    called("q")
    assert called(result("c1"), result("c2"), argv=["-s", "Be brief"]) == Result(0, "so\n", "")
    roles = [message["role"] for message in server.requests[1].json["messages"]]
    assert roles == ["system", *CALLED, "tool", "tool"]
    assert kept(tmp_path) == [*CALLED, "tool", "tool", "system", "assistant"]
    assert cli("count", "-m", "tiny", "--messages", str(tmp_path / "s.jsonl")).code == 0


def test_a_system_message_at_the_end_is_kept(called, server, tmp_path):
    assert called("hi", SYSTEM) == Result(0, "so\n", "")
    assert kept(tmp_path) == ["user", "assistant", "system"]
    called("more")
    assert [message["role"] for message in server.requests[1].json["messages"]] == [
        *("system", "user", "assistant", "user")
    ]


def test_calls_that_nobody_answers_are_left_out_of_the_next_turn(chat, server):
    server.script = [wire.ok(tool_calls=[wire.call("upper", {})]), wire.ok("Bye")]
    done = chat("--tools", TOOLS, stdin=b"one\ntwo\n")
    assert (done.code, done.err) == (
        0,
        "llmcli: the last turn of the session has no answer: it is left out\n",
    )
    assert said(server.requests[1]) == [("user", "two")]


def test_calls_without_end_are_exit_8_and_not_kept(chat, server):
    server.script = [*[wire.ok(tool_calls=[wire.call("upper", {})])] * 2, wire.ok("Bye")]
    done = chat(
        *("--tools", TOOLS, "--exec", "upper=cat", "--max-turns", "2", "--keep-going"), stdin=b"one\ntwo\n"
    )
    assert (done.code, done.out) == (8, "Bye\n")
    assert said(server.requests[2]) == [("user", "two")]


@pytest.mark.parametrize("flag", [["--session", "s.jsonl"], ["-c"]], ids=["--session", "-c"])
def test_a_session_and_none_exclude_each_other(cli, flag):
    assert cli(*ECHO, "--no-session", *flag, stdin=b"one\n") == Result(
        2, "", f"llmcli: usage: --no-session and {flag[0]} exclude each other; drop one of them\n"
    )


def test_dry_run_at_a_terminal_is_refused(cli):
    assert cli(*ECHO, "--dry-run") == Result(
        2,
        "",
        "llmcli: usage: --dry-run and --curl show the turns of a pipe; pipe one in, or use llmcli ask\n",
    )
