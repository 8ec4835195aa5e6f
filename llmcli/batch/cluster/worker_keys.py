"""What a worker says of a key that is not there: it would have to be where the worker runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llmcli.errors import AuthFailure
from llmcli.registry.providers import KEY_FILE
from llmcli.transport.answer import Answer
from llmcli.transport.base import ReadAnswer, Transport, send_of
from llmcli.wire import Request

_SET_THERE = "in the environment that the workers run in (env_vars of a Ray job)"


@contextmanager
def _remedied() -> Iterator[None]:
    """Have an error advise what helps a worker, which takes no `--api-key-file`."""
    try:
        yield
    except AuthFailure as error:
        error.todo = error.todo.replace(f"or {KEY_FILE}", _SET_THERE).replace(
            KEY_FILE, f"name a variable (api_key_env in the config file), and set it {_SET_THERE}"
        )
        raise


class WithWorkersKeys:
    """A transport of a worker."""

    def __init__(self, inner: Transport) -> None:
        self._inner, self._send = inner, send_of(inner)

    async def ask(self, request: Request) -> Answer:
        """See Transport."""
        with _remedied():
            return await self._inner.ask(request)

    def send(self, request: Request, body: bytes, came: Callable[[ReadAnswer], None]) -> bool:
        """See SendUnawaited."""
        with _remedied():
            return self._send is not None and self._send(request, body, lambda read: came(_remedied()(read)))

    async def aclose(self) -> None:
        """See Transport."""
        await self._inner.aclose()
