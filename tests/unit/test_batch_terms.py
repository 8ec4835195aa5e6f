"""What each provider's Batch API takes: as the table says it, and as it goes over the wire."""

from __future__ import annotations

import asyncio
import json

import pytest

from llmcli.registry.batch_terms import BatchTerms, batch_terms
from llmcli.registry.providers import find_provider
from llmcli.transport.batches.remote import RemoteBatches
from llmcli.transport.sdk import Sdk
from llmcli.transport.wire.heads import Bounds
from llmcli.wire import CHAT, Request
from tests.server.batch_provider import BatchDoor, FakeBatches

MONTH = 2_592_000


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("openai", BatchTerms(keep=MONTH)),
        ("azure", BatchTerms(url="/chat/completions", keep=1_209_600, expires=False)),
        ("groq", BatchTerms()),
        ("together", BatchTerms(size=100_000_000, purpose="batch-api", tags=False)),
        ("cerebras", BatchTerms()),
        ("novita", BatchTerms(window="", tags=False)),
        ("deepinfra", BatchTerms()),
        ("offline", BatchTerms()),
    ],
)
def test_the_terms_of_a_provider(name, terms):
    assert batch_terms(name, find_provider(name).base_url) == terms


@pytest.mark.parametrize(
    "name",
    [
        "anthropic",
        "gemini",
        "mistral",
        "xai",
        "openrouter",
        "fireworks",
        "deepseek",
        "ollama",
        "vllm",
        "local",
    ],
)
def test_a_provider_without_one(name):
    assert isinstance(batch_terms(name, find_provider(name).base_url), str)


@pytest.mark.parametrize("name", ["anthropic", "ollama", "vllm", "acme"])
def test_an_address_that_is_nobodys_is_taken_to_speak_openais(name):
    terms = batch_terms(name, "https://gateway.example/v1", typed=True)
    assert terms == BatchTerms(key_header="Idempotency-Key")


@pytest.mark.parametrize(
    ("terms", "sent"),
    [
        (BatchTerms(), {"completion_window": "24h", "metadata": {"run": "x", "number": "1"}}),
        (BatchTerms(window="", tags=False), {}),
        (
            BatchTerms(keep=MONTH, tags=False),
            {
                "completion_window": "24h",
                "output_expires_after": {"anchor": "created_at", "seconds": MONTH},
            },
        ),
    ],
)
def test_a_batch_is_asked_for_as_the_terms_say(terms, sent):
    with BatchDoor(FakeBatches(lambda: 0.0)) as door:
        file = door.provider.upload("x", b"{}\n")["id"]
        asyncio.run(_create(door, terms, file))
        _, _, headers = door.requests[-1]
        body = json.loads(door.bodies[-1])
    assert body == {"input_file_id": file, "endpoint": "/v1/chat/completions", **sent}
    assert headers.get("idempotency-key") is None


async def _create(door: BatchDoor, terms: BatchTerms, file: str) -> None:
    like = Request("openai", "tiny", door.base_url, {"model": "tiny"}, api=CHAT)

    async def key_of(_request: Request) -> None:
        return None

    api = RemoteBatches(like, terms, key_of, Bounds(), lambda bounds: Sdk(key_of, {}, bounds))
    try:
        await api.create(file, {"run": "x", "number": "1"})
    finally:
        await api.aclose()
