"""Start-up stays short: what needs no network never imports what speaks to one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "mcp",
    "mcp_types",
    "anyio",
    "openai",
    "pycurl",
    "rich",
    "httpx2",
    "prompt_toolkit",
    "pydantic",
    "tiktoken",
    "jsonschema_rs",
}
PROBE = """
import json, sys
from llmcli.cli.main import main
code = main(sys.argv[1:])
sys.stderr.write(json.dumps([code, sorted(sys.modules)]))
"""


def modules_after(*argv: str, tmp_path) -> tuple[int, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={"PATH": "", "HOME": str(tmp_path)},
        timeout=60,
        check=True,
    )
    code, names = json.loads(done.stderr)
    return code, set(names)


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["--version"],
        ["ask", "--help"],
        ["count", "--no-stdin", "x"],
        ["count", "--no-stdin", "--json", "-m", "gpt-4o-mini", "x"],
        ["models"],
        ["help"],
        ["help", "batch"],
        ["models", "gpt-4o", "--json"],
        ["ask", "--no-stdin", "--dry-run", "x"],
        ["ask", "--no-stdin", "--curl", "x"],
        ["ask", "--no-stdin", "-m", "offline/echo", "x"],
        ["ask", "--no-stdin", "-m", "offline/echo", "--json", "x"],
        ["chat", "-m", "offline/echo"],
        ["chat", "--list"],
    ],
    ids=" ".join,
)
def test_what_needs_no_network_imports_no_client(argv, tmp_path):
    code, names = modules_after(*argv, tmp_path=tmp_path)
    assert code == 0
    assert names & HEAVY == set()


@pytest.mark.parametrize(
    "argv", [["--help"], ["--version"], ["ask", "--no-stdin", "--dry-run", "x"], ["models"]]
)
def test_what_counts_no_tokens_loads_no_encoding(argv, tmp_path):
    assert "tiktoken" not in modules_after(*argv, tmp_path=tmp_path)[1]


@pytest.mark.parametrize(
    "argv",
    [
        ["count", "--no-stdin", "x"],
        ["models", "gpt-4o"],
        ["help", "batch"],
        ["ask", "--no-stdin", "-m", "offline/echo", "x"],
        ["batch", "{rows}", "-m", "offline/echo", "-O", "{out}", "-q", "-j", "10"],
    ],
    ids=" ".join,
)
def test_a_plain_line_is_read_without_typer(argv, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt":"x"}\n')
    line = [word.format(rows=rows, out=tmp_path / "out.jsonl") for word in argv]
    code, names = modules_after(*line, tmp_path=tmp_path)
    assert code == 0
    assert "typer" not in names
