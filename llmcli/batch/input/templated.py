"""Templates of a batch: the text that `-t` makes of a row, and what is wrong with it before a cent is spent."""

from __future__ import annotations

import re

from llmcli.batch.input.found import Found
from llmcli.errors import UsageError
from llmcli.lean.pattern import lazy_pattern
from llmcli.request.prompt import Prompt
from llmcli.request.template import Undefined
from llmcli.request.written import WORDS, as_written
from llmcli.wire import Json

_JINJA = lazy_pattern(r"\{%-?\s*raw\b.*?endraw\s*-?%\}|\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_BRACES = lazy_pattern(r"\{([^{}]+)\}")


def templated(prompt: Prompt, found: Found) -> str:
    """The text of a row: numbers print as they are written where it stands. Raises UsageError."""
    fields = as_written(found.line, found.fields)
    return prompt.text_of_row(fields, lambda: found.said, written=fields is not found.fields)


def check_template(prompt: Prompt, found: Found) -> None:
    """Raise UsageError where the first good row shows that the template, or a `-p`, is not meant for these rows."""
    data = found.fields
    _check_params(prompt, data)
    template = prompt.template
    assert template is not None  # noqa: S101 - the caller looked
    for braces in _BRACES.finditer(_JINJA.sub("", template.source)):
        name = braces[1].strip()
        if name in data:
            raise UsageError(
                f"the template's {braces[0]} is plain text, and {name} a field of the rows",
                "-t",
                f'write {{{{ {name} }}}}, or {{{{ "{braces[0]}" }}}} for the text',
            )
    try:
        templated(prompt, found)
    except Undefined as error:
        raise UsageError(error.what, error.where, f"{_fields(data)}; or {error.todo}") from None
    except UsageError:
        pass  # this row's alone, for all we know
    behind = prompt.files or prompt.parts or found.parts or found.said
    if not (behind or "input" in template.names or prompt.names_field(data)):
        raise UsageError("the template names no field of the rows", "-t", _fields(data))


def _check_params(prompt: Prompt, data: Json) -> None:
    for name in prompt.params:
        if name == "row":
            raise UsageError("-p row: row is the whole row", todo="choose another name")
        if name in data:
            raise UsageError(f"-p {name} is a field of the rows, too", todo="choose another name, or drop it")
        if name == "input" and "prompt" in data:
            raise UsageError("-p input beside a prompt", todo="{{ input }} is the prompt; drop one of them")


def shown_field(name: str) -> str:
    """How a template names a field."""
    is_name = name.isidentifier() and name not in WORDS and name != "row"
    return f"{{{{ {name} }}}}" if is_name else f'{{{{ row["{name}"] }}}}'


def _fields(data: Json) -> str:
    shown = [shown_field(name) for name in data]
    return f"the first row has {', '.join(shown[:8]) or 'no field'}{', ...' if len(shown) > 8 else ''}"
