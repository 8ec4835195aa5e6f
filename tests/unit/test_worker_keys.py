"""What a worker on another machine says of a key that is not there."""

from __future__ import annotations

import asyncio

import pytest

from llmcli.batch.cluster.recipe import WithWorkersKeys
from llmcli.errors import AuthFailure
from llmcli.registry.providers import default_provider, find_provider
from llmcli.transport.keys import missing_key

THERE = "in the environment that the workers run in (env_vars of a Ray job)"


class Keyless:
    """A transport without a key; where one waits for no answer, that is told with the answer."""

    def __init__(self, error: AuthFailure) -> None:
        self.error = error

    async def ask(self, _request):
        raise self.error

    def sender(self, _request):
        def read(_it):
            raise self.error

        return lambda _request, _body, came: came(read, None)

    async def aclose(self) -> None:
        pass


def asked(transport) -> None:
    asyncio.run(transport.ask(None))


def sent(transport) -> None:
    come = []
    transport.sender(None)(None, b"", lambda read, it: come.append((read, it)))
    ((read, it),) = come
    read(it)


@pytest.mark.parametrize("way", [asked, sent])
@pytest.mark.parametrize(
    ("error", "todo"),
    [
        (missing_key(default_provider(), "gpt-4o"), f"set OPENAI_API_KEY {THERE}"),
        (
            missing_key(default_provider(), "gpt-4o-mimi"),
            f"set OPENAI_API_KEY {THERE}; or did you mean -m gpt-4o-mini?",
        ),
        (
            AuthFailure("no", todo=f"no key was sent: {find_provider('groq').how_to_give_a_key}"),
            f"no key was sent: set GROQ_API_KEY {THERE}",
        ),
        (
            AuthFailure("no", todo="no key was sent: use --api-key-file"),
            f"no key was sent: name a variable (api_key_env in the config file), and set it {THERE}",
        ),
        (AuthFailure("no", todo="check the key"), "check the key"),
    ],
    ids=["none", "a slip", "at another address", "of nobody we know", "refused"],
)
def test_a_key_is_to_be_set_where_the_worker_runs(way, error, todo):
    with pytest.raises(AuthFailure) as told:
        way(WithWorkersKeys(Keyless(error)))
    assert told.value.todo == todo
