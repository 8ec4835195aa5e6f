"""Network: whom to trust, and how hard to try."""
# No `from __future__ import annotations`: the annotations are read as objects.

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from llmcli.errors import UsageError
from llmcli.lean.annotated import Annotated
from llmcli.settings.flag import flag, settings

if TYPE_CHECKING:
    import ssl

_RETRIES = 4


@settings("Network")
class CertificateSettings:
    """Whom to trust, and how to show who we are."""

    cacert: Annotated[
        str | None,
        flag("--cacert", metavar="FILE", help="Trust the authorities in FILE (PEM; else SSL_CERT_FILE)."),
    ] = None
    cert: Annotated[
        str | None,
        flag("--cert", metavar="FILE", help="Show this certificate (PEM, its key in it or in --cert-key)."),
    ] = None
    cert_key: Annotated[str | None, flag("--cert-key", metavar="FILE", help="The key of --cert (PEM).")] = (
        None
    )

    def check(self) -> None:
        """Raise UsageError for what is no certificate: a handshake would blame the server."""
        if self.cert is None and self.cert_key is not None:
            raise UsageError("without a certificate", todo="give it with --cert", flag="--cert-key")
        if self.cacert is not None:
            _check("--cacert", self.cacert, lambda context: context.load_verify_locations(self.cacert))
        if self.cert is not None:
            pair = (self.cert, self.cert_key, _no_password)
            _check(
                "--cert", " and ".join(filter(None, pair[:2])), lambda context: context.load_cert_chain(*pair)
            )


def _check(name: str, files: str, load: Callable[["ssl.SSLContext"], None]) -> None:
    import ssl

    try:
        load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    except (OSError, ValueError) as error:
        is_systems = isinstance(error, OSError) and not isinstance(error, ssl.SSLError)
        reason = getattr(error, "strerror", None) if is_systems else _said_of_tls(error)
        raise UsageError(
            f"cannot read {files}: {reason or error}", todo="check the file", flag=name
        ) from None


def _unreadable(path: str) -> str | None:
    """Why a file cannot be opened to be read."""
    try:
        is_directory = stat.S_ISDIR(Path(path).stat().st_mode)
    except (OSError, ValueError) as error:
        return str(getattr(error, "strerror", error))
    if is_directory:
        return os.strerror(errno.EISDIR)
    return None if os.access(path, os.R_OK) else os.strerror(errno.EACCES)


def _said_of_tls(error: Exception) -> str:
    """What OpenSSL means: its own words are for its authors."""
    if isinstance(error, _Locked) or "password" in str(error).lower():
        return "its key has a password (openssl pkey takes it off)"
    words = str(error)
    return (
        "the key is another certificate's"
        if "MISMATCH" in words
        else f"no PEM of that kind is in it ({words})"
    )


class _Locked(ValueError):
    """A key wants a password."""


def _no_password() -> str:
    """No terminal is asked for one."""
    raise _Locked


@settings("Network")
class NetworkSettings(CertificateSettings):
    """Whom to trust, and how hard to try."""

    api_key_file: Annotated[
        str | None, flag("--api-key-file", metavar="FILE", help="Read the key from FILE.")
    ] = None
    timeout: Annotated[
        float,
        flag(
            "--timeout",
            metavar="S",
            low=0.001,
            finite=True,
            help="Seconds for one attempt (600; 10 to connect).",
        ),
    ] = 600.0
    deadline: Annotated[
        float | None,
        flag("--deadline", metavar="S", low=0.001, finite=True, help="Seconds for everything."),
    ] = None
    retries: Annotated[
        int | None,
        flag("--retries", metavar="N", low=0, help="Further attempts where one may help (4)."),
    ] = None

    max_reply: Annotated[
        int,
        flag("--max-reply", metavar="BYTES", low=1, help="Bytes that a reply may have, unpacked (64 MB)."),
    ] = 64_000_000

    def check(self) -> None:
        """Raise UsageError for a key that cannot be read. No pipe is opened, which can be read only once."""
        super().check()
        if self.api_key_file is not None and (reason := _unreadable(self.api_key_file)):
            raise UsageError(f"cannot read {self.api_key_file}: {reason}", flag="--api-key-file")

    @property
    def further(self) -> int:
        """How many attempts may follow the first."""
        return _RETRIES if self.retries is None else self.retries
