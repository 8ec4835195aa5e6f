"""Rows: entries of the input to requests, whatever shape they have."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from operator import attrgetter
from typing import Any

from llmcli import jsonl
from llmcli.batch.input.found import Found, found_in
from llmcli.batch.input.identity import Identity
from llmcli.batch.input.readers.entry import Batch, Broken, Columns, Entry, NamedFile, Placed
from llmcli.batch.input.readers.named import fields_of
from llmcli.batch.input.shape import (
    BadRow,
    CustomId,
    body_of,
    custom_id_of,
    field_text,
    messages_of,
    own_parameters,
    parsed_row,
    said,
)
from llmcli.errors import BadCommand, LlmcliError, UsageError
from llmcli.lean.dataclass import dataclass
from llmcli.lean.maker import maker
from llmcli.lean.once import once
from llmcli.request.builder import Builder
from llmcli.request.messages import check_message_list
from llmcli.request.params import checked_field
from llmcli.request.prompt import Prompt, joined
from llmcli.settings.batch.table import TableSettings
from llmcli.wire import CHAT, Json, Message, Request


@dataclass(slots=True)
class Row:
    """One row of the input. `number` is 0-based; `digest` is of the final body, or of a bad row's bytes.

    Exactly one of `request` and `error` is not None. `fields` are the row's own, in their order (None where they
    cannot be told), `columns` those of its table, `line` is where it begins, from 1. Of several INPUTs, `file` is the
    row's, which `number` counts in, and `before` the rows of those before it.
    `key` and `id_column`: see Identity; `slot`: what records are kept by, its number or another of the ledger's.
    `goes_to`: the file that its answer is written to, too.
    """

    number: int
    custom_id: CustomId | None
    digest: int
    request: Request | None = None
    error: LlmcliError | None = None
    size: int = 0  # bytes of the body,
    body: bytes = field(default=b"", repr=False)  # which are these, while nobody else needs to make them
    fields: Json | None = None
    columns: Columns | None = None
    line: int | None = None
    json: bytes = b""  # where they stand in JSON: that
    file: str | None = None
    before: int = 0
    slot: int = -1
    key: str | None = None
    id_column: str | None = None
    goes_to: str | None = None

    def __reduce__(self) -> tuple[type[Row], tuple[Any, ...]]:
        """As it goes to another process: a third of what names and values take."""
        return Row, _VALUES(self)

    @property
    def place(self) -> int:
        """Its number in the whole input."""
        return self.number + self.before

    @property
    def where(self) -> str:
        """As people are told of it, beside its number."""
        line = () if self.line is None else (f"line {self.line}",)
        file = () if self.file is None or self.key is None else (self.file,)
        is_default = isinstance(self.custom_id, str) and self.custom_id.endswith(f"row-{self.number}")
        return ", ".join((*file, *line, *(() if is_default else (str(self.custom_id),))))

    def __str__(self) -> str:
        """As people are told of it: by its number, file, line and id."""
        where = self.where
        return f"row {self.number} ({where})" if where else f"row {self.number}"


def unseen(_row: Row) -> None:
    """Nobody looks at it."""


def _not_in_order() -> bool:
    """A builder travels, as a function without a name could not."""
    return False


_VALUES = attrgetter(*Row.__slots__)
_row = maker(Row)


class RowBuilder:
    """Makes Rows of entries. What the command line says is worked out once; a row costs its own part.

    `see` is for whoever reads rows: it looks at each, may find an error in one, or raise what ends it all.
    """

    def __init__(self, prompt: Prompt, builder: Builder, how: TableSettings, identity: Identity) -> None:
        self.how = how
        self.identity = identity
        self.see: Callable[[Row], None] = unseen
        self.in_order: Callable[[], bool] = _not_in_order
        self._is_numbered = identity.by == "number"
        self._prompt = prompt
        self._builder = builder
        self._before = prompt.opening
        self._said: bytes | None = None  # parameters of the last row that may stand for others,
        self._before_it: Request  # and its request

    @property
    def provider(self) -> str:
        """The provider that rows are for, unless they name another."""
        return self._builder.endpoint.provider.name

    def row(self, found: Placed) -> Row:
        """The row of an entry: its request, or what is wrong with it."""
        entry, number, line, columns, file, before = found
        name: CustomId | None = f"row-{number}" if self._is_numbered else None
        data, text = None, b""
        try:
            if type(entry) is bytes:
                data, text = parsed_row(entry), entry
                if "custom_id" in data:
                    name = custom_id_of(data, name)
                request = self._request(data, entry)
            else:
                held = found_in(entry)
                data = held.fields
                if held.is_table and data.get("custom_id") != "":
                    name = custom_id_of(data, name)
                request = self._of_found(held)
            body = jsonl.dumps_to_keep(request.fields if request.api is CHAT else request.body())
        except LlmcliError as error:
            return _failed(found, name, data, error)
        size, digest = len(body), _digest(body)
        return _row(
            number, name, digest, request, None, size, body, data, columns, line, text, file, before, number
        )

    def check_columns(self, columns: Columns) -> None:
        """Raise UsageError for a table whose rows have no prompt, where no template makes one."""
        if self._prompt.template is None and not {"prompt", "messages"} & set(columns.names):
            from llmcli.batch.input.templated import shown_field  # here, since few inputs are such

            name = columns.names[0] if columns.names else "name"
            raise UsageError(
                f"the table has no column prompt or messages, but {', '.join(columns.names[:8])}",
                todo=f"make the prompt with -t, e.g. -t 'About {shown_field(name)}: ...'",
            )

    def check(self, batch: Batch) -> bool:
        """Whether a good row was among these.

        Raises UsageError where the first one shows that the command is not meant for them.
        """
        template = self._prompt.template
        for entry in batch.entries:
            try:
                found = Found(parsed_row(entry), entry) if isinstance(entry, bytes) else found_in(entry)
            except LlmcliError:
                continue
            self._check_id(batch.columns.names if batch.columns is not None else tuple(found.fields))
            if template is not None:
                from llmcli.batch.input.templated import check_template  # here, since few runs have one

                check_template(self._prompt, found)
            return True
        return False

    def placed(self, found: Placed) -> Row:
        """The row of an entry that stands somewhere: known by what it is to be known by, and looked at."""
        row = self.row(found)
        if not self._is_numbered:
            self.identity.know(row, found.entry)
        if self.see is not unseen:
            self.see(row)
        return row

    def maker(self) -> Callable[[Placed], Row]:
        """What does the same, for many."""
        return self.row if self._is_numbered and self.see is unseen else self.placed

    @once
    def _templated(self) -> Callable[[Prompt, Found], str]:
        from llmcli.batch.input.templated import templated  # here, since few runs have a template

        return templated

    @property
    def builder(self) -> Builder:
        """What makes the requests."""
        return self._builder

    def seen_by(self, see: Callable[[Row], None], in_order: Callable[[], bool]) -> RowBuilder:
        """The same for somebody who looks at each row; `in_order`: whether behind those before it alone."""
        other = self.built_by(self._builder)
        other.see, other.in_order = see, in_order
        return other

    @property
    def is_numbered(self) -> bool:
        """Whether a row is known by its number."""
        return self._is_numbered

    def built_by(self, builder: Builder) -> RowBuilder:
        """The same with another builder of requests, and nobody who looks."""
        return RowBuilder(self._prompt, builder, self.how, self.identity)

    def _check_id(self, names: Sequence[str]) -> None:
        """Raise UsageError where the first good row has no column that `--id` names."""
        column = self.identity.column
        if column is not None and column not in names:
            todo = f"the first row has {', '.join(names[:8]) or 'none'}"
            raise UsageError(f": there is no column {column}", todo=todo, flag="--id")

    def _of_found(self, found: Found) -> Request:
        """The request of a table's row, a line of text or a file, whose fields are no parameters."""
        prompt = replace(self._prompt, parts=[*self._prompt.parts, *found.parts]) if found.parts else None
        if self._prompt.template is not None:
            return self._of_text(self._templated(self._prompt, found), prompt=prompt)
        if found.is_table and (messages := messages_of(found.fields)) is not None:
            return self._of_body({"messages": messages})
        if found.said is None and not found.parts:
            raise BadRow("invalid_row", "the row has no prompt")
        system = (found.fields.get("system") or None) if found.is_table else None
        return self._of_text(joined(*self._prompt.files, found.said), system=system, prompt=prompt)

    def _request(self, data: Json, line: bytes) -> Request:
        if self._prompt.template is not None:
            return self._of_text(self._templated(self._prompt, Found(data, line)))
        if len(data) == 1 and type(text := data.get("prompt")) is str:  # what most such rows are
            files = self._prompt.files
            return self._of_text(joined(*files, text) if files else text)
        data = said(data, line)
        if isinstance(data.get("body"), dict):
            body, on_responses = body_of(data)
            request = self._of_body(body)
            is_free = on_responses and self._builder.addresses.api is None
            if not is_free:
                return request
            from llmcli.request.responses.sent import RESPONSES_API  # here, since few rows are for it

            return replace(request, api=RESPONSES_API)
        if "messages" in data:
            return self._of_body({key: value for key, value in data.items() if key != "custom_id"})
        prompt = field_text(data, "prompt", line)
        if prompt is not None:
            text = joined(*self._prompt.files, prompt)
            system = data.get("system")
            if system is not None:
                system = field_text(data, "system", line) or system
            return self._of_text(text, own_parameters(data), system)
        raise BadRow(
            "invalid_row", "the row has no messages, no prompt and no body; with -t, any object is a row"
        )

    def _of_text(
        self, text: str, own: Json | None = None, system: Any = None, prompt: Prompt | None = None
    ) -> Request:
        """A row that is a user's text: with no parameters of its own it differs from the next in the text alone.

        `prompt`: the row's own, where it has attachments.
        """
        prompt = prompt or self._prompt
        if not text and not prompt.parts:
            raise BadRow("invalid_row", "the prompt is empty")
        message = prompt.user(text)
        if system is not None:
            if not isinstance(system, str):
                raise BadRow("invalid_row", "the system message must be a string")
            before = [{"role": "system", "content": system}, *self._prompt.earlier]
            return self._built([*before, message], own or {})
        return self._built([*self._before, message], own or {})

    def _of_body(self, body: Json) -> Request:
        messages = check_message_list(body.get("messages"), "messages")
        roles = {message["role"] for message in messages}
        before = [m for m in self._before if m["role"] != "system" or not roles & {"system", "developer"}]
        text = joined(*self._prompt.files)
        after = [self._prompt.user(text)] if text or self._prompt.parts else []
        own = {key: value for key, value in body.items() if key not in {"messages", "stream_options"}}
        return self._built([*before, *messages, *after], own)

    def _built(self, messages: list[Message], own: Json) -> Request:
        """The request; a row's own parameters win over the command line's. Raises BadCommand, BadRow, UsageError.

        One with the parameters of the row before it, as most have, differs from that in the messages alone.
        """
        said = jsonl.dumps(own) if own else b"{}"
        if said == self._said:
            return self._before_it.saying(messages)
        request = self._anew(messages, own)
        if request.api is CHAT and not request.choices:
            self._said, self._before_it = said, request
        return request

    def _anew(self, messages: list[Message], own: Json) -> Request:
        if not own:
            return self._plain(messages)
        own = dict(own)
        stream = own.pop("stream", None)
        if not isinstance(stream, bool | None):
            raise BadRow("invalid_row", "stream must be true or false")
        own = {name: checked_field(name, value) for name, value in own.items()}
        model = own.pop("model", None)
        if model is not None and not isinstance(model, str):
            raise BadRow("invalid_row", "the model must be a string")
        return self._builder.with_own(own, stream).request(messages, model=model)

    def _plain(self, messages: list[Message]) -> Request:
        """The request of a row that has no parameters: what is refused of it, the command line said."""
        try:
            return self._builder.request(messages)
        except UsageError as error:
            raise BadCommand(error.what, error.where, error.todo) from None


def _failed(found: Placed, custom_id: CustomId | None, data: Json | None, error: LlmcliError) -> Row:
    """The row of an entry that is none, with what is known of it."""
    entry, number, line, columns, file, before = found
    row = Row(number, custom_id, _digest(_content(entry)), error=error, fields=data)
    row.line, row.columns, row.file, row.before, row.slot = line, columns, file, before, number
    if isinstance(entry, bytes) and data is not None:
        row.json = entry
    elif isinstance(entry, Broken):
        row.fields = entry.fields
    elif isinstance(entry, NamedFile):
        row.fields = data or fields_of(entry.path)
    return row


def _content(entry: Entry) -> bytes:
    """The bytes that tell a bad entry from another."""
    if isinstance(entry, Broken):
        return entry.content
    return (
        entry
        if isinstance(entry, bytes)
        else jsonl.dumps(entry if isinstance(entry, dict | str) else entry.path)
    )


def _digest(content: bytes) -> int:
    """64 bits of BLAKE2b, never 0."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest()) or 1
