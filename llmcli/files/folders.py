"""Folders of a process: for sockets and the like, nobody else's, and gone when it is."""

from __future__ import annotations

import os
from pathlib import Path

_LONGEST = 60  # bytes of the place and the prefix: a socket's path has at most 103 on macOS


def own_folder(prefix: str) -> Path:
    """A new folder (0700) for this process, whose path is short enough for that of a socket; raises OSError.

    Those that killed processes left behind go.
    """
    import tempfile  # here, since few starts need it

    place = tempfile.gettempdir()
    if len(os.fsencode(place)) + len(prefix) > _LONGEST:
        place = "/tmp"  # noqa: S108 - the folder is made as one that nobody had, and is its owner's alone
    for folder in Path(place).glob(f"{prefix}*"):
        process = folder.name.removeprefix(prefix).partition("-")[0]
        if process.isdecimal() and not _runs(int(process)):
            remove_folder(folder)
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=place))


def remove_folder(folder: Path) -> None:
    """Take a folder away with all that is in it, as far as that can be done."""
    import shutil  # as above

    shutil.rmtree(folder, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
