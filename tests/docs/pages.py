"""The generated blocks of README and guide: help texts, the exit-code table, and the output of every example."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llmcli.errors import ExitCode

HELP = re.compile(
    r"(?P<head><!-- help: (?P<command>\w+) -->\n```text\n)(?P<body>.*?)(?P<tail>```\n)", re.DOTALL
)
EXITS = re.compile(r"(?P<head><!-- exit codes -->\n)(?P<body>.*?)(?P<tail><!-- end -->\n)", re.DOTALL)
EXAMPLE = re.compile(r"(?P<head>^```console\n)(?P<body>.*?)(?P<tail>^```\n)", re.DOTALL | re.MULTILINE)

# What is never twice the same: times and rates.
VARIES = re.compile(
    r'\b\d+(?:\.\d+|(?:\.\d+)?e-\d+) s\b|(?<="at":")[^"]+|(?<=_ms":)\d+\.\d+|[\d,]+\.\d rows/s|(?<=bound by )\s+\w+'
)
# What bash says of a command that was killed; where a person types, it is the last word alone.
KILLED = re.compile(r"[^\s\x01]+: line \d+: +\d+ Killed .*$", re.MULTILINE)
NEEDED = ("jq",)  # a block that uses one of these stays as it is where the program is missing


@dataclass
class Shell:
    """Runs examples in bash: the real program, a scratch directory, no key, and a proxy that is not there."""

    home: Path

    def run(self, script: str) -> str:
        done = subprocess.run(
            [shutil.which("bash") or "/bin/bash", "-c", script],
            cwd=self.home,
            env={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(self.home),
                "XDG_CONFIG_HOME": str(self.home / ".config"),
                "XDG_CACHE_HOME": str(self.home / ".cache"),
                "LC_ALL": "C.UTF-8",
                "COLUMNS": "80",
                "HTTPS_PROXY": "http://127.0.0.1:9",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return KILLED.sub("Killed", done.stdout)

    def session(self, block: str) -> str:
        """A ```console block with the output that its commands have now; `$?` is that of the one before."""
        commands = re.findall(r"^\$ (.*(?:\n> .*)*)", block, re.MULTILINE)
        lines = [command.replace("\n> ", "\n") for command in commands]
        mark = "\x01"
        script = "".join(f"printf '{mark}'; (exit ${{s-0}})\n{line}\ns=$?\n" for line in lines)
        outputs = self.run(script).split(mark)[1:]
        pairs = zip(commands, outputs, strict=True)
        return "".join(f"$ {command}\n{ended(output)}" for command, output in pairs)


def ended(output: str) -> str:
    return output if output.endswith("\n") or not output else output + "\n"


def rendered(text: str, shell: Shell) -> str:
    """A page as it should be. Examples run in order and see each other's files."""
    text = _replaced(HELP, text, lambda found: shell.run(f"llmcli {command_line(found['command'])} --help"))
    text = _replaced(EXITS, text, lambda _: exit_table())
    return _replaced(EXAMPLE, text, lambda found: _unless_only_time_differs(found["body"], shell))


def command_line(command: str) -> str:
    return "" if command == "llmcli" else command


def _unless_only_time_differs(block: str, shell: Shell) -> str:
    if lacks_a_program(block):
        return block
    now = shell.session(block)
    return block if VARIES.sub("", now) == VARIES.sub("", block) else now


def lacks_a_program(block: str, which: Callable[[str], str | None] = shutil.which) -> bool:
    """Whether a block uses a program that is not installed here."""
    return any(re.search(rf"\b{name}\b", block) and which(name) is None for name in NEEDED)


def _replaced(pattern: re.Pattern[str], text: str, body: Callable[[re.Match[str]], str]) -> str:
    return pattern.sub(lambda found: found["head"] + body(found) + found["tail"], text)


def exit_table() -> str:
    rows = (f"| {int(code)} | {code.label} | {code.reason} |" for code in ExitCode)
    return "\n".join(["| code | name | when |", "|---|---|---|", *rows, ""])


def shell_blocks(text: str) -> Iterator[str]:
    """The blocks that are to be typed, not checked: set-up and what needs a network."""
    yield from re.findall(r"^```sh\n(.*?)^```\n", text, re.DOTALL | re.MULTILINE)
