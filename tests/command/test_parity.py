"""Parity: a rehearsal refuses what the run refuses; ask, a session and a chat send the same body."""

from __future__ import annotations

import pytest

OFFLINE = ("-m", "offline/echo")
TOOL = '[{"type":"function","function":{"name":"cat","parameters":{"type":"object","properties":{}}}}]'
FIT = ["hello"]

# Flags, and whether they are refused.
LINES = [
    ([], False),
    (["-s", "Be brief."], False),
    (["-M", "5"], False),
    (["-M", "0"], True),
    (["--temperature", "3"], True),
    (["--temperature", "x"], True),
    (["--top-p", "0.5"], False),
    (["--n", "2"], False),
    (["--n", "0"], True),
    (["--seed", "7"], False),
    (["--seed", "x"], True),
    (["--stop", "END"], False),
    (["--logit-bias", "1=2"], False),
    (["--logit-bias", "x=2"], True),
    (["--logit-bias", "1"], True),
    (["--metadata", "a=b"], False),
    (["--metadata", "a"], True),
    (["--top-logprobs", "2"], False),
    (["--top-logprobs", "30"], True),
    (["-o", "top_k=5"], False),
    (["-o", "temprature=1"], True),
    (["-o", "top_k"], True),
    (["-o", "stop=5"], True),
    (["-o", "model=x"], True),
    (["-t", "{{ input }}"], False),
    (["-t", "{{ input"], True),
    (["-t", "@nowhere.tpl"], True),
    (["-p", "a=b"], True),
    (["-t", "{{ a }}", "-p", "a=b"], False),
    (["-t", "{{ a }}"], True),
    (["-t", "{{ input }}", "-p", "input=z"], True),
    (["-f", "nowhere.txt"], True),
    (["-a", "nowhere.png"], True),
    (["--detail", "low"], True),
    (["--messages", "nowhere.json"], True),
    (["--schema", "name, age int"], False),
    (["--schema", "{"], True),
    (["--schema", "a, a"], True),
    (["--schema", '{"type":"nosuch"}'], True),
    (["--schema-multi"], True),
    (["--no-strict"], True),
    (["--json-mode"], False),
    (["--json-mode", "--schema", "a"], True),
    (["--schema", "a", "-o", "response_format={}"], True),
    (["--tools", TOOL], False),
    (["--tools", "[]"], True),
    (["--tools", "{"], True),
    (["--tool-choice", "required"], True),
    (["--tool-choice", "nosuch", "--tools", TOOL], True),
    (["--cache-ttl", "5"], True),
    (["--replay", ".", "--cache"], True),
    (["--max-cost", "1"], False),
    (["--retries", "-1"], True),
    (["--timeout", "0"], True),
    (["--timeout", "1e12"], True),
    (["--ok", "nosuch"], True),
    (["--price", "x"], True),
    (["--profile", "nosuch"], True),
    (["--base-url", "zzz"], True),
    (["-m", ""], True),
]
ASK_ALONE = [
    (["--exec", "nope=cat", "--tools", TOOL], True),
    (["--exec", "cat=", "--tools", TOOL], True),
    (["--exec", "cat=cat", "--tools", TOOL], False),
    (["--max-turns", "0"], True),
]


def runs(cli, flags: list[str], command: str) -> list:
    """The results of the rehearsal and of the run."""
    stdin = {"batch": b'{"prompt":"hello"}', "chat": b"hello\n"}.get(command)
    words = FIT if command == "ask" else []
    lines = ([command, *OFFLINE, *flags, "--dry-run", *words], [command, *OFFLINE, *flags, *words])
    return [cli(*line, stdin=stdin) for line in lines]


@pytest.mark.parametrize("command", ["ask", "chat", "batch"])
@pytest.mark.parametrize(("flags", "refused"), LINES, ids=str)
def test_a_rehearsal_refuses_what_the_run_refuses(cli, tmp_path, monkeypatch, command, flags, refused):
    monkeypatch.chdir(tmp_path)
    rehearsed, run = runs(cli, flags, command)
    assert (rehearsed.code in {2, 78}, run.code in {2, 78}) == (refused, refused), (rehearsed, run)
    if refused:
        assert (rehearsed.code, rehearsed.err) == (run.code, run.err)


@pytest.mark.parametrize("command", ["ask", "chat"])
@pytest.mark.parametrize("session", [[], ["--session", "s"]], ids=["alone", "session"])
@pytest.mark.parametrize(("flags", "refused"), ASK_ALONE)
def test_so_it_is_with_tools(cli, tmp_path, monkeypatch, command, session, flags, refused):
    monkeypatch.chdir(tmp_path)
    cli.env["LLMCLI_STATE"] = str(tmp_path)
    rehearsed, run = runs(cli, [*session, *flags], command)
    assert (rehearsed.code == 2, run.code == 2) == (refused, refused), (rehearsed, run)
    if refused:
        assert rehearsed == run


def test_a_budget_for_a_model_without_a_price_is_refused_in_a_rehearsal_too(cli, tmp_path):
    cli.env["LLMCLI_STATE"] = str(tmp_path)
    flags = ("-m", "tiny", "--base-url", "http://127.0.0.1:9/v1", "--max-cost", "1", "-M", "5")
    for command, words, stdin in (
        ("ask", ["hi"], None),
        ("ask", ["--session", "s", "hi"], None),
        ("chat", [], b"hi\n"),
        ("batch", [], b'{"prompt":"hi"}'),
        ("count", ["hi"], None),
    ):
        run = cli(command if command != "count" else "ask", *flags, *words, stdin=stdin)
        rehearsed = cli(command, *flags, *([] if command == "count" else ["--dry-run"]), *words, stdin=stdin)
        assert (run.code, rehearsed.code, rehearsed.err) == (2, 2, run.err), command


def test_a_budget_that_would_be_passed_is_exit_6_in_a_count_and_a_rehearsal_too(cli):
    flags = ("-m", "gpt-4o-mini", "--max-cost", "0.000000001", "-M", "5")
    run, env = cli("ask", *flags, "hi", env={"OPENAI_API_KEY": "sk-test-key"}), {}
    assert run.code == 6
    assert cli("ask", *flags, "--dry-run", "hi", env=env) == run
    assert cli("count", *flags, "hi", env=env) == run


BODIES = [
    [],
    ["-s", "Be brief."],
    ["-M", "5", "--temperature", "0.5"],
    ["-t", "Say {{ input }}"],
    ["-t", "Before."],
    ["--schema", "name, age int"],
    ["--choices", "yes,no"],
    ["--tools", TOOL, "--tool-choice", "cat"],
    ["-o", "top_k=5", "--stop", "x"],
    ["--top-logprobs", "2", "--metadata", "a=b", "--logit-bias", "7=1"],
]


@pytest.mark.parametrize("flags", BODIES, ids=" ".join)
def test_ask_and_a_session_and_a_chat_send_one_body(cli, tmp_path, flags):
    cli.env["LLMCLI_STATE"] = str(tmp_path)
    common = ["-m", "gpt-4o-mini", "--dry-run", "--no-stream", *flags]
    asked = cli("ask", *common, "hello")
    assert asked.code == 0
    assert cli("ask", *common, "--session", "s", "hello") == asked
    assert cli("count", *common, "hello") == asked
    assert cli("chat", *common, stdin=b"hello\n") == asked


@pytest.mark.parametrize("flags", BODIES, ids=" ".join)
def test_a_batch_of_one_row_sends_what_ask_sends(cli, server, flags):
    common = ["-m", "tiny", "--base-url", server.base_url, *flags]
    cli("ask", *common, "--no-stream", "hello")
    cli("batch", *common, "-q", stdin=b'{"prompt":"hello"}')
    asked, rowed = server.requests
    assert rowed.json == asked.json
    assert rowed.headers.get("authorization") == asked.headers.get("authorization")


@pytest.mark.parametrize("flags", [flags for flags, refused in LINES if refused], ids=" ".join)
def test_every_command_refuses_in_the_same_words(cli, tmp_path, monkeypatch, flags):
    monkeypatch.chdir(tmp_path)
    cli.env["LLMCLI_STATE"] = str(tmp_path)
    lines = {
        "ask": (["ask", "hello"], None),
        "session": (["ask", "--session", "s", "hello"], None),
        "chat": (["chat"], b"hello\n"),
        "batch": (["batch"], b'{"prompt":"hello"}'),
    }
    said = {}
    for name, (line, stdin) in lines.items():
        done = cli(line[0], *OFFLINE, *flags, *line[1:], stdin=stdin)
        said[name] = (done.code, done.err.partition(";")[0])  # what to do may be another thing in each
    assert len(set(said.values())) == 1, said
