"""Regular expressions that are compiled as they are first used: a start needs few of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    lazy_pattern = re.compile  # type checkers know what that makes
else:

    class lazy_pattern:  # noqa: N801 - it is written as `re.compile` is
        """What `re.compile` makes of the same words; one that every start uses is no better off with it."""

        def __init__(self, text: str | bytes, flags: int = 0) -> None:
            self._words = text, flags

        def __getattr__(self, name: str) -> Any:
            if "_compiled" not in self.__dict__:
                self._compiled = re.compile(*self._words)
            found = self.__dict__[name] = getattr(self._compiled, name)
            return found
