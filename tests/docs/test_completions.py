"""The completion scripts: up to date, sound, and useful under TAB."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pexpect
import pytest

from tests.docs.completions import SCRIPTS, bash, fish, zsh
from tests.docs.conftest import ROOT
from tests.docs.tree import commands

BASH = shutil.which("bash") or "/bin/bash"


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_is_up_to_date(name, up_to_date):
    up_to_date(f"llmcli/completions/{name}", SCRIPTS[name]())


@pytest.mark.parametrize(
    ("shell", "name"), [("bash", "llmcli.bash"), ("zsh", "_llmcli"), ("fish", "llmcli.fish")]
)
def test_the_shell_can_read_it(shell, name):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [shell, "-n", ROOT / "llmcli" / "completions" / name], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def complete(directory, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    script = (
        'eval "$SCRIPT"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); PATH=; _llmcli'
        ' && printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        [BASH, "--norc", "-c", script, "bash", *words],
        env={"SCRIPT": bash()},
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "notes one.txt").touch()
    (tmp_path / "nothing").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("llmcli co", ["completion", "count"]),
        ("llmcli --v", ["--version"]),
        ("llmcli ask --temper", ["--temperature"]),
        ("llmcli ask --no-stre", ["--no-stream"]),
        ("llmcli ask --format e", ["events"]),
        ("llmcli ask --format = js", ["json", "jsonl"]),
        ("llmcli count --side m", ["middle"]),
        ("llmcli models --format t", ["text"]),
        ("llmcli ask -m off", ["offline/echo", "offline/flaky"]),
        ("llmcli ask --ok inc", ["incomplete"]),
        ("llmcli ask --ok partial,gat", ["partial,gate"]),
        ("llmcli ask --modalities text,au", ["text,audio"]),
        ("llmcli ask -m groq", ["groq/"]),
        ("llmcli ask -m nobody", [""]),
        ("llmcli ask --reasoning-effort mini", ["minimal"]),
        ("llmcli models offl", ["offline/echo", "offline/flaky"]),
        ("llmcli completion f", ["fish"]),
        ("llmcli batch -O no", ["notes one.txt", "nothing"]),
        ("llmcli report no", ["notes one.txt", "nothing"]),
        ("llmcli ask -f no", ["notes one.txt", "nothing"]),
        ("llmcli ask -O no", ["notes one.txt", "nothing"]),
        ("llmcli ask -s @no", ["@notes one.txt", "@nothing"]),
        ("llmcli ask -s no", [""]),
        ("llmcli ask no", [""]),
        ("llmcli help rec", ["recipes", "records"]),
        ("llmcli ask --seed 1 --see", ["--seed"]),
    ],
)
def test_bash_offers(files, line, offered):
    assert sorted(complete(files, *line.split(" "))) == offered


def test_bash_offers_every_command_and_every_option(tmp_path):
    assert complete(tmp_path, "llmcli", "") == [command.name for command in commands()]
    for command in commands():
        names = [name for flag in command.flags for name in flag.names]
        assert complete(tmp_path, "llmcli", command.name, "-") == names


def test_zsh_and_fish_know_every_long_option():
    for command in commands():
        for flag in command.flags:
            for name in flag.long:
                assert name in zsh()
                assert f"-n '__fish_seen_subcommand_from {command.name}' " in fish()
                assert f"-l {name[2:]} " in fish()


def test_quotes_and_brackets_of_help_texts_are_tame():
    # Escaped ones aside, every quote has its partner on its line.
    assert all(line.replace("'\\''", "").count("'") % 2 == 0 for line in zsh().splitlines())
    assert all(line.replace("\\'", "").count("'") % 2 == 0 for line in fish().splitlines())


# --- The real shells, at a terminal ------------------------------------------------------------------------------

START = {
    "bash": (
        ["--norc", "--noprofile", "-i"],
        "PS1='$ '; bind 'set enable-bracketed-paste off'; eval \"$({})\"",
    ),
    "zsh": (["-f", "-i"], "PS1='$ '; autoload -Uz compinit; compinit -D -u; eval \"$({})\""),
    "fish": (["--no-config", "-i"], "{} | source"),
}


@pytest.fixture(params=START)
def shell(request, tmp_path):
    """A shell at a terminal that has read what `llmcli completion` prints, in a directory with files and a session."""
    name = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "state" / "sessions").mkdir(parents=True)
    (tmp_path / "state" / "sessions" / "morning.jsonl").touch()
    options, start = START[name]
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TERM": "dumb" if name == "bash" else "xterm",
        "LLMCLI_STATE": str(tmp_path / "state"),
    }
    child = pexpect.spawn(
        name, options, cwd=tmp_path, env=env, encoding="utf-8", dimensions=(40, 200), timeout=30
    )
    child.sendline(start.format(f"{sys.executable} -m llmcli completion {name}") + "; echo rea''dy")
    child.expect_exact("ready")
    yield child
    child.close(force=True)


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("cou", "count"),
        ("ask --temper", "--temperature"),
        ("ask --reasoning-effort mini", "minimal"),
        ("ask -m offline/fl", "offline/flaky"),
        ("ask -m open", "openrouter/"),
        ("ask --ok partial,gat", "partial,gate"),
        ("ask --session morn", "morning"),
        ("ask -O not", "notes.txt"),
        ("ask -s @not", "@notes.txt"),
        ("batch not", "notes.txt"),
        ("help resu", "resuming"),
        ("completion fi", "fish"),
    ],
)
def test_tab_at_a_terminal(shell, typed, completed):
    shell.send(f"llmcli {typed}\t\t")
    shell.expect_exact(completed)
