"""Money and windows: what is known before sending to be too dear or too long is not sent."""

from __future__ import annotations

import fcntl
import json
import re
import stat
from pathlib import Path

import pytest

from tests import server as wire
from tests.conftest import KEY, Result

TOOLS = json.dumps([{"name": "weather", "parameters": {"type": "object"}}])
LESS = "limit the answer with -M, or raise --max-cost"


def dear(call: str, before: str, limit: str, name: str = "openai/tiny") -> Result:
    spent = f" on top of {before} spent" if before else ""
    return Result(
        6, "", f"llmcli: budget: a call of {name} may cost {call}{spent}, and --max-cost is {limit}; {LESS}\n"
    )


# --- Before sending -----------------------------------------------------------------------------------------


def test_a_call_that_may_cost_more_is_not_sent(cli, server):
    argv = ["--base-url", server.base_url, "-m", "gpt-4o", "-M", "100"]
    # 8 tokens at $2.50 and 100 at $10 a million.
    assert cli("ask", *argv, "--max-cost", "0.000001", "hi") == dear(
        "$0.001020", "", "$0.000001", "openai/gpt-4o"
    )
    assert server.requests == []


def test_without_a_limit_the_longest_answer_of_the_model_counts(cli, server):
    argv = ["--base-url", server.base_url, "-m", "gpt-4o", "hi"]
    assert cli("ask", "--max-cost", "0.16", *argv, env=KEY).code == 6  # 16,384 tokens at $10 a million
    assert cli("ask", "--max-cost", "0.17", *argv, env=KEY).code == 0


def test_several_choices_cost_as_often(cli):
    argv = ["-m", "gpt-4o", "-M", "100", "--max-cost", "0.001", "--n", "3"]
    assert cli("ask", *argv, "hi") == dear("$0.003020", "", "$0.001", "openai/gpt-4o")


def test_tools_and_schemas_cost_too(cli):
    def worst(*argv: str) -> str:
        return cli("ask", "-m", "gpt-4o", "-M", "1", "--max-cost", "0", *argv, "hi").err

    plain = worst()
    assert plain.startswith("llmcli: budget: a call of openai/gpt-4o may cost $0.0000")
    assert worst("--tools", TOOLS) != plain
    assert worst("--schema", "name") != plain


def test_a_call_that_fits_is_sent(cli):
    assert cli("ask", "-m", "offline/echo", "--max-cost", "0", "hi") == Result(0, "hi\n", "")


def test_a_model_without_a_known_price_is_refused(ask, server):
    assert ask("--max-cost", "1", "-M", "10", "hi") == Result(
        2,
        "",
        "llmcli: usage: a budget cannot hold: the price of openai/tiny is not known;"
        " give it with --price IN,OUT ($ per million tokens) or [prices] in the config file\n",
    )
    assert server.requests == []


def test_a_model_without_a_known_limit_is_refused(ask, server):
    assert ask("--max-cost", "1", "--price", "1,1", "hi") == Result(
        2,
        "",
        "llmcli: usage: a budget cannot hold: nothing limits the answer of openai/tiny; limit it with -M\n",
    )
    assert server.requests == []


def test_a_price_on_the_command_line(ask):
    argv = ["--max-cost", "0.001", "-M", "10"]
    assert ask(*argv, "--price", "1,100", "hi") == dear("$0.001013", "", "$0.001")
    assert ask(*argv, "--price", "1,98", "hi").code == 0


def test_a_price_in_the_config_file(ask, config):
    config.write_text('[prices."tiny"]\ninput = 1\noutput = 100\n')
    assert ask("--max-cost", "0.001", "-M", "10", "hi") == dear("$0.001013", "", "$0.001")


@pytest.mark.parametrize("price", ["1", "a,b", "1,2,3", "-1,2", "nan,1", ","])
def test_a_price_that_is_none(ask, price):
    assert ask("--price", price, "hi") == Result(
        2,
        "",
        f"llmcli: usage: --price {price} is no price;"
        " write IN,OUT in $ per million tokens, e.g. --price 0.15,0.6\n",
    )


# --- Every request counts -----------------------------------------------------------------------------------


def test_the_turns_of_a_tool_loop_count_together(ask, server):
    server.script = wire.ok(tool_calls=[wire.call("weather", {})], usage=wire.usage(1000, 10))
    argv = [
        "--tools",
        TOOLS,
        "--exec",
        "weather=true",
        "--price",
        "1,1",
        "-M",
        "100",
        "--max-cost",
        "0.00205",
    ]
    result = ask(*argv, "hi")
    assert result.code == 6
    assert " on top of $0.002020 spent, and --max-cost is $0.00205; " in result.err
    assert len(server.requests) == 2


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_repairs_count_together(ask, server, how):
    server.script = wire.ok("no", usage=wire.usage(1000, 10))
    argv = [how, "--schema", "a", "--repair", "9", "--price", "1,1", "-M", "100", "--max-cost", "0.00205"]
    result = ask(*argv, "hi")
    assert result.code == 6
    assert " on top of $0.002020 spent" in result.err
    assert len(server.requests) == 2


def test_a_call_that_failed_cost_nothing(ask, server):
    server.script = [wire.status(404), wire.ok("Hello!")]
    argv = ["--price", "1,1", "-M", "100", "--max-cost", "0.00015", "--fallback", "other"]
    assert ask(*argv, "hi") == Result(0, "Hello!\n", "")


def test_a_fallback_that_is_too_dear_is_exit_6(ask, server, config):
    config.write_text("[prices.tiny]\nin = 0\nout = 0\n[prices.other]\nin = 1\nout = 1000\n")
    server.script = wire.status(404)
    result = ask("-M", "100", "--max-cost", "0.001", "--fallback", "other", "hi")
    assert (result.code, len(server.requests)) == (6, 1)


# --- A file for all -----------------------------------------------------------------------------------------


@pytest.fixture
def sharing(ask, tmp_path):
    """`llmcli ask` with a budget file, of a model that costs $1 a million tokens."""

    def run(*argv: str) -> Result:
        return ask("--price", "1,1", "-M", "100", "--budget-file", f"{tmp_path}/budget", *argv, "hi")

    return run


def records(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_each_call_is_a_line_and_the_sum_has_a_cap(sharing, server, tmp_path, how):
    server.script = wire.ok("Hello!", usage=wire.usage(1000, 10))
    assert sharing(how, "--max-cost", "0.0021") == Result(0, "Hello!\n", "")
    assert sharing(how, "--max-cost", "0.0021") == Result(0, "Hello!\n", "")
    assert sharing(how, "--max-cost", "0.0021") == dear("$0.000113", "$0.002020", "$0.0021")
    lines = records(tmp_path / "budget")
    assert [(line["model"], line["state"], line["cost_usd"]) for line in lines] == [
        ("openai/tiny", "spent", 0.00101)
    ] * 2
    assert len(server.requests) == 2
    assert stat.S_IMODE((tmp_path / "budget").stat().st_mode) == 0o600


def test_without_a_cap_it_is_a_record(sharing, tmp_path):
    assert sharing().code == 0
    assert len(records(tmp_path / "budget")) == 1


def test_a_call_that_failed_is_a_line_of_nothing(sharing, server, tmp_path):
    server.script = wire.status(400)
    assert sharing().code == 65
    assert [line["cost_usd"] for line in records(tmp_path / "budget")] == [0]


def test_an_answer_that_broke_off_is_taken_to_have_cost_the_most(sharing, server, tmp_path):
    server.script = wire.cut(wire.ok("Hello there"), 700)
    assert sharing().code == 3
    assert [(line["state"], line["cost_usd"]) for line in records(tmp_path / "budget")] == [
        ("reserved", 0.000113)
    ]


def test_an_answer_without_usage_is_taken_to_have_cost_the_most(sharing, server, tmp_path):
    server.script = wire.ok("Hello", usage=None)
    assert sharing().code == 0
    assert [line["cost_usd"] for line in records(tmp_path / "budget")] == [0.000113]


def test_a_cached_answer_costs_nothing(sharing, tmp_path, cli):
    cli.env["LLMCLI_CACHE"] = f"{tmp_path}/cache"
    sharing("--cache", "--max-cost", "0.00012")
    assert sharing("--cache", "--max-cost", "0.00012").code == 0
    assert len(records(tmp_path / "budget")) == 1


def test_names_of_any_length_and_letters_keep_the_lines_apart(cli, server, tmp_path):
    for model in ('é😀\n"\\' * 60, "b"):
        argv = ["--base-url", server.base_url, "-m", model, "--price", "1,1", "-M", "9"]
        assert cli("ask", *argv, "--budget-file", f"{tmp_path}/budget", "hi").code == 0
    assert len(records(tmp_path / "budget")) == 2


def test_a_file_that_was_emptied_meanwhile(sharing, server, tmp_path):
    (tmp_path / "budget").write_text('{"cost_usd": 0.5}\n')

    def empty(_request):
        (tmp_path / "budget").write_text("")
        return wire.ok("Hello!", usage=wire.usage(1000, 10))

    server.script = empty
    assert sharing() == Result(0, "Hello!\n", "")
    assert [line["cost_usd"] for line in records(tmp_path / "budget")] == [0.00101]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("Shopping list\n", 1),
        ('{"cost_usd": 0.5}\n{"cost_usd": 0.', 2),
        ('{"cost_usd": 0.5}', 1),
        ('{"cost_usd": 0.5}\n[]\n', 2),
        ('{"cost_usd": -1}\n', 1),
        ('{"cost_usd": "nan"}\n', 1),
        ('{"cost_usd": null}\n', 1),
        ("\n", 1),
    ],
)
def test_a_file_that_is_torn_or_not_ours_is_left_as_it_is(sharing, server, tmp_path, content, line):
    file = tmp_path / "budget"
    file.write_text(content)
    assert sharing("--max-cost", "1") == Result(
        2,
        "",
        f"llmcli: usage: --budget-file {file} is no budget file (line {line});"
        " name another file, or take that line out\n",
    )
    assert file.read_text() == content
    assert server.requests == []


def test_a_file_that_another_process_holds(sharing, server, tmp_path, clock):
    file = tmp_path / "budget"
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert sharing("--max-cost", "1") == Result(
            75,
            "",
            f"llmcli: tempfail: another process holds --budget-file {file} for 10 s; try again later\n",
        )
    assert 10 <= sum(clock.slept) < 11
    assert server.requests == []


def test_a_file_that_cannot_be_opened(ask, server):
    argv = ["--price", "1,1", "-M", "9", "--budget-file", "/nowhere/budget", "hi"]
    assert ask(*argv) == Result(
        74,
        "",
        "llmcli: io: cannot open --budget-file /nowhere/budget: No such file or directory; check the path\n",
    )
    assert server.requests == []


@pytest.mark.parametrize("path", ["/dev/null", "/dev/full"])
def test_a_device_keeps_no_sum(ask, server, path):
    argv = ["--price", "1,1", "-M", "9", "--max-cost", "1", "--budget-file", path, "hi"]
    assert ask(*argv) == Result(
        2,
        "",
        f"llmcli: usage: --budget-file {path} is no regular file, so it cannot keep a sum; name a file\n",
    )
    assert server.requests == []


def line(state: str, amount: float) -> bytes:
    """A line as another process writes it."""
    record = {"time": "2026-11-20T12:00:00+00:00", "model": "openai/big", "state": state, "cost_usd": amount}
    return json.dumps(record, separators=(",", ":")).encode().ljust(199) + b"\n"


def replaced(file, content: bytes) -> None:
    new = file.with_name("new")
    new.write_bytes(content)
    new.rename(file)


# What happens to the file while a batch waits for its first answer, and what the second row then finds spent.
# The first row's line is 0.000113 while it is reserved, 0.00101 when it is settled.
MEANWHILE = {
    "nothing": (line("spent", 0.999), lambda _file, _before: None, "1.000010"),
    "another reserves": (
        b"",
        lambda file, before: file.write_bytes(before + line("reserved", 0.9999)),
        "1.000910",
    ),
    "another settles": (
        line("reserved", 0.5) + line("spent", 0.25),
        lambda file, before: file.write_bytes(line("spent", 0.75) + before[200:]),
        "1.001010",
    ),
    "another settles what it has just reserved": (
        line("reserved", 0.5),
        lambda file, before: file.write_bytes(line("spent", 0.75) + before[200:] + line("spent", 0.25)),
        "1.001010",
    ),
    "somebody corrects a line": (
        b'{"cost_usd": 0.1}\n',
        lambda file, before: file.write_bytes(before.replace(b"0.1}", b"0.9999}")),
        "1.001023",
    ),
    "somebody takes lines away": (
        line("spent", 0.1) * 3,
        lambda file, _before: file.write_bytes(line("spent", 0.9999)),
        "1.000910",
    ),
    "somebody begins anew": (
        line("spent", 0.1),
        lambda file, _before: file.write_bytes(line("spent", 0.3333) * 3),
        "1.000910",
    ),
    "somebody puts another file in its place": (
        line("spent", 0.1),
        lambda file, _before: replaced(file, line("spent", 0.9999)),
        "1.000910",
    ),
}


@pytest.mark.parametrize(("before", "meanwhile", "spent"), MEANWHILE.values(), ids=MEANWHILE)
def test_a_batch_sees_what_others_do_to_the_file(cli, server, tmp_path, before, meanwhile, spent):
    file = tmp_path / "budget"
    file.write_bytes(before)

    def answer(_request):
        meanwhile(file, file.read_bytes())
        return wire.ok("Hello!", usage=wire.usage(1000, 10))

    server.script = answer
    argv = ["--base-url", server.base_url, "-m", "tiny", "--price", "1,1", "-M", "100", "-j", "1"]
    budget = ["--budget-file", str(file), "--max-cost", "1"]
    result = cli("batch", *argv, *budget, stdin=b'{"prompt":"hi"}\n{"prompt":"hi"}\n')
    assert result.code == 6
    assert f" may cost $0.000113 on top of ${spent} spent, and --max-cost is $1; " in result.err
    assert len(server.requests) == 1


def bytes_read() -> int:
    """What this process has read from files and pipes so far."""
    return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())[1])


def test_a_batch_does_not_read_the_whole_file_for_each_row(cli, tmp_path):
    argv = ["batch", "-m", "offline/echo", "--price", "1,1", "-M", "5", "--budget-file", f"{tmp_path}/budget"]
    row = b'{"prompt":"hi"}\n'
    assert cli(*argv, stdin=row).code == 0  # all that is imported and loaded is so now
    before = bytes_read()
    assert cli(*argv, stdin=row * 500).code == 0
    assert bytes_read() - before < 10 * (tmp_path / "budget").stat().st_size


# --- Windows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_a_prompt_that_does_not_fit_the_window_is_not_sent(cli, server, how):
    argv = ["--base-url", server.base_url, "-m", "gpt-4o", how]
    assert cli("ask", *argv, stdin=b"word " * 200_000) == Result(
        2,
        "",
        "llmcli: usage: the prompt has 200008 tokens and openai/gpt-4o takes 128000;"
        " shorten it (llmcli count --truncate) or choose another model\n",
    )
    assert server.requests == []


def test_many_bytes_that_are_few_tokens_fit(cli, server):
    server.script = wire.ok("Hello!")
    argv = ["--base-url", server.base_url, "-m", "gpt-4o"]
    assert cli("ask", *argv, stdin=b" " * 400_000 + b"x", env=KEY).code == 0


def test_where_the_window_is_not_known_it_is_sent(ask, server):
    server.script = wire.ok("Hello!")
    assert ask(stdin=b"word " * 200_000).code == 0
    assert len(server.requests) == 1
