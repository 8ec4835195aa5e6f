"""The certificates that servers are checked against: a file, handed to libcurl on every platform."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from llmcli.errors import BadCommand
from llmcli.lean.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of the command line: the authorities that servers are checked against, our own certificate and its key."""

    authorities: str | None = None
    certificate: str | None = None
    key: str | None = None


NO_CERTIFICATES = Certificates()


def certificates_for(
    url: str, env: Mapping[str, str], given: Certificates = NO_CERTIFICATES
) -> tuple[str | None, str | None]:
    """(file, folder) of certificates for an address; (None, None) where nothing is to be checked. Raises BadCommand.

    The command line's, else the environment's, else the system's, else certifi's: libcurl's own idea of the system is
    that of the machine that it was built on.
    """
    if not url.lower().startswith("https:"):
        return None, None
    if given.authorities is not None:
        return given.authorities, None
    file, folder = env.get("SSL_CERT_FILE") or None, env.get("SSL_CERT_DIR") or None
    if file:
        _check(file)
        return file, None
    return (None, folder) if folder else _system()


def _check(file: str) -> None:
    """Raises BadCommand for a file that holds no certificates: a handshake would blame the server."""
    import ssl

    try:
        # not create_default_context, which opens SSLKEYLOGFILE, too
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except OSError as error:
        reason = os.strerror(error.errno) if type(error).__module__ != "ssl" and error.errno else str(error)
        raise BadCommand(
            f"cannot read the certificates: {reason}", todo="check SSL_CERT_FILE and SSL_CERT_DIR"
        ) from None


@cache
def _system() -> tuple[str | None, str | None]:
    import ssl

    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return paths.cafile, None
    if paths.capath and any(Path(paths.capath).iterdir()):
        return None, paths.capath
    import certifi

    return certifi.where(), None
