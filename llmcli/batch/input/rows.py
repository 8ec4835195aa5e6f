"""Rows: lines of the input to requests, whatever shape they have."""

from __future__ import annotations

import hashlib
import re
from codecs import BOM_UTF8, IncrementalDecoder, getincrementaldecoder
from dataclasses import dataclass, replace
from typing import Any

from llmcli import jsonl
from llmcli.batch.input.shape import (
    BadRow,
    CustomId,
    body_of,
    custom_id_of,
    own_parameters,
    parsed,
    said,
    text_of,
)
from llmcli.batch.input.templated import check_template, templated
from llmcli.errors import BadCommand, LlmcliError, UsageError
from llmcli.request.builder import Builder
from llmcli.request.messages import check_message_list
from llmcli.request.params import checked_field
from llmcli.request.prompt import Prompt, joined
from llmcli.wire import Json, Message, Request

_UTF16 = re.compile(rb"\xff\xfe[^\0]\0|\xfe\xff\0[^\0]", re.DOTALL)
_ENOUGH = 4  # bytes that tell it


@dataclass(slots=True)
class Row:
    """One row of the input. `number` is 0-based; `digest` is of the final body, or of a bad line's bytes.

    Exactly one of `request` and `error` is not None.
    """

    number: int
    custom_id: CustomId
    digest: int
    request: Request | None = None
    error: LlmcliError | None = None
    size: int = 0  # bytes of the body


class LineSplitter:
    """Blocks of bytes to lines without their ends, in UTF-8; blank lines and a BOM are passed over.

    UTF-16 is known by its BOM, before an ASCII character: a first line that is broken may begin like one.
    """

    def __init__(self) -> None:
        self._tail: list[bytes] = []
        self._first = True
        self._head: bytes | None = b""  # what came before the encoding is known
        self._utf16: IncrementalDecoder | None = None

    def feed(self, block: bytes) -> list[bytes]:
        """The lines that `block` completes."""
        if self._head is not None:
            self._head += block
            if len(self._head) < _ENOUGH:
                return []
            block, self._head = self._head, None
            if _UTF16.match(block):
                self._utf16 = getincrementaldecoder("utf-16")("replace")
        return self._split(block if self._utf16 is None else self._utf16.decode(block).encode())

    def _split(self, block: bytes) -> list[bytes]:
        *lines, rest = block.split(b"\n")
        if lines and self._tail:
            lines[0] = b"".join([*self._tail, lines[0]])
            self._tail = []
        if rest:
            self._tail.append(rest)
        return self._whole(lines)

    def finish(self) -> list[bytes]:
        """The last line, where it has no end."""
        last = b"".join([*self._tail, self._head or b""])
        self._tail, self._head = [], None
        return self._whole(last.split(b"\n"))

    def _whole(self, lines: list[bytes]) -> list[bytes]:
        if lines and self._first:
            lines[0] = lines[0].removeprefix(BOM_UTF8)
            self._first = False
        return [stripped for line in lines if (stripped := line.strip())]


class RowBuilder:
    """Makes Rows of lines. What the command line says is worked out once; a row costs its own part."""

    def __init__(self, prompt: Prompt, builder: Builder) -> None:
        self._prompt = prompt
        self._builder = builder
        self._before = prompt.opening
        self._common: Request | None = None

    def row(self, line: bytes, number: int) -> Row:
        """The row of a line: its request, or what is wrong with it."""
        custom_id: CustomId = f"row-{number}"
        try:
            data = parsed(line)
            custom_id = custom_id_of(data, f"row-{number}")
            request = self._request(data, line)
        except LlmcliError as error:
            return Row(number, custom_id, _digest(line), error=error)
        content = jsonl.dumps(request.fields)
        return Row(number, custom_id, _digest(content), request, size=len(content))

    def check(self, line: bytes) -> None:
        """Raise UsageError where the first good row shows that the template is not meant for these rows."""
        if self._prompt.template is not None:
            check_template(self._prompt, parsed(line), line)

    def _request(self, data: Json, line: bytes) -> Request:
        if self._prompt.template is not None:
            return self._of_text(templated(self._prompt, data, line))
        data = said(data, line)
        if isinstance(data.get("body"), dict):
            return self._of_body(body_of(data))
        if "messages" in data:
            return self._of_body({key: value for key, value in data.items() if key != "custom_id"})
        prompt = text_of(data, "prompt", line)
        if prompt is not None:
            text = joined(*self._prompt.files, prompt)
            system = data.get("system")
            if system is not None:
                system = text_of(data, "system", line) or system
            return self._of_text(text, own_parameters(data), system)
        raise BadRow(
            "invalid_row", "the row has no messages, no prompt and no body; with -t, any object is a row"
        )

    def _of_text(self, text: str, own: Json | None = None, system: Any = None) -> Request:
        """A row that is a user's text: with no parameters of its own it differs from the next in the text alone."""
        if not text and not self._prompt.parts:
            raise BadRow("invalid_row", "the prompt is empty")
        message = self._prompt.user(text)
        if system is not None:
            if not isinstance(system, str):
                raise BadRow("invalid_row", "the system message must be a string")
            before = [{"role": "system", "content": system}, *self._prompt.earlier]
            return self._built([*before, message], own or {})
        if own or self._builder.words_labels:
            return self._built([*self._before, message], own or {})
        if self._common is None:
            self._common = self._built([*self._before, message], {})
        return replace(self._common, fields={**self._common.fields, "messages": [*self._before, message]})

    def _of_body(self, body: Json) -> Request:
        messages = check_message_list(body.get("messages"), "messages")
        roles = {message["role"] for message in messages}
        before = [m for m in self._before if m["role"] != "system" or not roles & {"system", "developer"}]
        text = joined(*self._prompt.files)
        after = [self._prompt.user(text)] if text or self._prompt.parts else []
        own = {key: value for key, value in body.items() if key not in {"messages", "stream_options"}}
        return self._built([*before, *messages, *after], own)

    def _built(self, messages: list[Message], own: Json) -> Request:
        """The request; a row's own parameters win over the command line's. Raises BadCommand, BadRow, UsageError."""
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


def _digest(content: bytes) -> int:
    """64 bits of BLAKE2b, never 0."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big") or 1
