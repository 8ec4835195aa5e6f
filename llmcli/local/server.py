"""Server: llama.cpp in this process, with one model; it listens on a socket in a folder that is ours alone.

The only importer of xllamacpp. What was measured: batches of 64 let a prompt be given up within 0.1 s at no cost in
speed, and without `cache_ram_mib = 0` memory grows with every prompt.
"""

from __future__ import annotations

import asyncio
import os
import socket as socketlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

from llmcli import jsonl
from llmcli.errors import BadCommand, UsageError
from llmcli.files.folders import own_folder, remove_folder
from llmcli.local.found import check_fields, read_model
from llmcli.local.memory import check_memory
from llmcli.loop.aside import in_a_thread
from llmcli.wire import Json
from llmcli.world import cores

# Servers stay until the process leaves: an orderly end waits for what is under way, up to a whole prompt.
_loaded: list[Any] = []
_BATCH = 64  # tokens of a prompt that are evaluated before we are heard again
_MOST = 2**31 - 1  # tokens of all conversations, which is an int there
_SPINS = "GOMP_SPINCOUNT", "1000"
"""How often a thread looks whether the others are there, before it sleeps. By default 300,000 times: on a machine
that is busy with something else, too, 1 token/s came of 90, since whoever waited held up whom it waited for."""


class LocalServer:
    """A model that is being loaded, which takes half a second and more; `base_url` is where it answers then."""

    def __init__(self, env: Mapping[str, str], name: str, slots: int) -> None:
        """Begins to load the model `name`. Requests of `slots` are answered side by side.

        Raises UsageError where there is no such file, it does not fit, or llama.cpp is not installed.
        """
        model, head = read_model(name, env)
        self._name, self._head = name, head
        context = model.context_of(head.context) * slots
        check_memory(model.path, head.size, head.token_size * context)
        with _spinning_little():
            llama = _llama()
        self._path = model.path
        self._folder = _folder()
        self._socket = str(self._folder / "llama.sock")
        self.base_url = f"http+unix://{quote(self._socket)}/v1"
        params = llama.CommonParams()
        params.model.path, params.hostnames, params.port = str(model.path), [self._socket], 0
        params.model_alias = {name}
        params.n_ctx, params.n_parallel, params.fit_params = min(context, _MOST), slots, False
        params.n_batch = params.n_ubatch = _BATCH
        params.n_threads_http = slots + 4
        params.cache_ram_mib = 0
        params.use_jinja, params.warmup, params.ui, params.verbosity = True, False, False, 0
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = model.threads or cores()
        self._loading: Future[None] = in_a_thread(lambda: _loaded.append(llama.Server(params)), "llama.cpp")

    def check(self, fields: Mapping[str, Any]) -> None:
        """Raise UsageError where the model takes no request of these fields."""
        check_fields(self._name, self._head, fields)

    def wait(self) -> None:
        """Wait until it is loaded. Raises UsageError where it cannot be."""
        try:
            self._loading.result()
        except (RuntimeError, ValueError) as error:
            raise self._unfit(error) from None

    async def ready(self) -> None:
        """The same, for a coroutine."""
        try:
            await asyncio.shield(asyncio.wrap_future(self._loading))
        except (RuntimeError, ValueError) as error:
            raise self._unfit(error) from None

    def _unfit(self, error: Exception) -> BadCommand:
        return BadCommand(
            f"llama.cpp cannot load {self._path}: {error}",
            todo="try another file, or fewer tokens: ?ctx=2048",
        )

    def asked(self, path: str, fields: Json) -> Json:
        """The reply to what is asked beside the API: how many tokens something has. Raises UsageError."""
        self.wait()
        with closing(_Connection(self._socket)) as connection:
            connection.request("POST", path, jsonl.dumps(fields), {"content-type": "application/json"})
            reply = connection.getresponse()
            said: Json = jsonl.loads(reply.read())
        if reply.status != HTTPStatus.OK:
            raise UsageError(
                f"llama.cpp cannot count it: {(said.get('error') or {}).get('message', reply.status)}"
            )
        return said

    def close(self) -> None:
        """Nothing more is asked: take the socket's folder away."""
        remove_folder(self._folder)


class _Connection(HTTPConnection):
    """To a socket that is a file."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socketlib.socket(socketlib.AF_UNIX)
        self.sock.connect(self._path)


def _folder() -> Path:
    try:
        return own_folder("llmcli-local-")
    except OSError as error:
        raise BadCommand(
            f"there is no place for a socket of llama.cpp: {error.strerror}", todo="set TMPDIR"
        ) from None


def _llama() -> Any:
    try:
        import xllamacpp
    except ModuleNotFoundError:
        raise BadCommand(
            "local/ models want llama.cpp", todo="install it: pip install 'llmcli[local]'"
        ) from None
    except ImportError as error:  # of a library of the system, as libgomp is
        raise BadCommand(f"llama.cpp cannot be loaded: {error}", todo="install what it names") from None
    return xllamacpp


@contextmanager
def _spinning_little() -> Iterator[None]:
    """Have the threads of a library that is loaded in here spin less, unless the environment says how much."""
    name, value = _SPINS
    said = os.environ.get(name)
    os.environ.setdefault(name, value)
    try:
        yield
    finally:
        if said is None:
            del os.environ[name]  # it is for no child of ours
