"""`llmcli ask` of replies that a real server gave once: no server, and no network.

The cassettes in tests/cassettes are of llama.cpp's server with tests/tiny-bigram.gguf.xz. They are made anew by

    rm tests/cassettes/*.yaml; pytest tests/command/test_cassettes.py --record-mode=once
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.command.test_llama import SAID, SCHEMA, TOOLS
from tests.conftest import Result
from tests.taped import CUSTOM_PATCHES

CASSETTES = Path(__file__).parents[1] / "cassettes"
ADDRESS = "http://127.0.0.1:8080/v1"
KEPT = {"content-type", "content-encoding", "transfer-encoding", "content-length", "server"}

pytestmark = [pytest.mark.vcr, pytest.mark.block_network]


@pytest.fixture(scope="module")
def vcr_config() -> dict[str, Any]:
    return {
        "filter_headers": [("authorization", "Bearer REDACTED"), ("user-agent", None), ("host", None)],
        "match_on": ["method", "scheme", "host", "port", "path", "query", "body"],
        "decode_compressed_response": True,
        "before_record_request": at_the_usual_port,
        "before_record_response": without_machine,
        "custom_patches": CUSTOM_PATCHES,
    }


def at_the_usual_port(request: Any) -> Any:
    request.uri = re.sub(r"^http://127\.0\.0\.1:\d+/v1", ADDRESS, request.uri)
    for name in [name for name in request.headers if name.lower().startswith("x-stainless")]:
        del request.headers[name]
    return request


def without_machine(response: dict[str, Any]) -> dict[str, Any]:
    """A reply without the paths of the machine that it was recorded on."""
    response["headers"] = {name: value for name, value in response["headers"].items() if name.lower() in KEPT}
    body = response["body"]["string"]
    response["body"]["string"] = re.sub(rb"/[\w./-]*/(?=tiny-bigram\.gguf)", b"", body)
    return response


@pytest.fixture(scope="module")
def vcr_cassette_dir() -> str:
    return str(CASSETTES)


@pytest.fixture
def ask(cli, record_mode, request):
    """`llmcli ask` of a cassette; of the real server while one is recorded."""
    address = ADDRESS if record_mode == "none" else request.getfixturevalue("llama")

    def run(*argv: str) -> Result:
        return cli("ask", "--base-url", address, "-m", "tiny", *argv, env={"OPENAI_API_KEY": "sk-test"})

    return run


def test_text_streamed(ask):
    assert ask("--temperature", "0", "Hi") == Result(0, f"{SAID}\n", "")


def test_record_unstreamed(ask):
    result = ask("--temperature", "0", "--no-stream", "--json", "Hi")
    assert (result.code, result.err) == (0, "")
    body = json.loads(result.out)
    assert body["choices"][0]["message"] == {"role": "assistant", "content": SAID}
    assert body["llmcli"]["usage"]["total_tokens"] == body["usage"]["total_tokens"]


def test_tool_call_streamed(ask):
    result = ask("--tools", json.dumps(TOOLS), "--seed", "1", "How is the weather in Paris?")
    assert (result.code, result.err) == (0, "")
    call = json.loads(result.out)
    assert call["name"] == "get_weather"
    assert call["arguments"].keys() == {"city"}


def test_schema_unstreamed(ask):
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
    result = ask("-o", f"response_format={json.dumps(form)}", "--seed", "1", "--no-stream", "Hi")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out).keys() == {"name", "age"}


def test_rejected(ask):
    result = ask("-o", 'temperature="x"', "Hi")
    assert (result.code, result.out) == (65, "")
    assert "Field 'temperature'" in result.err


def test_cassettes_hold_no_keys_and_no_paths():
    cassettes = list(CASSETTES.glob("*.yaml"))
    assert len(cassettes) == 5
    for cassette in cassettes:
        text = cassette.read_text("utf-8")
        assert "Bearer REDACTED" in text
        assert not re.findall(r"sk-test|/tmp/|/home/|/root/|/Users/", text)
