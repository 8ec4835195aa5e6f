"""Templates of a batch: the text that `-t` makes of a row, and what is wrong with it before a cent is spent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from llmcli.batch.shape import text_of
from llmcli.errors import UsageError
from llmcli.request.prompt import join_prompt
from llmcli.request.template import Template, Undefined
from llmcli.request.written import as_written
from llmcli.wire import Json

_JINJA = re.compile(r"\{%-?\s*raw\b.*?endraw\s*-?%\}|\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_BRACES = re.compile(r"\{([^{}]+)\}")


class Templated:
    """A template, with the `-p` values and files of the command line; `attached`: something else stands behind it."""

    def __init__(
        self, template: Template, params: Mapping[str, str], files: Sequence[str], *, attached: bool
    ) -> None:
        self._template = template
        self._params = params
        self._files = files
        self._attached = attached
        self._takes_input = "input" in template.names

    def text(self, data: Json, line: bytes) -> str:
        """The text of a row. `input` is its prompt with the files before it, as in ask.

        A template that speaks of neither that nor the row stands before it. Raises UsageError.
        """
        fields = as_written(line, data)
        takes_input = self._takes_input and "input" not in data
        names_field = self._names_field(data)
        behind = ""
        if takes_input or not names_field:
            behind = join_prompt([], self._files, text_of(data, "prompt", line))
        ours = {**self._params, "input": behind} if behind else self._params
        made = self._template.render({**ours, **fields, "row": fields}, written=fields is not data)
        if takes_input:
            return made
        parts = (*self._files, made) if names_field else (made, behind)
        return "\n\n".join(part for part in parts if part)

    def _names_field(self, data: Json) -> bool:
        return "row" in self._template.names or not self._template.names.isdisjoint(data)

    def check(self, data: Json, line: bytes) -> None:
        """Raise UsageError where the first good row shows that the template, or a `-p`, is not meant for these rows."""
        self._check_params(data)
        for braces in _BRACES.finditer(_JINJA.sub("", self._template.source)):
            name = braces[1].strip()
            if name in data:
                raise UsageError(
                    f"the template's {braces[0]} is plain text, and {name} a field of the rows",
                    "-t",
                    f'write {{{{ {name} }}}}, or {{{{ "{braces[0]}" }}}} for the text',
                )
        try:
            self.text(data, line)
        except Undefined as error:
            raise UsageError(error.what, error.where, f"{_fields(data)}; or {error.todo}") from None
        except UsageError:
            pass  # this row's alone, for all we know
        behind = self._files or self._attached or text_of(data, "prompt", line)
        if not (behind or self._takes_input or self._names_field(data)):
            raise UsageError("the template names no field of the rows", "-t", _fields(data))

    def _check_params(self, data: Json) -> None:
        for name in self._params:
            if name == "row":
                raise UsageError("-p row: row is the whole row", todo="choose another name")
            if name in data:
                raise UsageError(
                    f"-p {name} is a field of the rows, too", todo="choose another name, or drop it"
                )
            if name == "input" and "prompt" in data:
                raise UsageError(
                    "-p input beside a prompt", todo="{{ input }} is the prompt; drop one of them"
                )


def _fields(data: Json) -> str:
    shown = [f"{{{{ {name} }}}}" if name.isidentifier() else f'{{{{ row["{name}"] }}}}' for name in data]
    return f"the first row has {', '.join(shown[:8]) or 'no field'}{', ...' if len(shown) > 8 else ''}"
