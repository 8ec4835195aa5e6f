"""A text, without the request around it: counted, cut to a size, or cut to pieces."""

from __future__ import annotations

from typing import Protocol

from llmcli import jsonl
from llmcli.app import App
from llmcli.counting.shown import show_count
from llmcli.errors import UsageError
from llmcli.exchange.asked import Worded
from llmcli.request.prompt import Prompt
from llmcli.request.reading import said
from llmcli.settings.counting import CountingSettings
from llmcli.settings.output import OutputSettings
from llmcli.tokens.count import counted_text
from llmcli.tokens.cut import split, truncate
from llmcli.tokens.encodings import encoding_for, load
from llmcli.wire import Request


class Shown(Worded, Protocol):
    """What text is meant, and how its count is shown."""

    @property
    def output(self) -> OutputSettings:
        """The form of what is shown."""


def show_text(app: App, settings: Shown, counting: CountingSettings) -> None:
    """What --raw, --truncate and --split write of the words, the files and stdin."""
    request = settings.request
    endpoint = app.addresses(request.base_url).chosen(request)
    encoder = load(encoding_for(endpoint.provider.name, endpoint.model)[0])
    prompt = Prompt.of(settings.input, app.stdin.read, app.notes.say)
    text = prompt.text(said(settings.prompt or [], app.stdin))
    if not text:
        raise UsageError("there is no text", todo="give a PROMPT, pipe text in, or name a file with -f")
    if counting.truncate is not None:
        app.stdout.write(truncate(text, counting.truncate, counting.side, encoder) + "\n")
    elif counting.split is not None:
        for piece in split(text, counting.split, counting.overlap, encoder):
            record = {"index": piece.index, "tokens": piece.tokens, "text": piece.text}
            app.stdout.write_bytes(jsonl.line(record))
    else:
        body = {"model": endpoint.model, "max_tokens": request.max_tokens}
        asked = Request(endpoint.provider.name, endpoint.model, endpoint.base_url, body)
        show_count(app, asked, counted_text(asked.provider, asked.model, text), settings.output)
