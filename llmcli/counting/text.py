"""A text, without the request around it: counted, cut to a size, or cut to pieces."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Protocol

from llmcli import jsonl
from llmcli.app import App
from llmcli.counting.long import blocks_of, measure_of
from llmcli.counting.shown import show_count
from llmcli.errors import UsageError
from llmcli.exchange.asked import Worded, pages_named
from llmcli.local import LOCAL
from llmcli.request.endpoint import Endpoint
from llmcli.request.names import say_names
from llmcli.request.prompt import Prompt, is_page
from llmcli.request.reading import words_or_stdin
from llmcli.settings.commands.counting import CountingSettings
from llmcli.settings.output import OutputSettings
from llmcli.tokens.count import Count, counted_measure
from llmcli.tokens.cut import Vocabulary, split, truncate
from llmcli.tokens.encodings import Encoder, encoding_for, load
from llmcli.tokens.measure import Measure, measured
from llmcli.wire import Request


class Shown(Worded, Protocol):
    """What text is meant, and how its count is shown."""

    @property
    def output(self) -> OutputSettings:
        """The form of what is shown."""


def show_text(app: App, settings: Shown, counting: CountingSettings) -> None:
    """What --raw, --truncate and --split write of the words, the files and stdin."""
    say_names(settings.input, app.notes.say, settings.prompt or ())
    request = settings.request
    endpoint = app.addresses(request.base_url, request.api).chosen(request)
    if endpoint.provider.name == LOCAL:
        _show_local(app, settings, counting, endpoint)
        return
    encoder = load(encoding_for(endpoint.provider.name, endpoint.model)[0])
    if counting.truncate is not None or counting.split is not None:
        _show_cut(app, counting, _text(app, settings), encoder)
    else:
        _show_measure(app, settings, endpoint, _measure(app, settings, encoder))


def _show_cut(app: App, counting: CountingSettings, text: str, vocabulary: Vocabulary) -> None:
    """What --truncate or --split leaves of a text."""
    if counting.truncate is not None:
        app.stdout.write(truncate(text, counting.truncate, counting.side, vocabulary) + "\n")
    for piece in (
        split(text, counting.split, counting.overlap, vocabulary) if counting.split is not None else ()
    ):
        record = {"index": piece.index, "tokens": piece.tokens, "text": piece.text}
        app.stdout.write_bytes(jsonl.line(record))


def _show_local(app: App, settings: Shown, counting: CountingSettings, endpoint: Endpoint) -> None:
    """The same in the tokens of a model that is here."""
    from llmcli.local.counted import LocalCounts

    with closing(LocalCounts(app.world.env)) as counts:
        vocabulary = counts.vocabulary(endpoint.model)
        text = _text(app, settings)
        if counting.truncate is not None or counting.split is not None:
            _show_cut(app, counting, text, vocabulary)
            return
        tokens = vocabulary.count(text)
    request = Request(endpoint.provider.name, endpoint.model, endpoint.base_url, {})
    show_count(app, request, Count(tokens, exact=True, most=tokens), settings.output)


def _text(app: App, settings: Shown) -> str:
    """The whole text. Raises UsageError where there is none."""
    pages = pages_named(app, settings, sends=False)
    prompt = Prompt.of(settings.input, app.stdin.read, app.notes.say, pages)
    text = prompt.text(words_or_stdin(settings.prompt or [], app.stdin))
    if not text:
        raise _no_text()
    return text


def _no_text() -> UsageError:
    return UsageError("there is no text", todo="give a PROMPT, pipe text in, or name a file with -f")


def _measure(app: App, settings: Shown, encoder: Encoder) -> Measure:
    """The measure of the text, which is not held whole but where a template takes it."""
    if settings.input.template is not None or any(map(is_page, settings.input.file)):
        return measured(_text(app, settings), encoder)
    Prompt.of(
        replace(settings.input, file=[]), app.stdin.read, app.notes.say, {}
    )  # what is wrong with the rest
    measure = measure_of(blocks_of(app, settings.input.file, settings.prompt or []), encoder)
    if not measure.length:
        raise _no_text()
    return measure


def _show_measure(app: App, settings: Shown, endpoint: Endpoint, measure: Measure) -> None:
    body = {"model": endpoint.model, "max_tokens": settings.request.max_tokens}
    asked = Request(endpoint.provider.name, endpoint.model, endpoint.base_url, body)
    show_count(app, asked, counted_measure(asked.provider, asked.model, measure), settings.output)
