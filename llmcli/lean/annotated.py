"""`Annotated[KIND, MARK]`: typing's looks through its parts and keeps all of them, which takes ten times as long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Annotated as Annotated  # noqa: PLC0414 - type checkers know what it means
else:

    class Annotated:
        """What stands behind a field's name in a class whose annotations are read: a type, and what marks it."""

        def __init__(self, kind: Any, mark: Any) -> None:
            self.kind, self.mark = kind, mark

        def __class_getitem__(cls, parts: tuple[Any, Any]) -> Any:
            return cls(*parts)


def parts_of(annotation: Any) -> tuple[Any, Any]:
    """(the type, what marks it) of an annotation; None where nothing does."""
    if TYPE_CHECKING or type(annotation) is not Annotated:
        return annotation, None
    return annotation.kind, annotation.mark
