"""The prompt: what stands around a user's text in ask, in each turn of a chat and in each row of a batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from llmcli.errors import UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.request.params import parse_pair
from llmcli.request.reading import ReadStdin, argument, read_file, text_or_file
from llmcli.settings.input import InputSettings
from llmcli.wire import Json, Message

if TYPE_CHECKING:
    from llmcli.request.template import Template


@dataclass(frozen=True)
class Prompt:
    """System message, earlier messages, texts of files, content parts of attachments, a template and its values."""

    system: str | None = None
    earlier: Sequence[Message] = ()
    files: Sequence[str] = ()
    parts: Sequence[Json] = ()
    template: Template | None = None
    params: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        given: InputSettings,
        read: ReadStdin,
        say: Callable[[str], None],
        pages: Mapping[str, str],
        *,
        rows: bool = False,
    ) -> Prompt:
        """Read what the settings name. `read` gives stdin, where a flag names that; `say` is told of oddities.

        `pages`: the texts of web addresses among the files. `rows`: fields may be missing from one that a template
        asks for. Raises UsageError.
        """
        return cls(
            system=None if given.system is None else text_or_file(given.system, read),
            earlier=_earlier(given, read, say),
            parts=_attached(given, read),
            files=[pages[path] if path in pages else read_file(path, read) for path in given.file],
            template=_template(given, read, rows=rows),
            params=dict(parse_pair(argument(pair), "-p") for pair in given.param),
        )

    @property
    def opening(self) -> list[Message]:
        """The messages before the user's."""
        system: list[Message] = [] if self.system is None else [{"role": "system", "content": self.system}]
        return [*system, *self.earlier]

    def later(self) -> Prompt:
        """The same for a later turn: files, attachments and what stands before go with the first one alone."""
        return replace(self, system=None, earlier=(), files=(), parts=())

    def names_field(self, row: Mapping[str, Any]) -> bool:
        """Whether the template speaks of the row, or of a field of it."""
        names = self.template.names if self.template is not None else frozenset()
        return "row" in names or not names.isdisjoint(row)

    def takes_input(self, row: Mapping[str, Any]) -> bool:
        """Whether the template says where the user's text stands."""
        return self.template is not None and "input" in self.template.names and "input" not in row

    def text(self, said: str) -> str:
        """The user's text: files, then what was `said`; through the template, where there is one. Raises UsageError."""
        if self.template is None:
            return joined(*self.files, said)
        behind = joined(*self.files, said)
        if behind and "input" in self.params:
            todo = "{{ input }} is the prompt; drop one of them"
            raise UsageError("input beside a prompt", todo=todo, flag="-p")
        made = self.template.render({**({"input": behind} if behind else {}), **self.params})
        return made if self.takes_input({}) else joined(made, behind)

    def text_of_row(self, row: Mapping[str, Any], said: Callable[[], str | None], *, written: bool) -> str:
        """The text that the template makes of a row, whose own prompt is `said`. Raises UsageError.

        A template that speaks of neither the prompt nor the row stands before the prompt. `written`: see Template.
        """
        assert self.template is not None  # noqa: S101 - the caller looked
        takes_input, names_field = self.takes_input(row), self.names_field(row)
        behind = joined(*self.files, said()) if takes_input or not names_field else ""
        ours = {**self.params, "input": behind} if behind else self.params
        made = self.template.render({**ours, **row, "row": row}, written=written)
        if takes_input:
            return made
        return joined(*self.files, made) if names_field else joined(made, behind)

    def user(self, text: str) -> Message:
        """The user's message: text, or parts with the text before what is attached."""
        if not self.parts:
            return {"role": "user", "content": text}
        head: list[Json] = [{"type": "text", "text": text}] if text else []
        return {"role": "user", "content": [*head, *self.parts]}

    def messages(self, said: str, *, optional: bool = False) -> list[Message]:
        """All messages of a request. `optional`: something stands before them, so the user need not say anything.

        Raises UsageError.
        """
        text = self.text(said)
        if text or self.parts:
            return [*self.opening, self.user(text)]
        if not self.earlier and not optional:
            todo = "give a PROMPT, pipe text in, or name a file with -f"
            raise UsageError("the prompt is empty", todo=todo)
        return self.opening


def is_page(name: str) -> bool:
    """Whether a name of -f is a web address."""
    return re.match(r"https?://", name, re.IGNORECASE) is not None


def joined(*texts: str | None) -> str:
    """One text, a blank line between; empty ones leave none behind."""
    if len(texts) == 1:  # as for each row
        return texts[0] or ""
    return "\n\n".join(text for text in texts if text)


def _earlier(given: InputSettings, read: ReadStdin, say: Callable[[str], None]) -> list[Message]:
    if given.messages is None:
        return []
    from llmcli.request.messages import parse_messages

    return parse_messages(read_file(given.messages, read), f"--messages {given.messages}", say)


def _attached(given: InputSettings, read: ReadStdin) -> list[Json]:
    if not given.attachment:
        return []
    from llmcli.request.attachments import load_attachment

    return [load_attachment(source, given.detail, read) for source in given.attachment]


def _template(given: InputSettings, read: ReadStdin, *, rows: bool) -> Template | None:
    if given.template is None:
        return None
    from llmcli.request.template import Template

    name = given.template[1:] if given.template.startswith("@") else "-t"
    return Template(text_or_file(given.template, read), name, optional=rows)
