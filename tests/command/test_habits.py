"""Lines typed from habit of llm, curl, gh, sgpt and openai: done, refused by name, or noticed; none in silence."""

from __future__ import annotations

import pytest

from llmcli.cli.line import COMMANDS, story_of
from llmcli.habits.tables import NEIGHBOURS, SYNONYMS
from llmcli.settings.flag import options_of
from tests import server as wire
from tests.conftest import Result

ECHO = {"LLMCLI_MODEL": "offline/echo"}
SECRET = "sk-abcdefghijklmnop"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc00000030101"
    "00c9fe92ef0000000049454e44ae426082"
)


@pytest.fixture
def typed(cli, tmp_path, monkeypatch):
    """One line, in a directory with the files that lines speak of."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("some notes\n")
    (tmp_path / "my notes.txt").write_text("more\n")
    (tmp_path / "img.png").write_bytes(PNG)
    (tmp_path / "rows.jsonl").write_text('{"prompt": "one"}\n{"prompt": "two"}\n')
    (tmp_path / "rows.csv").write_text("city\nParis\nRome\n")

    def run(*argv: str, stdin: bytes | None = None, env=ECHO) -> Result:
        return cli(*argv, stdin=stdin, env=env)

    return run


# --- What works as it is meant -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "stdin", "out"),
    [
        (["Five names for a pelican"], None, "Five names for a pelican\n"),
        (["Five names", "-m", "offline/echo", "please"], None, "Five names please\n"),
        (["-s", "commit message"], b"a diff\n", "a diff\n"),
        (["-m", "offline/echo", "hi"], None, "hi\n"),
        (["-moffline/echo", "hi"], None, "hi\n"),
        (["--model=offline/echo", "hi", "there"], None, "hi there\n"),
        (["-xf", "notes.txt", "explain"], None, "some notes\n\nexplain\n"),
        (["-q", "hi"], None, "hi\n"),
        (["-m", "offline/echo", "-"], b"piped\n", "piped\n"),
        (["ask", "-m", "offline/echo", "hi"], None, "hi\n"),
        (["ask", "--schema", "name, age int", "dog"], None, '{"name":"example","age":1}\n'),
        (["ask", "-f", "notes.txt", "explain"], None, "some notes\n\nexplain\n"),
        (["ask", "-a", "img.png", "hi"], None, "hi\n"),
        (["ask", "-x", "hi"], None, "hi\n"),
        (["ask", "--no-stream", "--max-tokens", "100", "-M20", "--temperature=0", "hi"], None, "hi\n"),
        (["ask", "-H", "X-Trace: 1", "hi"], None, "hi\n"),
        (["count"], b"some notes\n", "9\n"),
        (["ask"], b"some notes\n", "some notes\n"),
        (["batch", "--format", "text", "rows.jsonl"], None, "one\ntwo\n"),
        (
            ["batch", "rows.csv", "-t", "Where is {{ city }}?", "--format", "text"],
            None,
            "Where is Paris?\nWhere is Rome?\n",
        ),
        (["version"], None, "llmcli 0.1.0\n"),
        (["-V"], None, "llmcli 0.1.0\n"),
        (["--version"], None, "llmcli 0.1.0\n"),
    ],
)
def test_a_line_that_works_as_it_is_meant(typed, argv, stdin, out):
    result = typed(*argv, stdin=stdin)
    assert (result.code, result.out) == (0, out)
    assert argv[0] == "batch" or result.err == ""


# --- What is refused in one line that names the right thing -------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "named"),
    [
        # a neighbour's first word
        ("prompt hi", "llmcli ask 'PROMPT'"),
        ("keys set openai", "OPENAI_API_KEY"),
        ("logs -n 3", "--session NAME"),
        ("templates list", "-t @FILE"),
        ("aliases set fast gpt-4o-mini", "--profile NAME"),
        ("config set model x", "config.toml"),
        ("auth login", "--api-key-file"),
        ("api chat.completions.create -g user Hello", "llmcli ask 'PROMPT'"),
        ("chat:completions create", "llmcli ask 'PROMPT'"),
        ("-q keys set openai " + SECRET, "OPENAI_API_KEY"),
        # a slip of a command, and a word that is none
        ("bacth rows.jsonl", "did you mean llmcli batch?"),
        ("ASK hi", "did you mean llmcli ask?"),
        ("model gpt", "did you mean llmcli models?"),
        ("aks hi", "did you mean llmcli ask?"),
        ("hello", "did you mean llmcli ask hello?"),
        ("why is it so", "did you mean llmcli ask why is it so?"),
        ("rows.jsonl -O out.jsonl", "did you mean llmcli batch rows.jsonl -O out.jsonl?"),
        ("-", "did you mean llmcli ask -?"),
        (SECRET, "did you mean llmcli ask '***'?"),
        # options before their command
        ("-q batch rows.jsonl -O out.jsonl", "llmcli batch -q rows.jsonl -O out.jsonl"),
        ("--rpm 5 -j4 batch rows.jsonl", "llmcli batch --rpm 5 -j4 rows.jsonl"),
        ("--profile x ask hi", "llmcli ask --profile x hi"),
        ("-m x models", "options stand behind their command, and models has no -m"),
        ("-m x what is a batch", "to ask, type llmcli ask -m x what is a batch"),
        ("-q version", "to ask, type llmcli ask -q version"),
        (f"-H X-Key:{SECRET} batch rows.jsonl", "llmcli batch -H 'NAME: VALUE' rows.jsonl"),
        (f"-HX-Key:{SECRET} batch rows.jsonl", "llmcli batch -H rows.jsonl"),
        ("--ordered hi", "batch has --ordered"),
        # options of others
        ("ask hi -o temperature 0.5", "write -o temperature=VALUE"),
        ("ask -o out.txt", "-O FILE"),
        ("ask --schema-multi name x", "give it with --schema"),
        ("ask --xl", "-x prints the first fenced block"),
        ("ask -n", "--record"),
        ("ask --no-log", "--record"),
        ("ask -T tool", "--tools FILE"),
        ("ask --key " + SECRET, "--api-key-file FILE"),
        ("ask --key=" + SECRET, "--api-key-file FILE"),
        ("ask --api-key " + SECRET, "--api-key-file FILE"),
        ("--key " + SECRET + " hi", "--api-key-file FILE"),
        ("ask -k" + SECRET, "no flag takes a key"),
        ("--shell hi", "-x prints the code alone"),
        ("--code hi", "-x prints the code alone"),
        ("ask --role coder", "--profile NAME"),
        ("ask --temp 0.3", "it is --temperature"),
        ("ask -temp 0.3", "it is --temperature"),
        ("ask -model x hi", "it is --model"),
        ("-model x hi", "it is --model"),
        ("ask --max_tokens 5", "it is --max-tokens"),
        ("ask --maxTokens=5", "it is --max-tokens"),
        ("ask --top_p 1", "it is --top-p"),
        ("ask --max-completion-tokens 5", "it is --max-tokens"),
        ("ask --retry 3", "it is --retries"),
        ("ask --max-retries 3", "it is --retries"),
        ("ask --max-time 3", "it is --deadline"),
        ("ask --connect-timeout 3", "--timeout S"),
        ("ask -d @body.json", "-o KEY=VALUE"),
        ("ask --jq .x hi", "--json | jq FILTER"),
        ("ask --system-prompt x hi", "it is --system"),
        ("ask --reasoning-eff low hi", "did you mean --reasoning-effort?"),
        ("ask --tempratur 1 hi", "did you mean --temperature?"),
        ("ask --ordered hi", "batch has --ordered"),
        ("models --temperature 1", "ask and chat and batch have --temperature"),
        ("batch --workers 4 rows.jsonl", "it is --concurrency"),
        ("ask --workers 4 hi", "batch has --workers"),
        ("ask --nothing-of-the-kind hi", "see llmcli ask --help"),
        ("ask -5 degrees", "words that begin with - stand behind --"),
        ("ask --version", "llmcli --version"),
        ("ask -q 4o -q mini hi", "llmcli models PATTERN"),
        ("ask -qq hi", "-q is given twice"),
        ("-q --quiet hi", "-q is given twice"),
        # words too many
        ("chat hello", "llmcli ask 'PROMPT'"),
        ("models gpt 4o", "one PATTERN"),
        ("help ask more", "one TOPIC"),
        ("doctor now", "llmcli doctor checks what is here"),
    ],
)
def test_a_line_that_is_refused_and_names_what_is_right(typed, line, named):
    result = typed(*line.split(" "), stdin=b"something")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("llmcli: usage: ")
    assert result.err.count("\n") == 1
    assert named in result.err
    assert SECRET not in result.err


@pytest.mark.parametrize(
    ("shell", "begin"), [("bash", "# Generated"), ("zsh", "#compdef llmcli"), ("fish", "# Generated")]
)
def test_the_completion_script_of_a_shell(typed, shell, begin):
    result = typed("completion", shell)
    assert (result.code, result.out[: len(begin)], result.err) == (0, begin, "")


@pytest.mark.parametrize("words", [[], ["powershell"]])
def test_a_shell_without_a_script_is_refused(typed, words):
    result = typed("completion", *words)
    assert (result.code, result.out) == (2, "")
    assert "llmcli completion bash|zsh|fish" in result.err


def test_a_template_with_single_braces_is_refused(typed):
    result = typed("batch", "rows.jsonl", "-t", "Sum: {prompt}")
    assert (result.code, result.out) == (2, "")
    assert "write {{ prompt }}" in result.err


def test_going_on_without_a_session_says_how_to_begin_one(typed):
    result = typed("ask", "-c", "hi")
    assert (result.code, result.out) == (66, "")
    assert "begin one with --session NAME" in result.err


@pytest.mark.parametrize(
    ("pattern", "todo"),
    [
        ("list", "see llmcli models for all of them"),
        ("gpt-4o-mimi", "did you mean gpt-4o-mini?"),
        ("openai/gpt-4o-mimi", "did you mean gpt-4o-mini?"),
        ("offline/ecko", "did you mean offline/echo?"),
    ],
)
def test_a_pattern_that_fits_nothing_names_the_nearest_model(typed, pattern, todo):
    expected = f"llmcli: error: no model matches '{pattern}'; {todo}\n"
    assert typed("models", pattern) == Result(1, "", expected)


def test_a_model_that_is_not_known_names_the_nearest_where_there_is_no_key(typed):
    assert typed("ask", "-m", "echo", "hi") == Result(
        77,
        "",
        "llmcli: auth: there is no key for openai; set OPENAI_API_KEY or use --api-key-file; "
        "or did you mean -m offline/echo?\n",
    )


def test_a_model_that_the_endpoint_does_not_know_names_the_nearest(cli, server):
    server.script = wire.status(404)
    result = cli("ask", "--base-url", server.base_url, "-m", "gpt-4o-mimi", "hi")
    assert result.code == 65
    assert result.err.endswith("; did you mean -m gpt-4o-mini?\n")


# --- What is noticed, and goes on ---------------------------------------------------------------------------------

NOTICED = [
    (["ask", "explain", "@notes.txt"], "@notes.txt is a file, and was taken as text: -f notes.txt reads it"),
    (["ask", "@notes.txt"], "@notes.txt is a file, and was taken as text: -f notes.txt reads it"),
    (["ask", "notes.txt"], "notes.txt is a file, and was taken as text: -f notes.txt reads it"),
    (
        ["ask", "my", "notes.txt"],
        "'my notes.txt' is a file, and was taken as text: -f 'my notes.txt' reads it",
    ),
    (["my notes.txt"], "'my notes.txt' is a file, and was taken as text: -f 'my notes.txt' reads it"),
    (
        ["ask", "@notes.txt", "@my notes.txt"],
        "@notes.txt and '@my notes.txt' are files, and were taken as text: "
        "-f notes.txt -f 'my notes.txt' reads them",
    ),
    (
        ["ask", "-s", "notes.txt", "hi"],
        "-s notes.txt is a file, and was taken as text: -s @notes.txt reads it",
    ),
    (
        ["ask", "-t", "notes.txt", "hi"],
        "-t notes.txt is a file, and was taken as text: -t @notes.txt reads it",
    ),
    (
        ["ask", "-t", "summary", "hi"],
        "-t summary is the template's text, which has no {{ input }}, so the prompt stands behind it; "
        "a template in a file is -t @FILE",
    ),
    (["count", "notes.txt"], "notes.txt is a file, and was taken as text: -f notes.txt reads it"),
    (["count", "--raw", "notes.txt"], "notes.txt is a file, and was taken as text: -f notes.txt reads it"),
    (
        ["ask", "--reasoning", "high", "hi"],
        "--reasoning takes no value: high was taken as part of the prompt; the effort is --reasoning-effort high",
    ),
    (["ask", "--store", "true"], "--store takes no value: true was taken as part of the prompt"),
    (
        ["ask", "--json", '{"a":1}'],
        "--json takes no value: '{\"a\":1}' was taken as part of the prompt; "
        "--json is the form of the answer, a field of the request -o KEY=VALUE",
    ),
    (["-v", "bacth", "x"], "bacth was taken as the prompt's; a command stands first: llmcli batch"),
]


@pytest.mark.parametrize(("argv", "said"), NOTICED)
def test_a_line_that_is_noticed_and_goes_on(typed, argv, said):
    result = typed(*argv)
    assert (result.code, f"llmcli: {said}\n" in result.err) == (0, True), result.err
    assert result.out
    assert result.err.count("taken as") + result.err.count("template's text") == 1


@pytest.mark.parametrize("argv", [argv for argv, _ in NOTICED if "-v" not in argv])
def test_the_quiet_are_told_nothing(typed, argv):
    result = typed(*argv, "-q")
    assert (result.code, result.err) == (0, "")


def test_a_batch_says_that_a_template_is_the_name_of_a_file(typed):
    result = typed("batch", "rows.jsonl", "-t", "notes.txt", "--dry-run")
    assert "llmcli: -t notes.txt is a file, and was taken as text: -t @notes.txt reads it\n" in result.err


@pytest.mark.parametrize(
    "argv",
    [
        ["ask", "@nobody.txt"],
        ["ask", "see", "notes.txt"],  # a word among others
        ["ask", "x" * 5000],
        ["ask", "-t", "Summarize: ", "hi"],
        ["ask", "-t", "{{input}}", "hi"],
        ["ask", "--", "--reasoning", "high"],
    ],
)
def test_what_is_no_slip_is_not_noticed(typed, argv):
    result = typed(*argv)
    assert (result.code, result.err) == (0, "")


# --- The tables ---------------------------------------------------------------------------------------------------


def test_every_synonym_is_an_option_that_some_command_has_or_a_sentence():
    known = {name for command in COMMANDS for name in options_of(story_of(command)[1])}
    assert {meant for meant in SYNONYMS.values() if " " not in meant} <= known
    assert [name for name in SYNONYMS if name in options_of(story_of("ask")[1])] == []


def test_no_neighbours_word_is_a_command():
    assert [word for word in NEIGHBOURS if word in COMMANDS] == []
