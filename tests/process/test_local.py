"""`-m local/FILE.gguf`: a real model in the program's own process, with no server, no key and no network."""

from __future__ import annotations

import json
import lzma
import signal

import pytest

from tests import llama

pytestmark = pytest.mark.skipif(not llama.available(), reason="xllamacpp is not here")

TOOLS = json.dumps(
    [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "parameters": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                },
            },
        }
    ]
)


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
        ("tiny.gguf?ctx=x", "ctx=x is not known"),
    ],
)
@pytest.mark.parametrize("command", ["ask", "dry", "batch", "count"])
def test_what_is_no_model_is_exit_2_in_words(process, model, name, words, command):
    process.home.joinpath("text.gguf").write_text("hello")
    process.home.joinpath("torn.gguf").write_bytes(model[:-100])
    process.home.joinpath("head.gguf").write_bytes(model[:3000])
    argv = {
        "ask": ["ask", "-m", f"local/{name}", "Hi"],
        "dry": ["ask", "--dry-run", "-m", f"local/{name}", "Hi"],
        "count": ["count", "-m", f"local/{name}", "Hi"],
        "batch": ["batch", "-m", f"local/{name}"],
    }[command]
    told = process(*argv, stdin=b'{"prompt":"Hi"}\n' if command == "batch" else b"")
    assert (told.code, told.out) == (2, "")
    assert words in told.err


def test_models_of_the_variable_are_listed_and_asked_by_name(process, model):
    folder = process.home / "models" / "deep"
    folder.mkdir(parents=True)
    folder.joinpath("small one.gguf").write_bytes(model)
    folder.joinpath("torn.gguf").write_bytes(model[:100])
    env = {"LLMCLI_MODELS": str(process.home / "models")}
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


def test_too_long_a_prompt_is_rejected_by_name(process):
    told = process("ask", "-m", "local/tiny.gguf?ctx=256", "word " * 500)
    assert told.code == 65
    assert "256 tokens" in told.err
