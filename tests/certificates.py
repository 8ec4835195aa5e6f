"""Certificates of an authority of our own: `ca`, `server` for this machine, `client`, and `both` (it and its key)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def openssl(*words: str | Path) -> None:
    subprocess.run([shutil.which("openssl") or "", *map(str, words)], check=True, capture_output=True)


def _signed(folder: Path, name: str, subject: str) -> None:
    """A key and a certificate that our authority has signed."""
    pair = ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.csr"]
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, *pair)
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    authority = ["-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial"]
    signed = ["-extfile", folder / "names", "-out", folder / f"{name}.pem"]
    openssl("x509", "-req", "-days", "2", "-in", folder / f"{name}.csr", *authority, *signed)


def made(folder: Path) -> Path:
    """The folder, with all of them in it as PEM."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    authority = ["-subj", "/CN=Test authority", "-addext", "keyUsage=critical,keyCertSign"]
    pair = ["-keyout", folder / "ca.key", "-out", folder / "ca.pem"]
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *authority, *pair)
    _signed(folder, "server", "/CN=localhost")
    _signed(folder, "client", "/CN=ann")
    (folder / "both.pem").write_text(
        (folder / "client.pem").read_text() + (folder / "client.key").read_text()
    )
    return folder
