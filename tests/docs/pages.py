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
from tests.docs.tree import Flag, commands

HELP = re.compile(
    r"(?P<head><!-- help: (?P<command>\w+) -->\n```text\n)(?P<body>.*?)(?P<tail>```\n)", re.DOTALL
)
USAGE = re.compile(HELP.pattern.replace("help:", "usage:"), re.DOTALL)
OPTIONS = re.compile(r"(?P<head><!-- options -->\n)(?P<body>.*?)(?P<tail><!-- end -->\n)", re.DOTALL)
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
    text = _replaced(USAGE, text, lambda found: usage(shell.run(f"llmcli {found['command']} --help-all")))
    text = _replaced(EXITS, text, lambda _: exit_table())
    text = _replaced(OPTIONS, text, lambda _: option_tables())
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


def usage(text: str) -> str:
    """What a help text says before its options, without the examples, which the page has."""
    sections = re.split(r"\n(?=\w[\w ]*:\n)", text)
    return "\n".join(part for part in sections if part.startswith(("Usage:", "Arguments:")))


def option_tables() -> str:
    """Every option once, a table a panel; what it is for, where commands have words of their own for it, by command."""
    panels: dict[str, dict[tuple[str, ...], list[tuple[Flag, str]]]] = {}
    for command in commands():
        for flag in command.flags:
            known = next((panel for panel in panels.values() if flag.names in panel), None)
            panel = panels.setdefault(flag.panel, {}) if known is None else known
            panel.setdefault(flag.names, []).append((flag, command.name))
    return "".join(f"\n## {name}\n\n{_options(options)}" for name, options in panels.items()).lstrip("\n")


def _options(options: dict[tuple[str, ...], list[tuple[Flag, str]]]) -> str:
    rows = "".join(_option(found) for found in options.values())
    return f"| option | what it does | applies to |\n|---|---|---|\n{rows}"


def _option(found: list[tuple[Flag, str]]) -> str:
    values = {_value(flag) for flag, _ in found}
    by_words: dict[str, list[str]] = {}
    for flag, command in found:
        words = f"{flag.help.rstrip('.')} ({flag.bounds})." if flag.bounds else flag.help
        by_words.setdefault(words if len(values) == 1 else f"{_value(flag)}: {words}", []).append(command)
    said = [words if len(by_words) == 1 else f"{', '.join(of)}: {words}" for words, of in by_words.items()]
    names = [f"`{name}`" for name in found[0][0].names]
    cells = (
        " ".join([*names, *(values if len(values) == 1 else ())]).rstrip(),
        " ".join(said),
        " ".join(name for _, name in found),
    )
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


def _value(flag: Flag) -> str:
    """What stands behind an option."""
    if flag.kind == "flag":
        return ""
    own = flag.kind == "choice" and flag.metavar == flag.long[0][2:].replace("-", "_").upper()
    return f"`{'|'.join(flag.choices) if own else flag.metavar}`"


def exit_table() -> str:
    rows = (f"| {int(code)} | {code.label} | {code.reason} |" for code in ExitCode)
    return "\n".join(["| code | name | when |", "|---|---|---|", *rows, ""])


def shell_blocks(text: str) -> Iterator[str]:
    """The blocks that are to be typed, not checked: set-up and what needs a network."""
    yield from re.findall(r"^```sh\n(.*?)^```\n", text, re.DOTALL | re.MULTILINE)
