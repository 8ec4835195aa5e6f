"""The lighter import of the SDK is the SDK, name for name, and costs less."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_the_sdk_and_its_types_are_there_when_they_are_named():
    code = """
from llmcli.transport.lazy import import_openai
openai = import_openai()
import sys
few = len([name for name in sys.modules if name.startswith("openai.types")])
client = openai.AsyncOpenAI(api_key="x", max_retries=0)
assert client.chat.completions
from openai.types.chat import ChatCompletion, ChatCompletionChunk
import openai.types.responses
from openai.types.responses import Response
assert openai.types.chat.ChatCompletion is ChatCompletion
fields = {"id": "a", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
answer = ChatCompletion.model_validate(fields)
assert answer.id == "a"
assert issubclass(openai.RateLimitError, openai.APIStatusError)
assert openai.AzureOpenAI and openai.OpenAI and openai.types.shared.ReasoningEffort
print(few)
"""
    assert int(run(code)) < 200


def test_every_name_of_the_packages_is_found():
    code = """
from llmcli.transport.lazy import import_openai, _PACKAGES
import importlib, sys
openai = import_openai()
for package in _PACKAGES:
    module = sys.modules["openai." + package]
    for name in module._exports:
        assert getattr(module, name) is not None, (package, name)
"""
    run(code)


def test_a_missing_name_is_an_attribute_error():
    code = """
from llmcli.transport.lazy import import_openai
openai = import_openai()
assert not hasattr(openai.types, "NoSuchThing")
assert not hasattr(openai.types.chat, "NoSuchThing")
"""
    run(code)


def test_another_layout_of_the_sdk_is_imported_as_it_is(tmp_path):
    package = tmp_path / "openai"
    package.mkdir()
    (package / "__init__.py").write_text("from . import kinds\nVALUE = kinds.VALUE\n")
    (package / "kinds.py").write_text("VALUE = 7\n")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from llmcli.transport.lazy import import_openai
assert import_openai().VALUE == 7
assert "aiohttp" not in sys.modules
"""
    run(code)


@pytest.mark.parametrize("first", ["import openai", "import aiohttp"])
def test_what_was_imported_before_stays(first):
    code = f"""
{first}
import sys
before = sys.modules[{first.split()[1]!r}]
from llmcli.transport.lazy import import_openai
import_openai()
assert sys.modules[{first.split()[1]!r}] is before
"""
    run(code)
