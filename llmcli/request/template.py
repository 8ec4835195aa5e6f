"""Templates: `{{ name }}` filled in; the only importer of minijinja, which runs them sandboxed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from llmcli.errors import UsageError

_FUEL = 10_000_000  # instructions: an endless loop in a template is an error, not a hang


class Template:
    """A template text, parsed once. Values are put in as they are: nothing is escaped, nothing trimmed."""

    def __init__(self, source: str) -> None:
        """Raises UsageError with line and column where the syntax is wrong."""
        self._source = source
        self._environment = _environment(source)

    @property
    def names(self) -> frozenset[str]:
        """The variables that the template speaks of."""
        return frozenset(self._environment.undeclared_variables_in_template(_NAME))

    def render(self, values: Mapping[str, Any]) -> str:
        """The text. Raises UsageError naming a variable that is not defined."""
        import minijinja

        try:
            rendered: str = self._environment.render_template(_NAME, **values)
        except minijinja.TemplateError as error:
            if error.kind == "UndefinedError":
                raise UsageError(
                    f"the template's variable {_undefined(error)} is not defined",
                    f"-t, line {error.line}",
                    "give it with -p NAME=VALUE",
                ) from None
            raise UsageError(
                f"the template fails: {error.detail or error.kind}", _place(self._source, error)
            ) from None
        return rendered


_NAME = "-t"


@lru_cache(maxsize=16)
def _environment(source: str) -> Any:
    import minijinja

    environment = minijinja.Environment(
        undefined_behavior="strict",
        keep_trailing_newline=True,
        fuel=_FUEL,
        auto_escape_callback=lambda _name: False,
    )
    try:
        environment.add_template(_NAME, source)
    except minijinja.TemplateError as error:
        raise UsageError(
            f"the template is not valid: {error.detail}",
            _place(source, error),
            "see the Jinja syntax: {{ name }}",
        ) from None
    return environment


def _undefined(error: Any) -> str:
    """The name in an UndefinedError's words: `name` is undefined."""
    detail = str(error.detail or "")
    return detail.split("`")[1] if detail.count("`") > 1 else detail


def _place(source: str, error: Any) -> str:
    """Line and column, 1-based, of a template error."""
    span = getattr(error, "range", None)
    if not span:
        return f"-t, line {error.line}"
    before = source.encode()[: span[0]].decode("utf-8", "ignore")
    return f"-t, line {error.line}, column {len(before) - (before.rfind(chr(10)) + 1) + 1}"
