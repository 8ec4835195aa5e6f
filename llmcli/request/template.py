"""Templates: `{{ name }}` filled in; the only importer of minijinja, which runs them sandboxed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property, lru_cache
from math import isfinite
from typing import Any

from llmcli import jsonl
from llmcli.errors import OutOfTime, Terminated, UsageError
from llmcli.lean.pattern import lazy_pattern
from llmcli.request.written import Written, numeric, plain_value

_FUEL = 10_000_000  # instructions: an endless loop in a template is an error, not a hang
_NAME = "template"
_SELF, _OTHER = lazy_pattern(r"\bself\b"), "another_self_"
_SUBSCRIPT = lazy_pattern(r"(?<=[\w\])\"'])\[[^\[\]]*\]")
_ENDS: Mapping[str, Callable[[], BaseException]] = {
    "KeyboardInterrupt": KeyboardInterrupt,
    "OutOfTime": OutOfTime,
    "Terminated": lambda: Terminated("SIGTERM arrived"),
}


class Undefined(UsageError):
    """A template speaks of a variable that there is not."""


class Template:
    """A template text, parsed once; `name` says where it is from in errors.

    Text is put in as it is: nothing is escaped, nothing trimmed. All other values are put in as JSON, numbers as
    they were written. `optional`: a variable that there is not is false, so that `{{ x or "" }}` is no error.
    """

    def __init__(self, source: str, name: str = "-t", *, optional: bool = False) -> None:
        """Raises UsageError with line and column where the syntax is wrong."""
        import minijinja

        self.source = source
        self._made_of = source, name, optional
        self._name = name
        self._undefined = "semi_strict" if optional else "strict"
        try:
            self._environment = _environment(source, self._undefined)
        except minijinja.TemplateError as error:
            raise UsageError(
                f"the template is not valid: {error.detail}",
                self._place(error),
                "see the Jinja syntax: {{ name }}",
            ) from None

    def __reduce__(self) -> tuple[Callable[..., Template], tuple[object, ...]]:
        """As it goes to another process: parsed anew there."""
        return _parsed, self._made_of

    @cached_property
    def names(self) -> frozenset[str]:
        """The variables that the template speaks of.

        minijinja does not tell of what is sliced (`text[:100]`), nor of `self`, which it takes for a name of its own:
        so it is also asked about the same template without subscripts, where `self` has another name.
        """
        names = frozenset(self._environment.undeclared_variables_in_template(_NAME))
        if "[" in self.source or "self" in self.source:
            names |= set(self._passed_over())
        return names

    def _passed_over(self) -> Iterator[str]:
        """The variables of the same template as its subscripts are taken away, the innermost first."""
        import minijinja

        source, before = _SELF.sub(_OTHER, self.source), ""
        with suppress(minijinja.TemplateError):
            while source != before:
                found = _environment(source, self._undefined).undeclared_variables_in_template(_NAME)
                yield from ("self" if name == _OTHER else name for name in found)
                source, before = _SUBSCRIPT.sub("", source), source

    def render(self, values: Mapping[str, Any], *, written: bool = False) -> str:
        """The text; `written`: there may be Written numbers among the values.

        Raises Undefined naming a variable that is not defined, UsageError for what else goes wrong.
        """
        import minijinja

        used = {name: values[name] for name in self.names if name in values}
        if written and self._numeric is not None:
            with suppress(minijinja.TemplateError):  # the template itself says where
                return _rendered(self._numeric, used)
        try:
            return _rendered(self._environment, plain_value(used) if written else used)
        except minijinja.TemplateError as error:
            raise self._failed(error) from None

    @cached_property
    def _numeric(self) -> Any:
        """The template for rows with Written numbers; None where it cannot be made."""
        import minijinja

        try:
            return _environment(numeric(self.source), self._undefined)
        except minijinja.TemplateError:
            return None

    def _failed(self, error: Any) -> UsageError:
        where = self._place(error)
        if error.kind == "UndefinedError":
            return Undefined(
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
        before = self.source.encode()[: span[0]].decode("utf-8", "ignore")
        return f"{self._name}, line {error.line}, column {len(before) - before.rfind(chr(10))}"


def _parsed(source: str, name: str, optional: bool) -> Template:
    return Template(source, name, optional=optional)


@lru_cache(maxsize=16)
def _environment(source: str, undefined: Any) -> Any:
    import minijinja

    environment = minijinja.Environment(
        undefined_behavior=undefined,
        keep_trailing_newline=True,
        fuel=_FUEL,
        auto_escape_callback=lambda _name: False,
        finalizer=_shown,
    )
    environment.add_filter("_plain", plain_value)
    environment.add_template(_NAME, source)
    return environment


def _rendered(environment: Any, values: Mapping[str, Any]) -> str:
    """The text. Where a signal ends the program, minijinja panics: what was raised stands in the panic's words."""
    try:
        rendered: str = environment.render_template(_NAME, **values)
    except BaseException as error:
        end = next((end for name, end in _ENDS.items() if name in str(error)), None)
        if type(error).__name__ != "PanicException" or end is None:
            raise
        raise end() from None
    return rendered


def _shown(value: Any) -> Any:
    """What stands for a value in the text: JSON for what is no text, as a row of a batch may hold it."""
    if isinstance(value, str):
        return value
    if isinstance(value, Written):
        return value.text
    if isinstance(value, list | dict):
        return jsonl.with_raw(value, Written, plain_value).decode()
    is_json = value is None or isinstance(value, bool) or (isinstance(value, float) and isfinite(value))
    return jsonl.dumps(value).decode() if is_json else value


def _undefined(error: Any) -> str:
    """The name in an UndefinedError's words: `name` is undefined."""
    detail = str(error.detail or "")
    return detail.split("`")[1] if detail.count("`") > 1 else detail
