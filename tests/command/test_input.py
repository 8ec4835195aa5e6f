"""Where the prompt comes from: words, files, pipes; to the byte."""

from __future__ import annotations

import codecs
import json
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Result

EMPTY = "llmcli: usage: the prompt is empty; give a PROMPT, pipe text in, or name a file with -f\n"
UNREADABLE = "; convert it (iconv -t UTF-8)\n"


@pytest.fixture
def messages(cli):
    """The messages of the request that a command line makes."""

    def run(*argv: str, **more: object) -> list[dict[str, str]]:
        result = cli("ask", "--dry-run", *argv, **more)
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)["messages"]

    return run


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


# --- Words and pipes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        ("ask", "--tools", '[{"name":"\udcff"}]'),
        ("ask", "--schema", '{"a":"\udcff"}  '),
        ("count", "--tools", '[{"name":"\udcff"}]'),
    ],
)
def test_json_on_the_command_line_that_is_no_utf8(cli, argv):
    offset = argv[2].index("\udcff")
    assert cli(*argv, "hi") == Result(
        2,
        "",
        f"llmcli: usage: the argument is not UTF-8 text: byte 0xff at offset {offset};"
        " convert it (iconv -t UTF-8)\n",
    )


@pytest.mark.parametrize("command", [("batch", "-"), ("count", "--rows", "-"), ("ask", "-")])
@pytest.mark.parametrize("how", ["flag", "variable"])
def test_stdin_that_is_asked_for_and_forbidden(cli, command, how):
    flags, env = (["--no-stdin"], {}) if how == "flag" else ([], {"LLMCLI_NO_STDIN": "1"})
    said = cli(*command, *flags, "-m", "offline/echo", stdin=b'{"prompt":"hi"}\n', env=env)
    assert (said.code, said.out) == (2, "")
    assert "stdin is asked for, but --no-stdin forbids it; drop one of them\n" in said.err


def test_words_are_joined_with_one_space(messages):
    assert messages("hello", "there  you", "") == user("hello there  you ")


def test_a_dash_reads_stdin(messages):
    assert messages("-", stdin=b"from the pipe\n") == user("from the pipe")


def test_a_pipe_is_read_without_a_dash(messages):
    assert messages(stdin=b"from the pipe\n") == user("from the pipe")


def test_a_dash_among_words_is_a_word(messages):
    assert messages("a", "-", "b", stdin=b"") == user("a - b")


def test_words_after_two_dashes_are_words(messages):
    assert messages("--", "--help", "-x") == user("--help -x")


def test_words_and_a_pipe_have_a_blank_line_between(messages):
    assert messages("Sum up:", stdin=b"a\nb\n") == user("Sum up:\n\na\nb")


def test_options_stand_anywhere(messages):
    assert messages("a", "--seed", "1", "b") == user("a b")


def test_an_empty_pipe_leaves_no_blank_line(messages):
    assert messages("hi", stdin=b"") == user("hi")
    assert messages("hi", stdin=b"\n") == user("hi")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text.removesuffix("\n")))
def test_what_is_piped_arrives_to_the_byte_but_one_newline(cli, text):
    sent = text.removesuffix("\n").removeprefix("\ufeff")
    result = cli("ask", "--dry-run", "-", stdin=text.encode())
    if sent:
        assert json.loads(result.out)["messages"] == user(sent)
    else:
        assert result == Result(2, "", EMPTY)


@pytest.mark.parametrize(
    "text", ["a\r\nb\r\n", "  lead", "trail  ", "\ttab", "a\n\n\n", "nul\0", "\x1b[31m", "é\u0301"]
)
def test_nothing_is_trimmed(messages, text):
    assert messages(stdin=text.encode()) == user(text.removesuffix("\n"))


def test_only_one_final_newline_goes(messages):
    assert messages(stdin=b"\n\n") == user("\n")


def test_ten_megabytes_arrive_whole(messages):
    text = "0123456789abcdef" * 655_360
    endless = ("-m", "tiny", "--base-url", "http://127.0.0.1:9/v1")  # nobody knows its window
    assert messages(*endless, stdin=text.encode()) == user(text)


# --- Files --------------------------------------------------------------------------------------------------


def test_files_come_before_the_prompt_in_order(messages, tmp_path):
    (tmp_path / "a").write_text("A\n")
    (tmp_path / "b").write_text("B\r\n")
    sent = messages("-f", str(tmp_path / "a"), "hi", "--file", str(tmp_path / "b"), stdin=b"piped\n")
    assert sent == user("A\n\nB\r\n\nhi\n\npiped")


def test_a_file_alone_is_a_prompt(messages, tmp_path):
    (tmp_path / "a").write_text("A\n")
    assert messages("-f", str(tmp_path / "a")) == user("A")


def test_file_dash_is_stdin_in_its_place(messages, tmp_path):
    (tmp_path / "a").write_text("A")
    assert messages("-f", "-", "-f", str(tmp_path / "a"), "hi", stdin=b"piped\n") == user("piped\n\nA\n\nhi")


def test_file_dash_and_a_dash_prompt_read_stdin_once(messages):
    assert messages("-f", "-", "-", stdin=b"piped") == user("piped")


def test_a_file_that_is_not_there(cli):
    assert cli("ask", "--dry-run", "-f", "/no/such", "hi") == Result(
        2, "", "llmcli: usage: cannot read /no/such: No such file or directory; check the path\n"
    )


def test_a_directory_is_no_file(cli, tmp_path):
    assert cli("ask", "--dry-run", "-f", str(tmp_path), "hi") == Result(
        2, "", f"llmcli: usage: cannot read {tmp_path}: Is a directory; check the path\n"
    )


def test_a_file_that_is_not_utf8_is_named_with_the_offset(cli, tmp_path):
    path = tmp_path / "latin1"
    path.write_bytes("gr\u00fc\u00df".encode("latin-1"))
    assert cli("ask", "--dry-run", "-f", str(path), "hi") == Result(
        2, "", f"llmcli: usage: {path} is not UTF-8 text: byte 0xfc at offset 2{UNREADABLE}"
    )


# --- The system message -------------------------------------------------------------------------------------


def test_a_system_message_comes_first(messages):
    assert messages("-s", "Be brief.", "hi") == [{"role": "system", "content": "Be brief."}, *user("hi")]


def test_a_system_message_from_a_file(messages, tmp_path):
    (tmp_path / "s").write_text("Be brief.\n")
    assert messages("--system", f"@{tmp_path / 's'}", "hi")[0] == {"role": "system", "content": "Be brief."}


def test_a_system_message_from_stdin_leaves_the_prompt_alone(messages):
    sent = messages("-s", "@-", "hi", stdin=b"Be brief.\n")
    assert sent == [{"role": "system", "content": "Be brief."}, *user("hi")]


def test_a_system_file_that_is_not_there(cli):
    assert cli("ask", "--dry-run", "-s", "@/no/such", "hi") == Result(
        2, "", "llmcli: usage: cannot read /no/such: No such file or directory; check the path\n"
    )


def test_a_system_message_alone_is_no_prompt(cli):
    assert cli("ask", "--dry-run", "-s", "Be brief.", stdin=b"") == Result(2, "", EMPTY)


# --- Leaving stdin alone ------------------------------------------------------------------------------------


def test_no_stdin_does_not_read_the_pipe(messages):
    assert messages("--no-stdin", "hi", stdin=b"the next line of a list\n") == user("hi")


@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_the_environment_says_no_stdin(messages, value):
    assert messages("hi", stdin=b"piped", env={"LLMCLI_NO_STDIN": value}) == user("hi")


@pytest.mark.parametrize("value", ["0", "false", ""])
def test_the_environment_says_stdin(messages, value):
    assert messages("hi", stdin=b"piped", env={"LLMCLI_NO_STDIN": value}) == user("hi\n\npiped")


@pytest.mark.parametrize("argv", [["-"], ["-f", "-"], ["-s", "@-", "hi"]])
def test_no_stdin_and_a_dash_contradict_each_other(cli, argv):
    assert cli("ask", "--dry-run", "--no-stdin", *argv, stdin=b"piped") == Result(
        2, "", "llmcli: usage: stdin is asked for, but --no-stdin forbids it; drop one of them\n"
    )


def test_no_stdin_in_a_loop_leaves_the_list_for_the_shell(process):
    (process.home / "list").write_text("one\ntwo\nthree\n")
    script = 'while read -r x; do "$@" ask --no-stdin -m offline/echo "$x"; done <list'
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *process.command()],
        cwd=process.home,
        env=process.env,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == (b"one\ntwo\nthree\n", b"")


# --- No prompt ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "stdin"),
    [
        ([], None),
        ([], b""),
        ([], b"\n"),
        ([""], None),
        ([""], b""),
        (["-"], b""),
        (["-"], b"\n"),
        (["-f", "-"], b""),
        (["-f", "/dev/null"], None),
        (["--no-stdin"], b"piped"),
        ([], codecs.BOM_UTF8),
        ([], codecs.BOM_UTF16_LE),
    ],
)
def test_an_empty_prompt_sends_nothing(ask, server, argv, stdin):
    assert ask(*argv, stdin=stdin) == Result(2, "", EMPTY)
    assert server.requests == []


# --- Encodings ----------------------------------------------------------------------------------------------


def test_a_bom_is_dropped(messages):
    assert messages(stdin=codecs.BOM_UTF8 + "gr\u00fc\u00df\n".encode()) == user("gr\u00fc\u00df")


@pytest.mark.parametrize(
    ("bom", "codec"), [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")]
)
def test_utf16_with_a_bom_is_decoded(messages, bom, codec):
    assert messages(stdin=bom + "gr\u00fc\u00df \U0001f600\n".encode(codec)) == user(
        "gr\u00fc\u00df \U0001f600"
    )


def test_half_a_utf16_character(cli):
    assert cli("ask", "--dry-run", stdin=codecs.BOM_UTF16_LE + b"a\0b") == Result(
        2, "", f"llmcli: usage: stdin is not UTF-8 text: byte 0x62 at offset 4{UNREADABLE}"
    )


@pytest.mark.parametrize(
    ("data", "byte", "offset"),
    [
        (b"ab\xffcd", "ff", 2),
        (b"\xc3\xa9\xc3", "c3", 2),
        (codecs.BOM_UTF8 + b"a\x80", "80", 4),
        (b"\xed\xa0\x80", "ed", 0),
    ],
)
def test_stdin_that_is_not_utf8(ask, server, data, byte, offset):
    assert ask(stdin=data) == Result(
        2, "", f"llmcli: usage: stdin is not UTF-8 text: byte 0x{byte} at offset {offset}{UNREADABLE}"
    )
    assert server.requests == []


BAD_ARGUMENT = f"llmcli: usage: the argument is not UTF-8 text: byte 0xff at offset 1{UNREADABLE}"


@pytest.mark.parametrize(
    "argv",
    [
        ["a\udcff"],
        ["-s", "a\udcff", "hi"],
        ["--stop", "a\udcff", "hi"],
        ["-o", "a\udcff=1", "hi"],
        ["--metadata", "a\udcff=1", "hi"],
        ["--user", "a\udcff", "hi"],
        ["--service-tier", "a\udcff", "hi"],
        ["--modalities", "a\udcff", "hi"],
        ["-m", "a\udcff", "hi"],
    ],
)
def test_an_argument_that_is_not_utf8(cli, argv):
    assert cli("ask", "--dry-run", *argv) == Result(2, "", BAD_ARGUMENT)


def test_an_argument_that_is_not_utf8_from_a_shell(process):
    done = subprocess.run(
        [*process.command("ask", "-m", "offline/echo"), b"a\xff"],
        env=process.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.decode()) == (2, b"", BAD_ARGUMENT)


def test_count_reads_its_input_the_same_way(cli, tmp_path):
    (tmp_path / "a").write_text("A\n")
    argv = ["-f", str(tmp_path / "a"), "hi", "-s", "S"]
    assert cli("count", *argv, stdin=b"piped\r\n").out != cli("count", *argv, stdin=b"").out
    assert cli("count", stdin=b"\n") == Result(2, "", EMPTY)
    assert cli("count", "--raw", "a\udcff") == Result(2, "", BAD_ARGUMENT)
