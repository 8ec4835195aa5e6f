"""From flags to a Request: the one way in which `ask` and `count` (and their kin) say what was asked."""

from __future__ import annotations

from typing import Any

from llmcli.cli.options import InputOptions, RequestOptions, SamplingOptions
from llmcli.cli.session import Session
from llmcli.cli.stdin import is_piped, reader
from llmcli.request.build import Ask, build_request
from llmcli.request.endpoint import Endpoint, resolve
from llmcli.request.params import (
    ignored_parameters,
    parse_logit_bias,
    parse_option,
    parse_pair,
)
from llmcli.request.prompt import (
    ReadStdin,
    argument,
    compose_prompt,
    decode,
    read_file,
    text_or_file,
    without_final_newline,
)
from llmcli.request.tools import load_tools
from llmcli.wire import Message, Request

DEFAULT_MODEL = "gpt-6-luna"


def compose(
    session: Session,
    words: list[str],
    given: InputOptions,
    sampling: SamplingOptions,
    request: RequestOptions,
    *,
    stream: bool,
    deadline: float | None = None,
) -> Request:
    """Read what the user named and build the request. Raises UsageError, ConfigError."""
    endpoint = endpoint_of(session, request)
    read = reader(session, given.no_stdin or session.no_stdin, deadline)
    settings = settings_of(sampling, request, read)
    messages = messages_of(session, words, given, read)
    wanted = stream if request.stream is None else request.stream
    built = build_request(Ask(messages=messages, stream=wanted, **settings), endpoint)
    for name in ignored_parameters(endpoint.provider, built.body()):
        session.notes.say(f"warning: {endpoint.provider.name} takes {name} and ignores it")
    return built


def endpoint_of(session: Session, request: RequestOptions) -> Endpoint:
    """The model and address that hold."""
    return resolve(
        request.model or DEFAULT_MODEL, request.base_url, session.world.env, session.config.providers
    )


def messages_of(session: Session, words: list[str], given: InputOptions, read: ReadStdin) -> list[Message]:
    """System and user message of an `ask`."""
    text = compose_prompt(*prompt_parts(session, words, given, read))
    system: list[Message] = []
    if given.system is not None:
        system = [{"role": "system", "content": text_or_file(given.system, read)}]
    return [*system, {"role": "user", "content": text}]


def prompt_parts(
    session: Session, words: list[str], given: InputOptions, read: ReadStdin
) -> tuple[list[str], list[str], str | None]:
    """Words, files' texts and what was piped (None: nothing was, or it has a place of its own)."""
    files = [read_file(path, read) for path in given.file]
    named = "-" in given.file or given.system == "@-"
    dash = words == ["-"]
    piped = None
    if not named and (dash or is_piped(session, given.no_stdin or session.no_stdin)):
        piped = without_final_newline(decode(read(), "stdin"))
    return [] if dash else words, files, piped


def settings_of(sampling: SamplingOptions, request: RequestOptions, read: ReadStdin) -> dict[str, Any]:
    """The fields of an Ask that flags give, messages aside."""
    parameters = sampling.parameters()
    if request.stop:
        parameters["stop"] = [argument(text) for text in request.stop]
    if request.logit_bias:
        parameters["logit_bias"] = parse_logit_bias(request.logit_bias)
    if request.metadata:
        parameters["metadata"] = dict(parse_pair(argument(text), "--metadata") for text in request.metadata)
    if request.modalities:
        parameters["modalities"] = [kind for text in request.modalities for kind in text.split(",")]
    return {
        "parameters": parameters,
        "extra": dict(parse_option(argument(text)) for text in request.option),
        "max_tokens": request.max_tokens,
        "response_format": {"type": "json_object"} if request.json_mode else None,
        "tools": load_tools(request.tools, read) if request.tools is not None else (),
        "tool_choice": request.tool_choice,
    }
