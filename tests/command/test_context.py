"""A conversation over the limit goes on: what is sent, what is said, what is kept."""

from __future__ import annotations

import json

import pytest

from tests import server as wire
from tests.conftest import Result

ECHO = ("-m", "offline/echo")
LONG = "word " * 40  # 40 tokens and a little


def said(request) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in request.json["messages"]]


def turns(count: int) -> bytes:
    return "".join(f"{number} {LONG}\n" for number in range(count)).encode()


def questions(request) -> list[str]:
    return [content.split()[0] for role, content in said(request) if role == "user"]


def notes(session) -> list[dict]:
    records = map(json.loads, session.read_text().splitlines())
    return [record["llmcli"] for record in records if "role" not in record]


def test_without_a_window_that_is_known_nothing_is_dropped(chat, server):
    assert chat(stdin=turns(5)).err == ""
    assert questions(server.requests[4]) == ["0", "1", "2", "3", "4"]


def test_window_drops_the_oldest_turns_and_says_so(chat, server):
    done = chat("-s", "Be brief", "--max-context-tokens", "250", stdin=turns(5))
    assert done.code == 0
    assert [questions(request) for request in server.requests] == [
        ["0"],
        ["0", "1"],
        ["0", "1", "2"],
        ["1", "2", "3"],
        ["2", "3", "4"],
    ]
    assert all(said(request)[0] == ("system", "Be brief") for request in server.requests)
    assert done.err == "llmcli: context: the oldest turn of 4 left out, to stay within 250 tokens\n"


def test_each_further_turn_is_said_with_v(chat):
    done = chat("-v", "--max-context-tokens", "250", stdin=turns(5))
    assert [line for line in done.err.splitlines() if "context" in line] == [
        "llmcli: context: the oldest turn of 4 left out, to stay within 250 tokens",
        "llmcli: context: the oldest 2 turns of 5 left out, to stay within 250 tokens",
    ]


def test_what_is_sent_is_never_over_the_limit(cli, chat, server, tmp_path):
    chat("-s", "Be brief", "--max-context-tokens", "250", stdin=turns(6))
    for request in server.requests:
        body = tmp_path / "body.json"
        body.write_text(json.dumps(request.json["messages"]))
        assert int(cli("count", "-m", "tiny", "--messages", str(body)).out) <= 250


def test_what_was_dropped_is_said_once_for_as_long_as_it_does_not_change(chat, session):
    session.write_bytes(b"")
    chat("--session", str(session), stdin=turns(4))
    short = b"hi\nhi\n"
    done = chat("--session", str(session), "--max-context-tokens", "220", stdin=short)
    assert done.err == "llmcli: context: the oldest 2 turns of 5 left out, to stay within 220 tokens\n"


def test_quiet_does_not_say_it(chat):
    assert chat("-q", "--max-context-tokens", "250", stdin=turns(5)).err == ""


def test_keep_turns_needs_no_counting(chat, server):
    done = chat("--keep-turns", "2", stdin=b"a\nb\nc\nd\n")
    assert done.err == "llmcli: context: the oldest turn of 3 left out\n"
    assert [questions(request) for request in server.requests] == [["a"], ["a", "b"], ["b", "c"], ["c", "d"]]


def test_error_is_exit_2_with_the_numbers_and_sends_nothing(chat, server):
    done = chat("--context", "error", "--max-context-tokens", "100", stdin=turns(3))
    assert (done.code, len(server.requests)) == (2, 1)
    assert done.err == (
        "llmcli: usage: the conversation has 141 tokens, and 100 is the limit;"
        " shorten it, raise --max-context-tokens, or choose a model with a larger window\n"
    )
    done = chat("--context", "error", "--keep-turns", "1", stdin=b"a\nb\n")
    assert done.err == (
        "llmcli: usage: the conversation has 2 turns, and --keep-turns is 1;"
        " raise it, or choose --context window\n"
    )


@pytest.mark.parametrize("strategy", ["window", "summarize", "error"])
def test_a_turn_that_does_not_fit_alone_is_exit_2(chat, server, strategy):
    done = chat("--context", strategy, "--max-context-tokens", "30", stdin=turns(1))
    assert (done.code, done.out, server.requests) == (2, "", [])
    assert "tokens, and 30 is the limit; shorten it" in done.err


def test_the_window_of_a_known_model_less_the_answer_is_the_limit(cli, tmp_path):
    kept = tmp_path / "s.jsonl"
    kept.write_text(
        "".join(json.dumps({"role": role, "content": LONG * 50}) + "\n" for role in ("user", "assistant") * 3)
    )
    done = cli("ask", "-m", "gpt-4", "--session", str(kept), "--dry-run", "-M", "1000", "hi")
    assert len(json.loads(done.out)["messages"]) == 3
    done = cli("ask", "-m", "gpt-4o", "--session", str(kept), "--dry-run", "hi")
    assert len(json.loads(done.out)["messages"]) == 7


def test_a_pinned_turn_stays(chat, server, session):
    chat("--session", str(session), stdin=turns(3))
    records = session.read_text().splitlines()
    pinned = json.loads(records[1]) | {"llmcli": {"pin": True}}
    session.write_text("\n".join([records[0], json.dumps(pinned), *records[2:]]) + "\n")
    chat("--session", str(session), "--max-context-tokens", "250", stdin=b"last\n")
    assert questions(server.requests[3]) == ["0", "2", "last"]


def test_a_note_may_pin_a_turn(chat, server, session):
    chat("--session", str(session), stdin=turns(3))
    session.write_text(session.read_text() + '{"llmcli":{"pin":0}}\n')
    chat("--session", str(session), "--max-context-tokens", "250", stdin=b"last\n")
    assert questions(server.requests[3]) == ["0", "2", "last"]


def test_calls_and_results_go_together(chat, server):
    tools = '{"name":"upper","parameters":{"type":"object"}}'
    called = wire.ok(tool_calls=[wire.call("upper", {"text": LONG})])
    server.script = [called, wire.ok("one"), wire.ok("two"), wire.ok("three")]
    chat(
        *("--tools", tools, "--exec", "upper=cat", "--max-context-tokens", "215"),
        stdin=f"a\nb {LONG}\nc {LONG}\n".encode(),
    )
    roles = [[message["role"] for message in request.json["messages"]] for request in server.requests[2:]]
    assert roles == [["user", "assistant", "tool", "assistant", "user"], ["user", "assistant", "user"]]


def test_ask_fits_earlier_messages_too(cli, tmp_path):
    earlier = tmp_path / "earlier.jsonl"
    earlier.write_text("".join(json.dumps({"role": "user", "content": word}) + "\n" for word in "abc"))
    argv = ("-m", "offline/echo", "--messages", str(earlier), "--keep-turns", "2", "d")
    done = cli("ask", *argv, "--dry-run")
    assert [one["content"] for one in json.loads(done.out)["messages"]] == ["c", "d"]
    assert cli("ask", *argv) == Result(0, "d\n", "llmcli: context: the oldest 2 turns of 4 left out\n")
    earlier.write_text('[{"role":"user","content":"c"}]')
    assert cli("count", *argv).out == "13\n"


# --- Summaries -----------------------------------------------------------------------------------------------

SUMMARIZE = ("--context", "summarize", "--max-context-tokens", "600")
TITLE = "Summary of the conversation so far:\n\n"


def is_summary(request) -> bool:
    return request.json["messages"][0]["content"].startswith("Summarize the conversation below ")


def answers(summary="They counted."):
    """Echoes; asked for a summary, this one."""
    return lambda request: wire.ok(summary) if is_summary(request) else wire.echo


def test_summarize_puts_a_summary_in_place_of_the_oldest_turns(chat, server, session):
    server.script = answers()
    done = chat("-s", "Be brief", *SUMMARIZE, "--session", str(session), stdin=turns(7))
    assert done.code == 0
    assert done.err == "llmcli: context: the oldest 4 turns summarized, to stay within 600 tokens\n"
    wish, last = server.requests[6:]
    assert is_summary(wish)
    assert "stream" not in wish.json
    transcript = wish.json["messages"][1]["content"]
    assert transcript.startswith(f"User: 0 {LONG}\n\nAssistant: 0 {LONG}\n\nUser: 1 ")
    assert "User: 4" not in transcript
    assert said(last)[:2] == [("system", "Be brief"), ("system", TITLE + "They counted.")]
    assert questions(last) == ["4", "5", "6"]
    assert {"summary": "They counted.", "of": 9} in notes(session)


def test_a_summary_is_made_once(chat, server, session):
    server.script = answers()
    chat(*SUMMARIZE, "--session", str(session), stdin=turns(7))
    count = len(server.requests)
    done = chat(*SUMMARIZE, "--session", str(session), stdin=b"and?\n")
    assert (done.err, len(server.requests)) == ("", count + 1)
    assert said(server.requests[-1])[0] == ("system", TITLE + "They counted.")
    assert questions(server.requests[-1]) == ["4", "5", "6", "and?"]


def test_another_strategy_takes_no_notice_of_a_summary(chat, server, session):
    server.script = answers()
    chat(*SUMMARIZE, "--session", str(session), stdin=turns(7))
    chat("--session", str(session), stdin=b"and?\n")
    assert questions(server.requests[-1]) == ["0", "1", "2", "3", "4", "5", "6", "and?"]


def test_the_next_summary_tells_of_the_one_before(chat, server):
    server.script = answers()
    chat(*SUMMARIZE, stdin=turns(14))
    wishes = [request.json["messages"][1]["content"] for request in server.requests if is_summary(request)]
    assert wishes[0].startswith("User: 0 ")
    assert wishes[1].startswith("Summary of what went before:\nThey counted.\n\nUser: 4 ")


@pytest.mark.parametrize("limit", [40, 50, 60])
def test_a_small_room_is_summarized_into(chat, server, limit):
    server.script = lambda request: wire.ok("Short." if "Summarize" in str(request.json) else "An answer")
    done = chat(
        "--context", "summarize", "--max-context-tokens", str(limit), stdin=b"alpha beta gamma delta\n" * 5
    )
    assert done.code == 0
    assert "summarized" in done.err
    assert "left out" not in done.err
    assert "Short." in said(server.requests[-1])[0][1]


def test_another_model_may_summarize(chat, server, session):
    server.script = answers()
    chat(*SUMMARIZE, "--summary-model", "small", "--session", str(session), stdin=turns(7))
    assert [request.json["model"] for request in server.requests[5:]] == ["tiny", "small", "tiny"]


@pytest.mark.parametrize(
    ("argv", "limit"),
    [
        (["-m", "tiny", "-M", "90"], {"max_tokens": 90}),
        (["-m", "tiny", "-M", "9"], {"max_tokens": 75}),
        (["-m", "tiny"], {}),
        (["-m", "gpt-4o"], {"max_completion_tokens": 75}),
        (["-m", "gpt-5", "-M", "90"], {"max_completion_tokens": 4075}),
        (["-m", "tiny", "--summary-model", "gpt-4o"], {"max_completion_tokens": 75}),
    ],
    ids=["-M", "small -M", "unknown", "known", "reasons", "--summary-model"],
)
def test_a_summary_is_asked_to_be_no_longer_than_it_may_be(chat, server, argv, limit):
    server.script = answers()
    assert chat(*argv, *SUMMARIZE, stdin=turns(9), env={"OPENAI_API_KEY": "sk-test"}).code == 0
    wish = next(request for request in server.requests if is_summary(request))
    assert {name: value for name, value in wish.json.items() if name.startswith("max")} == limit


def test_a_budget_holds_for_a_summary(chat, server):
    server.script = answers()
    argv = ("-M", "90", "--price", "1,1", "--max-cost", "0.01")
    assert chat(*SUMMARIZE, *argv, stdin=turns(7)).code == 0
    assert sum(map(is_summary, server.requests)) == 1


def test_the_cost_of_a_summary_is_counted(chat, server, session):
    server.script = answers()
    argv = (*SUMMARIZE, "--price", "1,1", "--format", "jsonl", "--session", str(session))
    last = json.loads(chat(*argv, stdin=turns(7)).out.splitlines()[-1])
    note = next(note for note in notes(session) if "summary" in note)
    own = json.loads(session.read_text().splitlines()[-1])["llmcli"]["cost_usd"]
    assert note["cost_usd"] > 0
    assert own == pytest.approx(last["usage"]["total_tokens"] / 1e6)
    assert last["llmcli"]["cost_usd"] == pytest.approx(own + note["cost_usd"])


def test_a_pinned_turn_is_not_summarized(chat, server, session):
    server.script = answers()
    chat("--session", str(session), stdin=turns(6))
    session.write_text(session.read_text() + '{"llmcli":{"pin":0}}\n')
    chat(*SUMMARIZE, "--session", str(session), stdin=turns(1).replace(b"0", b"last"))
    wish, last = server.requests[6:]
    assert "User: 0" not in wish.json["messages"][1]["content"]
    assert said(last)[0] == ("system", TITLE + "They counted.")
    assert questions(last) == ["0", "5", "last"]


def test_a_summary_that_is_too_long_is_cut(chat, server, cli, tmp_path):
    server.script = answers(LONG * 20)
    assert chat(*SUMMARIZE, stdin=turns(9)).code == 0
    for request in server.requests:
        if not is_summary(request):
            body = tmp_path / "body.json"
            body.write_text(json.dumps(request.json["messages"]))
            assert int(cli("count", "-m", "tiny", "--messages", str(body)).out) <= 600


@pytest.mark.parametrize(
    ("answer", "code"),
    [(wire.status(400), 65), (wire.ok(""), 75), (wire.ok(refusal="No."), 4)],
    ids=["rejected", "empty", "refused"],
)
def test_a_summary_that_cannot_be_had_fails_the_turn(chat, server, answer, code):
    server.script = lambda request: answer if is_summary(request) else wire.echo
    done = chat(*SUMMARIZE, stdin=turns(7))
    assert done.code == code
    assert len(done.out.splitlines()) == 6


def test_keep_turns_summarizes_what_is_older(chat, server):
    server.script = answers()
    chat("--context", "summarize", "--keep-turns", "2", stdin=b"a\nb\nc\n")
    assert said(server.requests[-1])[0] == ("system", TITLE + "They counted.")
    assert questions(server.requests[-1]) == ["b", "c"]


def test_a_conversation_far_over_the_limit_is_summarized_in_parts(chat, server, session):
    chat("--session", str(session), stdin=turns(30))
    server.script = answers()
    before = len(server.requests)
    assert chat(*SUMMARIZE, "--session", str(session), stdin=b"last\n").code == 0
    wishes = server.requests[before:-1]
    assert len(wishes) > 3
    assert all(is_summary(request) for request in wishes)


# --- Offline, and counts that are kept -----------------------------------------------------------------------


@pytest.mark.parametrize(("strategy", "code"), [("window", 0), ("summarize", 0), ("error", 2)])
def test_all_of_it_offline(cli, session, strategy, code):
    argv = ("chat", *ECHO, "--context", strategy, "--max-context-tokens", "250", "--session", str(session))
    done = cli(*argv, stdin=turns(8))
    assert done.code == code
    assert len(done.out.splitlines()) == (8 if code == 0 else 3)
    assert cli("count", *ECHO, "--messages", str(session)).code == 0


def test_counts_are_kept_with_the_messages(cli, session):
    argv = ("chat", *ECHO, "--max-context-tokens", "250", "--session", str(session))
    cli(*argv, stdin=turns(4))
    messages = [one for one in map(json.loads, session.read_text().splitlines()) if "role" in one]
    counted = [one for one in messages if one.get("llmcli", {}).get("encoding") == "cl100k_base"]
    assert len(counted) >= 4
    noted = [note for note in notes(session) if "tokens" in note]
    assert noted == [] or all(note["encoding"] == "cl100k_base" for note in noted)


def test_a_session_without_counts_is_counted_once(cli, session):
    cli("chat", *ECHO, "--session", str(session), stdin=turns(4))
    argv = ("ask", *ECHO, "--max-context-tokens", "250", "--session", str(session))
    cli(*argv, "hi")
    assert [note["from"] for note in notes(session) if "tokens" in note] == [0]
    cli(*argv, "hi")
    assert [note["from"] for note in notes(session) if "tokens" in note] == [0]
    assert cli(*argv, "hi") == Result(
        0, "hi\n", "llmcli: context: the oldest 2 turns of 7 left out, to stay within 250 tokens\n"
    )
