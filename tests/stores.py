"""An object store for tests, moto's, in a thread of this process; and batches whose INPUT or OUT is there."""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Cli, Result

KEYS = {
    "AWS_ACCESS_KEY_ID": "key-of-tests",
    "AWS_SECRET_ACCESS_KEY": "secret-of-tests",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}


@contextmanager
def moto() -> Iterator[dict[str, str]]:
    """The environment in which `s3://rows` is a bucket of an S3 server on loopback."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        make(url, "rows")
        yield {**KEYS, "AWS_ENDPOINT_URL": url}
    finally:
        server.stop()


def make(url: str, bucket: str) -> None:
    """Make a bucket."""
    urllib.request.urlopen(urllib.request.Request(f"{url}/{bucket}", method="PUT")).close()  # noqa: S310


@contextmanager
def environment(given: dict[str, str]) -> Iterator[None]:
    """The process's own, which the library reads, with these in it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        yield


def keys(url: str) -> list[str]:
    """The objects below a URL."""
    import obstore
    from obstore.store import from_url

    return sorted(each["path"] for chunk in obstore.list(from_url(url)) for each in chunk)


def put(url: str, data: bytes) -> None:
    """Make an object."""
    import obstore
    from obstore.store import from_url

    place, _, name = url.rpartition("/")
    obstore.put(from_url(place), name, data)


def run(cli: Cli, *argv: str, **more: object) -> Result:
    """A batch that no network is needed for."""
    return cli("batch", "-q", "-m", "offline/echo", *argv, **more)


def write(name: str, rows: int = 300) -> str:
    """Make an INPUT of the kind that its name says."""
    texts = [f"{row}\nplease" if name.endswith((".csv", ".json")) else f"{row}" for row in range(rows)]
    if name.endswith(".parquet"):
        import pyarrow as pa
        from pyarrow.parquet import write_table

        write_table(pa.table({"prompt": texts}), name)
        return name
    whole = {
        ".jsonl": "".join(json.dumps({"prompt": text}) + "\n" for text in texts),
        ".csv": "prompt\n" + "".join(f'"{text}"\n' for text in texts),
        ".json": json.dumps([{"prompt": text} for text in texts]),
        ".txt": "".join(f"{text}\n" for text in texts),
    }
    Path(name).write_text(whole[Path(name).suffix])
    return name


def records(*names: str) -> list[dict]:
    """The records of files."""
    return [json.loads(line) for name in names for line in Path(name).read_bytes().splitlines()]


def gist(*names: str) -> list[tuple]:
    """What is the same in records of the same rows, wherever they were made."""
    return sorted((each["custom_id"], each["llmcli"]["row"], each["id"][-16:]) for each in records(*names))
