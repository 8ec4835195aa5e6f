"""A real llama.cpp server with a tiny model, in a process of its own: real inference over the real protocol.

    with llama(api_key="sk-test") as base_url:
        ...

The model is 7 kB, its weights are set by hand. At temperature 0 it says `Hello! The sky is blue.`
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import importlib.util
import lzma
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = Path(__file__).with_name("tiny-bigram.gguf.xz")
PATIENCE = 60.0  # seconds; a start takes about 0.2


def available() -> bool:
    """Whether the server can be started here."""
    return importlib.util.find_spec("xllamacpp") is not None and MODEL.exists()


@contextlib.contextmanager
def llama(api_key: str | None = None) -> Iterator[str]:
    """Start the server; the base URL ends in /v1. It ends with the block, or with this process."""
    command = [sys.executable, __file__, "--until-eof", *(["--key", api_key] if api_key else [])]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield read_url(process)
        finally:
            process.kill()


def read_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    readable, _, _ = select.select([process.stdout], [], [], PATIENCE)
    url = process.stdout.readline().strip() if readable else ""
    if not url:
        raise RuntimeError("llama.cpp's server did not start: run `python tests/llama.py` to see why")
    return url


# --- In the child -------------------------------------------------------------------------------------------


def serve(port: int, key: str | None) -> str:
    """Load the model and wait for the server; its base URL."""
    with tempfile.TemporaryDirectory() as folder:  # once loaded, the file is not needed
        model = Path(folder, "tiny-bigram.gguf")
        model.write_bytes(lzma.decompress(MODEL.read_bytes()))
        server = start(model, port, key)
        wait_until_healthy(server.listening_address)
    globals()["running"] = server  # it stops when it is collected
    return f"{server.listening_address}/v1"


def start(model: Path, port: int, key: str | None) -> Any:
    import xllamacpp  # heavy, and the parent does not need it

    params = xllamacpp.CommonParams()
    params.model.path, params.hostnames, params.port = str(model), ["127.0.0.1"], port
    params.model_alias = {"tiny-bigram"}  # else answers name the temporary path
    params.n_ctx, params.n_parallel = 4096, 2
    params.n_threads_http = 32  # a kept-alive connection holds one
    params.use_jinja, params.warmup, params.ui = True, False, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    if key:
        params.api_keys = [key]
    return xllamacpp.Server(params)


def wait_until_healthy(address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=5)
            with contextlib.closing(connection):
                connection.request("GET", "/health")
                if connection.getresponse().status == http.HTTPStatus.OK:
                    return
        time.sleep(0.01)
    raise RuntimeError(f"no health at {address} after {PATIENCE:.0f} s")


def main() -> None:
    """Print the base URL and serve until killed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", help="the API key that requests must carry")
    parser.add_argument(
        "--until-eof", action="store_true", help="end when stdin ends, so as not to outlive a parent"
    )
    options = parser.parse_args()
    stdout = os.dup(1)
    os.dup2(2, 1)  # stdout is for the address; the C++ side writes where it likes
    os.write(stdout, serve(options.port, options.key).encode() + b"\n")
    with contextlib.suppress(KeyboardInterrupt):
        if options.until_eof:
            sys.stdin.read()
        else:
            threading.Event().wait()
    os._exit(0)  # an orderly exit crashes in the C++ destructors


if __name__ == "__main__":
    main()
