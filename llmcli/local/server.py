"""Server: llama.cpp in this process, with one model; it listens on a socket in a folder that is ours alone.

The only importer of xllamacpp. What was measured: batches of 64 let a prompt be given up within 0.1 s at no cost in
speed, and without `cache_ram_mib = 0` memory grows with every prompt.
"""

from __future__ import annotations

import os
import socket as socketlib
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

from llmcli import files, jsonl
from llmcli.errors import UsageError
from llmcli.local.found import LocalModel
from llmcli.local.gguf import GgufHead
from llmcli.wire import Json
from llmcli.world import cores

# Servers stay until the process leaves: an orderly end waits for what is under way, up to a whole prompt.
_loaded: list[Any] = []
_BATCH = 64  # tokens of a prompt that are evaluated before we are heard again


class LocalServer:
    """A model that is loaded; `base_url` is where it answers. Loading takes half a second and more: use a thread."""

    def __init__(self, name: str, model: LocalModel, head: GgufHead, slots: int) -> None:
        """Raises UsageError where the file does not fit or cannot be loaded, or llama.cpp is not installed.

        `name` is what answers call it.
        """
        _check_memory(model.path, head.size)
        llama = _llama()
        self._folder = files.own_folder("llmcli-local-")
        socket = self._folder / "llama.sock"
        params = llama.CommonParams()
        params.model.path, params.hostnames, params.port = str(model.path), [str(socket)], 0
        params.model_alias = {name}
        params.n_ctx, params.n_parallel = model.context_of(head.context) * slots, slots
        params.n_batch = params.n_ubatch = _BATCH
        params.n_threads_http = slots + 4
        params.cache_ram_mib = 0
        params.use_jinja, params.warmup, params.ui, params.verbosity = True, False, False, 0
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = model.threads or cores()
        try:
            _loaded.append(llama.Server(params))
        except (RuntimeError, ValueError) as error:
            self.close()
            raise UsageError(
                f"llama.cpp cannot load {model.path}: {error}",
                todo="try another file, or fewer tokens: ?ctx=2048",
            ) from None
        self._socket = str(socket)
        self.base_url = f"http+unix://{quote(str(socket))}/v1"

    def asked(self, path: str, fields: Json) -> Json:
        """The reply to what is asked beside the API: how many tokens something has. Raises UsageError."""
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
        files.remove_folder(self._folder)


class _Connection(HTTPConnection):
    """To a socket that is a file."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socketlib.socket(socketlib.AF_UNIX)
        self.sock.connect(self._path)


def _llama() -> Any:
    try:
        import xllamacpp
    except ImportError:
        raise UsageError(
            "local/ models want llama.cpp", todo="install it: pip install 'llmcli[local]'"
        ) from None
    return xllamacpp


def _check_memory(path: Path, size: int) -> None:
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > there:
        needed = f"{path} has {size / 1e9:.1f} GB of weights, this machine {there / 1e9:.1f} GB of memory"
        raise UsageError(needed, todo="choose a smaller file")
