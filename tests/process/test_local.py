"""`-m local/FILE.gguf`: a real model in the program's own process, with no server, no key and no network."""

from __future__ import annotations

import json
import lzma
import os
import re
import signal
from contextlib import chdir
from pathlib import Path

import pytest

from tests import llama

pytestmark = pytest.mark.skipif(not llama.available(), reason="xllamacpp is not here")

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = [{"type": "function", "function": {"name": "get_weather", "parameters": CITY}}]
TOOLS = json.dumps(WEATHER)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture(autouse=True)
def model(process):
    """A model of 7 kB in the scratch directory. At temperature 0 it says one sentence."""
    content = lzma.decompress(llama.MODEL.read_bytes())
    process.home.joinpath("tiny.gguf").write_bytes(content)
    return content


def test_it_answers_streamed_and_not_with_usage_and_a_price_of_nothing(process):
    for flags in ((), ("--no-stream",)):
        told = process("ask", "-m", "local/tiny.gguf", "--temperature", "0", "-u", *flags, "Hi")
        assert (told.code, told.out) == (0, "Hello! The sky is blue.\n")
        assert "$0.000000" in told.err
        assert "local/tiny.gguf" in told.err
    body = json.loads(process("ask", "-m", "local/./tiny.gguf", "--json", "Hi").out)
    assert (body["object"], body["llmcli"]["provider"]) == ("chat.completion", "local")
    assert body["usage"]["prompt_tokens"] == body["llmcli"]["usage"]["prompt_tokens"] > 0


def test_a_count_is_what_the_model_reads(process):
    told = json.loads(process("ask", "-m", "local/tiny.gguf", "--json", "Hello there, you two").out)
    counted = process("count", "-m", "local/tiny.gguf", "--json", "Hello there, you two")
    assert json.loads(counted.out)["tokens"] == told["usage"]["prompt_tokens"]
    assert json.loads(counted.out)["method"] == "exact"
    assert (
        int(process("count", "-m", "local/tiny.gguf", "--raw", "Hello").out) < told["usage"]["prompt_tokens"]
    )


def test_a_schema_labels_and_tools_are_enforced_by_its_grammar(process):
    ask = ("ask", "-m", "local/tiny.gguf", "-M", "200", "--temperature", "0")
    schema = json.dumps(
        {"type": "object", "properties": {"sky": {"enum": ["blue", "grey"]}}, "required": ["sky"]}
    )
    assert json.loads(process(*ask, "--schema", schema, "Hi").out)["sky"] in {"blue", "grey"}
    assert process(*ask, "--choices", "yes,no", "Hi").out in {"yes\n", "no\n"}
    call = json.loads(process(*ask, "--tools", TOOLS, "Weather?").out)
    assert call["name"] == "get_weather"


def test_a_conversation_keeps_the_model_and_its_prefix(process):
    told = process("chat", "-m", "local/tiny.gguf", "--temperature", "0", "-u", stdin=b"Hi\nAgain\n")
    assert (told.code, told.out) == (0, "Hello! The sky is blue.\n" * 2)
    first, second = ([int(n) for n in re.findall(r"\d+", line)[:3]] for line in told.err.splitlines())
    assert first[1] == 0
    assert first[0] + first[2] - 2 <= second[1] < second[0], "what was read and said is not read again"


def test_a_batch_has_each_row_once_and_goes_on_after_a_kill(shell):
    told = shell(
        "seq 40 >rows.txt\n"
        "b() { llmcli batch -q rows.txt -m 'local/tiny.gguf?threads=1' --choices yes,no -O out.jsonl; }\n"
        "b & while [ ! -s out.jsonl ]; do sleep 0.02; done; pkill -9 -P $!; kill -9 $!; wait\n"
        "b && wc -l <out.jsonl\n"
        "llmcli report out.jsonl --json | jq -c '[.rows, .ok, (.labels | add)]'"
    )
    assert (told.code, told.out) == (0, "40\n[40,40,40]\n")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nope", "there is no model local/nope"),
        ("text.gguf", "text.gguf is no GGUF file"),
        ("torn.gguf", "torn.gguf is torn"),
        ("head.gguf", "head.gguf is torn"),
        (".", "local/. is a directory"),
        ("tiny.gguf?context=1", "context=1 is not known"),
        ("tiny.gguf?ctx=x", "ctx is a number from 64 to 10000000, not 'x'"),
        ("tiny.gguf?ctx=1", "ctx is a number from 64 to 10000000, not '1'"),
        ("tiny.gguf?threads=100000", "threads is a number from 1 to 512, not '100000'"),
    ],
)
@pytest.mark.parametrize("command", ["ask", "dry", "batch", "count"])
def test_what_is_no_model_is_exit_2_in_words(process, cli, model, name, words, command):
    process.home.joinpath("text.gguf").write_text("hello")
    process.home.joinpath("torn.gguf").write_bytes(model[:-100])
    process.home.joinpath("head.gguf").write_bytes(model[:3000])
    argv = {
        "ask": ["ask", "-m", f"local/{name}", "Hi"],
        "dry": ["ask", "--dry-run", "-m", f"local/{name}", "Hi"],
        "count": ["count", "-m", f"local/{name}", "Hi"],
        "batch": ["batch", "-m", f"local/{name}"],
    }[command]
    with chdir(process.home):
        told = cli(*argv, stdin=b'{"prompt":"Hi"}\n' if command == "batch" else b"")
    assert (told.code, told.out) == (2, "")
    assert words in told.err


def test_models_of_the_variable_are_listed_and_asked_by_name(process, model):
    folder = process.home / "models" / "deep"
    folder.mkdir(parents=True)
    folder.joinpath("small one.gguf").write_bytes(model)
    folder.joinpath("torn.gguf").write_bytes(model[:100])
    env = {"LLMCLI_MODELS": str(process.home / "models")}
    told = process("models", "local/", env=env)
    file = str(folder / "small one.gguf")
    row = ["local/small one", "4096", "6 MB", "F32", "tools schema system", file]
    assert re.split(" {2,}", told.out.splitlines()[1]) == row
    assert told.err == f"llmcli: {folder / 'torn.gguf'} is torn: it ends before its weights do\n"
    assert process("models", "local/other", env=env).code == 1
    assert process("models", "local/", "--live", env=env).out == told.out
    told = json.loads(process("models", "local/small*", "--json", env=env).out)
    assert [(each["id"], each["bytes"]) for each in told] == [("local/small one", len(model))]
    assert {"function_calling", "response_schema"} <= set(told[0]["supports"])
    assert process("ask", "-m", "local/small one", "--temperature", "0", "Hi", env=env).code == 0


def test_ctrl_c_and_a_deadline_end_it_while_it_talks(process):
    argv = ("ask", "-m", "local/tiny.gguf", "-o", "ignore_eos=true", "-M", "4000")
    told = process(*argv, "--deadline", "0.001", "Hi")
    assert told.code == 124
    running = process.start(*argv, "Hi")
    assert running.stdout.read(1)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode == 130


def test_a_timeout_names_the_model(process):
    ask = ("ask", "-m", "local/tiny.gguf", "-o", "ignore_eos=true", "-M", "4000", "--retries", "0", "Hi")
    told = process(*ask, "--timeout", "0.001", "--no-stream")
    assert told.code == 75
    assert "within 0.001 s (local/tiny.gguf); " in told.err  # to connect may take as long on a busy machine


def test_too_long_a_prompt_is_rejected_by_name(process):
    told = process("ask", "-m", "local/tiny.gguf?ctx=256", "word " * 500)
    assert told.code == 65
    assert "256 tokens" in told.err


def test_a_count_of_rows_is_what_the_model_reads(process):
    bodies = [
        {"prompt": "Hi"},
        {
            "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Weather?"}],
            "tools": WEATHER,
        },
    ]
    process.home.joinpath("rows.jsonl").write_text("".join(json.dumps(body) + "\n" for body in bodies))
    batch = ("batch", "rows.jsonl", "-m", "local/tiny.gguf", "-M", "200", "--temperature", "0")
    records = map(json.loads, process(*batch, "--ordered").out.splitlines())
    read = [record["response"]["body"]["usage"]["prompt_tokens"] for record in records]
    counted = process("count", "-m", "local/tiny.gguf", "--rows", "rows.jsonl", "--format", "jsonl")
    assert [json.loads(line)["tokens"] for line in counted.out.splitlines()] == read
    told = json.loads(process(*batch, "--dry-run", "--json").out)
    assert (told["tokens"], told["method"]) == (sum(read), "exact")


def test_a_text_is_cut_in_the_tokens_of_the_model(process):
    text = "Grüße: the sky is \N{GRINNING FACE} blue, and two and two are four."
    count = ("count", "-m", "local/tiny.gguf")
    size = int(process(*count, "--raw", text).out)
    cut = process(*count, "--truncate", str(size - 1), text).out
    assert text.startswith(cut.rstrip("\n"))
    assert size - 5 <= int(process(*count, "--raw", cut.rstrip("\n")).out) < size
    pieces = [json.loads(line) for line in process(*count, "--split", "9", text).out.splitlines()]
    assert "".join(piece["text"] for piece in pieces) == text
    assert all(piece["tokens"] <= 9 for piece in pieces)
    assert sum(piece["tokens"] for piece in pieces) >= size


def test_a_model_that_costs_nothing_passes_no_budget(process):
    ask = ("ask", "-m", "local/tiny.gguf", "--temperature", "0", "--max-cost", "0.01", "Hi")
    assert process(*ask).out == "Hello! The sky is blue.\n"
    told = json.loads(process("count", *ask[1:], "--json").out)
    assert (told["context_window"], told["cost_usd"]["total_max"]) == (4096, 0.0)


@pytest.mark.parametrize(
    ("pattern", "kept"), [(r"^\d{3}$", True), (r"^[^\d]{3}$", True), (r"^(a|b){2}$", True), (r"\d", False)]
)
def test_a_pattern_is_enforced_or_judged_and_the_library_says_nothing(process, pattern, kept):
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": pattern}},
        "required": ["a"],
    }
    ask = ("ask", "-m", "local/tiny.gguf", "-M", "60", "--seed", "4", "--temperature", "1.5", "Hi")
    told = process(*ask, "--schema", json.dumps(schema))
    assert "WARNING" not in told.err
    if kept:
        assert (told.code, told.err) == (0, "")
        assert re.search(pattern, json.loads(told.out)["a"])
    else:
        assert told.code in {0, 3, 5}
    if told.code == 5:
        assert "does not match" in told.err


def test_tools_and_images_for_a_model_that_knows_none_are_exit_2(process, model):
    process.home.joinpath("plain.gguf").write_bytes(model.replace(b"tools", b"boots"))
    for command, *words in (("ask", "Hi"), ("ask", "--dry-run", "Hi"), ("count", "Hi"), ("batch",)):
        told = process(
            command, "-m", "local/plain.gguf", "--tools", TOOLS, *words, stdin=b'{"prompt":"Hi"}\n'
        )
        assert (told.code, told.out) == (2, "")
        assert "local/plain.gguf knows no tools" in told.err
    process.home.joinpath("dot.png").write_bytes(PNG)
    told = process("ask", "-m", "local/tiny.gguf", "-a", "dot.png", "Hi")
    assert told.code == 2
    assert "reads text alone" in told.err


@pytest.mark.parametrize("command", ["ask", "count", "batch"])
@pytest.mark.parametrize("name", ["tiny.gguf?ctx=10000000", "large.gguf"])  # 4096 is what it was trained with
def test_what_does_not_fit_the_memory_is_exit_2(shell, process, model, command, name):
    process.home.joinpath("large.gguf").write_bytes(model)
    os.truncate(process.home / "large.gguf", 1 << 43)  # of which the disk holds the model alone
    words = {"batch": "-O out.jsonl <rows.jsonl"}.get(command, "Hi")
    process.home.joinpath("rows.jsonl").write_bytes(b'{"prompt":"Hi"}\n' * 3)
    told = shell(f"ulimit -v 595700; llmcli {command} -m 'local/{name}' {words}")
    assert (told.code, told.out) == (2, "")
    assert re.search(r"large.gguf has .* of weights|its conversations need|cannot read", told.err), told.err


def test_a_long_name_of_the_place_for_what_is_temporary_is_no_hindrance(process):
    place = process.home / ("long" * 30)
    place.mkdir()
    ask = ("ask", "-m", "local/tiny.gguf", "--temperature", "0", "Hi")
    assert process(*ask, env={"TMPDIR": str(place)}).out == "Hello! The sky is blue.\n"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_one_that_was_stopped(process, stop):
    here = {"TMPDIR": "/tmp"}
    running = process.start(
        "ask", "-m", "local/tiny.gguf", "-o", "ignore_eos=true", "-M", "4000", "Hi", env=here
    )
    assert running.stdout.read(1)
    mine = f"llmcli-local-{running.pid}-*"
    assert len(list(Path(here["TMPDIR"]).glob(mine))) == 1
    running.send_signal(stop)
    running.communicate(timeout=60)
    if stop == signal.SIGKILL:  # then the next one takes it away
        assert process("ask", "-m", "local/tiny.gguf", "Hi", env=here).code == 0
    assert list(Path(here["TMPDIR"]).glob(mine)) == []


def test_it_answers_other_programs(shell):
    told = shell(
        "llmcli serve -m 'local/tiny.gguf?threads=1' -- sh -c '"
        'llmcli ask --base-url "$OPENAI_BASE_URL" -m any --temperature 0 Hi; '
        'llmcli ask --base-url "$OPENAI_BASE_URL" -m any --temperature 0 --api responses --no-stream Hi\''
    )
    assert (told.code, told.out) == (0, "Hello! The sky is blue.\n" * 2)
