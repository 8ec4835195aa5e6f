"""`@once`: a property that is worked out once for an instance, and is an attribute of it from then on.

`functools.cached_property` takes a lock as it does that, three times the steps, until Python 3.12.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from functools import cached_property

    once = cached_property  # type checkers know what that makes
else:

    class once:  # noqa: N801 - it is written as a decorator
        """See above."""

        def __init__(self, find: Callable[[Any], Any]) -> None:
            self._find = find
            self.__doc__ = find.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            self._name = name

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            if instance is None:
                return self
            found = self._find(instance)
            object.__setattr__(instance, self._name, found)  # by `__dict__` all attributes would be slower
            return found
