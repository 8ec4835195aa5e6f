"""Tables that come through real pipes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.conftest import Process

CSV = ("batch", "-q", "-m", "offline/echo", "--input-format", "csv")


def records(text: str) -> list[dict]:
    return [json.loads(line) for line in text.split("\n")[:-1]]


def answer(record: dict) -> str:
    return record["response"]["body"]["choices"][0]["message"]["content"]


def test_an_id_that_a_pipe_brings_twice_is_that_rows_error(process: Process, tmp_path):
    argv = [*CSV, "--id", "id", "--ordered", "-O", "out.jsonl"]
    for _ in range(2):
        assert process(*argv, stdin=b"id,prompt\nx,1\ny,2\nx,3\n").code == 7
    errors = records((tmp_path / "out.errors.jsonl").read_text())
    assert [(each["custom_id"], each["error"]["code"], each["llmcli"]["row"]) for each in errors] == [
        ("x", "duplicate_id", 2)
    ]
    assert [answer(each) for each in records((tmp_path / "out.jsonl").read_text())] == ["1", "2"]


def test_rows_of_a_csv_are_answered_while_the_pipe_is_open(process: Process):
    child = process.start(*CSV, stdin=subprocess.PIPE)
    child.stdin.write(b'prompt,b\n"a\nb",1\n')
    child.stdin.flush()
    assert answer(json.loads(child.stdout.readline())) == "a\nb"
    child.stdin.write(b"c,2")
    child.stdin.close()
    assert answer(json.loads(child.stdout.readline())) == "c"
    assert child.wait(60) == 0
    child.stdout.close()
    child.stderr.close()


def test_a_pipe_with_a_name_is_what_its_name_says(process: Process, tmp_path: Path):
    script = 'mkfifo rows.csv; printf "prompt,b\\nx,1\\n" >rows.csv & exec "$@"'
    command = process.command("batch", "-q", "-m", "offline/echo", "rows.csv")
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *command],
        cwd=tmp_path,
        env=process.env,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert answer(json.loads(done.stdout)) == "x"


def test_files_that_find_names(process: Process, tmp_path: Path):
    for name in ("a.md", "b\nc.md"):
        (tmp_path / name).write_text(f"I am {name}")
    script = "find . -name '*.md' -print0 | sort -z | exec \"$@\""
    command = process.command("batch", "-q", "-m", "offline/echo", "--ordered", "--each", "-")
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *command],
        cwd=tmp_path,
        env=process.env,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert [each["custom_id"] for each in records(done.stdout.decode())] == ["./a.md", "./b\nc.md"]
