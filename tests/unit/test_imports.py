"""Start-up stays short: what needs no network never imports what speaks to one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.server import ok

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
        env={"PATH": "", "HOME": str(tmp_path), "OPENAI_API_KEY": "sk-test"},
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


SELDOM = {  # what a plain batch has no use for, by rooms and modules
    *(
        "typer",
        "rich",
        "platformdirs",
        "difflib",
        "shutil",
        "tempfile",
        "pickle",
        "multiprocessing",
        "random",
    ),
    *("llmcli.batch.away", "llmcli.batch.cluster", "llmcli.batch.segments", "llmcli.batch.reporting"),
    *("llmcli.batch.shards.part", "llmcli.batch.shards.deal", "llmcli.batch.forecast", "llmcli.batch.bar"),
    *(
        "llmcli.batch.views.stdout",
        "llmcli.batch.views.view",
        "llmcli.batch.views.cells",
        "llmcli.batch.views.kept",
    ),
    *("llmcli.batch.input.templated", "llmcli.batch.ledger.printed", "llmcli.batch.pacing.search"),
    *("llmcli.batch.pacing.shared_gate", "llmcli.chat", "llmcli.counting", "llmcli.doctor", "llmcli.serving"),
    *(
        "llmcli.mcp",
        "llmcli.stores",
        "llmcli.tokens",
        "llmcli.exchange.tools",
        "llmcli.exchange.layers.store",
    ),
    *(
        "llmcli.request.tools",
        "llmcli.request.template",
        "llmcli.request.written",
        "llmcli.request.responses.sent",
    ),
    *("llmcli.request.schemas.schema", "llmcli.registry.batch_terms", "llmcli.transport.batches"),
    *(
        "llmcli.transport.streams",
        "llmcli.transport.sse",
        "llmcli.transport.sdk",
        "llmcli.transport.wire.unpack",
    ),
    *(
        "llmcli.habits.unknown",
        "llmcli.request.schemas",
        "llmcli.request.attachments",
        "llmcli.registry.limits",
    ),
    *("llmcli.batch.tallied", "llmcli.files.folders", "llmcli.settings.profiles"),
    *("llmcli.files.shared_numbers", "llmcli.workers"),
}


def test_a_plain_batch_imports_what_it_needs(server, tmp_path):
    server.script = ok("Hello")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt":"x"}\n')
    words = ["--base-url", server.base_url, "-m", "tiny", "-O", str(tmp_path / "out.jsonl"), "-q", "-j", "10"]
    code, names = modules_after("batch", str(rows), *words, tmp_path=tmp_path)
    assert code == 0
    found = {name for name in names for seldom in SELDOM if name == seldom or name.startswith(f"{seldom}.")}
    assert found == set()


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


def test_orjson_imports_nothing_that_is_not_there():
    """A signal whose exception came amid such an import crashed the process: exit 139."""
    code = """
import sys
class Asked:
    names = []
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        cls.names.append(name)
sys.meta_path.insert(0, Asked)
import llmcli.jsonl
print(*Asked.names)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = done.stdout.split()
    behind = names[names.index("orjson") :]
    assert [name for name in behind if not name.startswith(("orjson", "llmcli"))] == []
