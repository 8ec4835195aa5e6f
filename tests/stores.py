"""An object store for tests: moto's, in a thread of this process."""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

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
