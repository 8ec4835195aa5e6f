"""Each file a row: which files, what they say, and what becomes of those that say nothing."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

RUN = ("batch", "-q", "-m", "offline/echo", "--ordered")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def records(text: str) -> list[dict]:
    return [json.loads(line) for line in text.split("\n")[:-1]]


def said(record: dict) -> str:
    if record["error"] is not None:
        return f"{record['error']['code']}: {record['error']['message']}"
    return record["response"]["body"]["choices"][0]["message"]["content"]


def made(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(f"I am {name}\n")


TREE = ["a.md", "B.md", "b.txt", ".hidden.md", "sub/c.md", "sub/deep/d.md", ".dir/e.md", "[x].md", "ü.md"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.md", ["B.md", "[x].md", "a.md", "ü.md"]),
        ("**/*.md", ["B.md", "[x].md", "a.md", "sub/c.md", "sub/deep/d.md", "ü.md"]),
        ("sub/**", ["sub/c.md", "sub/deep/d.md"]),
        ("?.*", ["B.md", "a.md", "b.txt", "ü.md"]),
        (".*.md", [".hidden.md"]),
        (".dir/*", [".dir/e.md"]),
        ("[ab].md", ["a.md"]),
        ("[[]x].md", ["[x].md"]),
        ("*/*.md", ["sub/c.md"]),
        ("a.md", ["a.md"]),
    ],
)
def test_a_pattern_names_files_as_in_a_shell(cli, pattern, expected):
    made(*TREE)
    result = cli(*RUN, "--each", pattern, "-t", "{{ path }}")
    found = records(result.out)
    assert [said(record) for record in found] == expected
    assert [record["custom_id"] for record in found] == expected


def test_what_a_file_says(cli):
    made("sub/my notes.tar.gz")
    template = "{{ path }}|{{ name }}|{{ stem }}|{{ text }}|{{ input }}"
    assert said(records(cli(*RUN, "--each", "sub/*", "-t", template).out)[0]) == (
        "sub/my notes.tar.gz|my notes.tar.gz|my notes.tar|I am sub/my notes.tar.gz|I am sub/my notes.tar.gz"
    )


@pytest.mark.parametrize(
    ("argv", "prompt"),
    [([], "I am a.md"), (["-t", "Sum up:"], "Sum up:\n\nI am a.md"), (["-t", "<{{ text }}>"], "<I am a.md>")],
)
def test_the_text_is_the_prompt(cli, argv, prompt):
    made("a.md")
    assert said(records(cli(*RUN, "--each", "a.md", *argv).out)[0]) == prompt


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("a.png", PNG, {"type": "image_url", "image_url": {"url": "data:image/png;base64,@"}}),
        (
            "a.pdf",
            b"%PDF-1.7 x",
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,@"}},
        ),
        (
            "a.wav",
            b"RIFF....WAVEx",
            {"type": "input_audio", "input_audio": {"data": "@", "format": "wav"}},
        ),
    ],
)
@pytest.mark.parametrize("template", [[], ["-t", "What is {{ name }}?{{ text }}"], ["-t", "What is it?"]])
def test_images_audio_and_pdf_are_attached(cli, server, name, content, part, template):
    Path(name).write_bytes(content)
    result = cli("batch", "-q", "-m", "tiny", "--base-url", server.base_url, "--each", "a.*", *template)
    assert result.code in {0, 7}  # the server says what it was told, be it nothing
    text = {"": [], "What is {{ name }}?{{ text }}": [f"What is {name}?"]}.get(
        template[-1] if template else "", ["What is it?"]
    )
    expected = json.loads(json.dumps(part).replace("@", base64.b64encode(content).decode()))
    assert server.requests[0].json["messages"] == [
        {"role": "user", "content": [*({"type": "text", "text": each} for each in text), expected]}
    ]


def test_files_that_say_nothing_are_an_error_record_each_and_nothing_is_sent(cli, server):
    made("good.md")
    Path("binary").write_bytes(b"\x7fELF" + bytes(100))
    Path("empty").touch()
    Path("latin").write_bytes(b"Z\xfcrich")
    Path("newline").write_bytes(b"\n")
    Path("gone").symlink_to("nowhere")
    with Path("large").open("wb") as large:
        large.truncate(50_000_001)
    Path(os.fsdecode(b"n\xfcme")).write_text("x")
    os.mkfifo("pipe")
    argv = ("batch", "-q", "--ordered", "-m", "tiny", "--base-url", server.base_url)
    result = cli(*argv, "--each", "*")
    assert result.code == 7
    found = {record["custom_id"]: record["error"] for record in records(result.out)}
    assert found == {
        "binary": {
            "code": "invalid_file",
            "message": "binary is binary, and of no type that can be attached",
        },
        "config.toml": {"code": "invalid_file", "message": "config.toml is empty"},
        "empty": {"code": "invalid_file", "message": "empty is empty"},
        "gone": {"code": "invalid_file", "message": "there is no file gone"},
        "good.md": None,
        "large": {"code": "invalid_file", "message": "large is too large: 50,000,000 bytes is the most"},
        "latin": {
            "code": "invalid_utf8",
            "message": "latin is not UTF-8 text: byte 0xfc at offset 1",
        },
        "n\\xfcme": {"code": "invalid_utf8", "message": "the name is not UTF-8: n\\xfcme"},
        "newline": {"code": "invalid_row", "message": "the prompt is empty"},
        "pipe": {"code": "invalid_file", "message": "cannot read pipe: it is no regular file"},
    }
    assert len(server.requests) == 1


def test_a_name_that_is_no_utf_8_is_known_by_its_bytes(cli):
    for name in (b"\xfc", b"\xfd"):
        Path(os.fsdecode(name)).write_text("x")
    argv = [*RUN, "--each", "[!c]*", "-O", "out.jsonl"]
    for _ in range(2):
        assert cli(*argv).code == 7
        errors = records(Path("out.errors.jsonl").read_text())
        assert [record["custom_id"] for record in errors] == ["\\xfc", "\\xfd"]


@pytest.mark.parametrize(
    "stdin",
    [b"a.md\0sub/b\nc.md\0", b"a.md\0sub/b\nc.md", b"a.md\0\0sub/b\nc.md\0"],
)
def test_names_that_end_in_nul(cli, stdin):
    made("a.md", "sub/b\nc.md")
    found = records(cli(*RUN, "--each", "-", stdin=stdin).out)
    assert [record["custom_id"] for record in found] == ["a.md", "sub/b\nc.md"]


@pytest.mark.parametrize("stdin", [b"b.md\na.md\n", b"b.md\n\na.md"])
def test_names_that_are_lines(cli, stdin):
    made("a.md", "b.md")
    found = records(cli(*RUN, "--each", "-", stdin=stdin).out)
    assert [record["custom_id"] for record in found] == ["b.md", "a.md"]


def test_a_name_twice_is_that_rows_error(cli):
    made("a.md")
    found = records(cli(*RUN, "--each", "-", stdin=b"a.md\na.md\n").out)
    assert [said(record).partition(":")[0] for record in found] == ["I am a.md", "duplicate_id"]


def test_names_of_stdin_are_kept_for_a_resume(cli):
    made("a.md", "b.md")
    argv = [*RUN, "--each", "-", "-O", "out.jsonl"]
    assert cli(*argv, "--limit", "1", stdin=b"b.md\0a.md\0").code == 0
    assert cli(*argv).code == 0
    assert [record["custom_id"] for record in records(Path("out.jsonl").read_text())] == ["b.md", "a.md"]


@pytest.mark.parametrize(
    ("argv", "code", "error"),
    [
        (
            ["--each", "a.md", "b.md"],
            2,
            "--each and INPUT (b.md) exclude each other; quote the pattern, so that it is not the shell that"
            " makes 2 words of it",
        ),
        (["--each", "*.nope"], 66, "no file matches *.nope; check the pattern"),
        (["--each", "a.md", "-t", "{{ nope }}"], 2, "the template's variable nope is not defined"),
        (["--each", "a.md", "-t", "x", "-p", "text=y"], 2, "-p text is a field of the rows, too"),
    ],
)
@pytest.mark.parametrize("command", [[], ["--dry-run"]])
def test_what_is_refused(cli, argv, code, error, command):
    made("a.md", "b.md")
    result = cli("batch", "-m", "offline/echo", *command, *argv)
    assert (result.code, result.out) == (code, "")
    assert error in result.err


def test_stdin_that_brings_nothing_is_left_alone(cli):
    made("a.md")
    assert len(records(cli(*RUN, "--each", "a.md", stdin=b"").out)) == 1


def test_what_we_write_is_no_row(cli):
    made("a.md")
    for _ in range(2):
        assert cli(*RUN, "--each", "[!c]*", "-O", "out.csv").code == 0
    assert [each["custom_id"] for each in records(Path("out.csv.jsonl").read_text())] == ["a.md"]


def test_a_count_and_a_rehearsal(cli):
    made("a.md", "b.md")
    Path("rows.jsonl").write_text("".join(f'{{"prompt":"I am {name}.md"}}\n' for name in "ab"))
    for argv in (["count"], ["batch", "--dry-run"]):
        rows = ["--rows", "rows.jsonl"] if argv == ["count"] else ["rows.jsonl"]
        assert cli(*argv, "--each", "*.md", "-m", "gpt-4o") == cli(*argv, *rows, "-m", "gpt-4o")


def test_any_field_is_an_id(cli):
    made("x/a.md", "y/b.md")
    found = records(cli(*RUN, "--each", "*/*.md", "--id", "stem").out)
    assert [record["custom_id"] for record in found] == ["a", "b"]
    made("y/a.md")
    assert cli(*RUN, "--each", "*/*.md", "--id", "stem").code == 2


def test_a_file_that_is_gone_when_its_turn_comes(cli):
    made("a.md")
    result = cli(*RUN, "--each", "-", stdin=b"a.md\ngone.md\n")
    assert [said(record) for record in records(result.out)] == [
        "I am a.md",
        "invalid_file: there is no file gone.md",
    ]
