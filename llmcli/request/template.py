"""Templates: `{{ name }}` filled in; the only importer of minijinja, which runs them sandboxed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

from llmcli import jsonl
from llmcli.errors import UsageError

_FUEL = 10_000_000  # instructions: an endless loop in a template is an error, not a hang
_NAME = "template"


class Template:
    """A template text, parsed once; `name` says where it is from in errors.

    Text is put in as it is: nothing is escaped, nothing trimmed. All other values are put in as JSON.
    """

    def __init__(self, source: str, name: str = "-t") -> None:
        """Raises UsageError with line and column where the syntax is wrong."""
        import minijinja

        self._source = source
        self._name = name
        try:
            self._environment = _environment(source)
        except minijinja.TemplateError as error:
            raise UsageError(
                f"the template is not valid: {error.detail}",
                self._place(error),
                "see the Jinja syntax: {{ name }}",
            ) from None

    @cached_property
    def names(self) -> frozenset[str]:
        """The variables that the template speaks of."""
        return frozenset(self._environment.undeclared_variables_in_template(_NAME))

    def render(self, values: Mapping[str, Any]) -> str:
        """The text. Raises UsageError naming a variable that is not defined."""
        import minijinja

        try:
            rendered: str = self._environment.render_template(_NAME, **values)
        except minijinja.TemplateError as error:
            raise self._failed(error) from None
        return rendered

    def _failed(self, error: Any) -> UsageError:
        where = self._place(error)
        if error.kind == "UndefinedError":
            return UsageError(
                f"the template's variable {_undefined(error)} is not defined",
                where,
                "give it with -p NAME=VALUE",
            )
        if error.kind == "OutOfFuel":
            return UsageError("the template does not come to an end", where, "make its loops shorter")
        return UsageError(f"the template fails: {error.detail or error.kind}", where)

    def _place(self, error: Any) -> str:
        """Line and column, 1-based, of a template error."""
        span = getattr(error, "range", None)
        if not span:
            return f"{self._name}, line {error.line}"
        before = self._source.encode()[: span[0]].decode("utf-8", "ignore")
        return f"{self._name}, line {error.line}, column {len(before) - before.rfind(chr(10))}"


@lru_cache(maxsize=16)
def _environment(source: str) -> Any:
    import minijinja

    environment = minijinja.Environment(
        undefined_behavior="strict",
        keep_trailing_newline=True,
        fuel=_FUEL,
        auto_escape_callback=lambda _name: False,
        finalizer=_shown,
    )
    environment.add_template(_NAME, source)
    return environment


def _shown(value: Any) -> Any:
    """What stands for a value in the text: JSON for what is no text, as a row of a batch may hold it."""
    return jsonl.dumps(value).decode() if value is None or isinstance(value, bool | list | dict) else value


def _undefined(error: Any) -> str:
    """The name in an UndefinedError's words: `name` is undefined."""
    detail = str(error.detail or "")
    return detail.split("`")[1] if detail.count("`") > 1 else detail
