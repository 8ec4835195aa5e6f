"""Folders of a process: for sockets and the like, nobody else's, and gone when it is."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


def own_folder(prefix: str) -> Path:
    """A new folder (0700) for this process; those that killed ones left behind go. Raises OSError."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        process = folder.name.removeprefix(prefix).partition("-")[0]
        if process.isdecimal() and not _runs(int(process)):
            remove_folder(folder)
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-"))


def remove_folder(folder: Path) -> None:
    """Take a folder away with all that is in it, as far as that can be done."""
    shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
