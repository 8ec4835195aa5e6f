"""From flags to a Request: the one way in which every command says what was asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from llmcli.app import App
from llmcli.errors import UsageError
from llmcli.request.build import Ask, build_request
from llmcli.request.endpoint import Endpoint, beside, resolve
from llmcli.request.params import (
    ignored_parameters,
    parse_logit_bias,
    parse_option,
    parse_pair,
)
from llmcli.request.prompt import (
    ReadStdin,
    argument,
    decode,
    join_prompt,
    read_file,
    text_or_file,
    without_final_newline,
)
from llmcli.request.tools import load_tools
from llmcli.settings.input import InputSettings
from llmcli.settings.request import RequestSettings
from llmcli.wire import Json, Message, Request, http_url

DEFAULT_MODEL = "gpt-6-luna"


@dataclass(frozen=True)
class Recipe:
    """What was asked, and of whom: makes the request, and the same one for other models and messages."""

    app: App
    ask: Ask
    endpoint: Endpoint

    def request(self) -> Request:
        """The request. Raises UsageError."""
        return build_request(self.ask, self.endpoint)

    def reading(self, *, extract: bool) -> Recipe:
        """The same, where the first code block of an answer is the answer."""
        return replace(self, ask=replace(self.ask, extract=extract))

    def rebuild(self, request: Request, model: str) -> Request:
        """`request`, as it is now, for another model. Raises UsageError where that model rejects a parameter.

        A model of the same provider is asked at the same address, any other at its provider's own.
        """
        world, config = self.app.world, self.app.config
        model = argument(model)
        there = beside(self.endpoint, model, config.providers) or resolve(
            model, None, world.env, config.providers
        )
        fields = dict(request.fields)
        limits = [fields.pop(name, None) for name in ("max_completion_tokens", "max_tokens")]
        ask = Ask(
            messages=fields.pop("messages"),
            parameters={name: value for name, value in fields.items() if name != "model"},
            max_tokens=limits[0] if limits[0] is not None else limits[1],
            expects=request.expects,
            extract=request.extract,
        )
        return build_request(ask, there)


def compose(
    app: App,
    words: list[str],
    given: InputSettings,
    request: RequestSettings,
    *,
    stream: bool,
    optional: bool = False,
) -> Recipe:
    """Read what the user named. `optional`: a conversation goes before it, so there may be no prompt.

    Raises UsageError, ConfigError.
    """
    endpoint = endpoint_of(app, request)
    read = app.stdin.read
    settings = settings_of(request, read)
    messages = messages_of(app, words, given, read, optional=optional)
    wanted = stream if request.stream is None else request.stream
    recipe = Recipe(app, Ask(messages=messages, stream=wanted, **settings), endpoint)
    if messages:
        warn_of_ignored(app, recipe.request(), endpoint)
    return recipe


def warn_of_ignored(app: App, request: Request, endpoint: Endpoint) -> None:
    """Say which parameters do nothing."""
    for name in ignored_parameters(endpoint.provider, request.body()):
        app.notes.say(f"warning: {endpoint.provider.name} takes {name} and ignores it")


def endpoint_of(app: App, request: RequestSettings) -> Endpoint:
    """The model and address that hold."""
    model = DEFAULT_MODEL if request.model is None else argument(request.model)
    try:
        return resolve(model, request.base_url, app.world.env, app.config.providers)
    except UsageError as error:
        is_address = request.base_url is not None and http_url(request.base_url) is None
        error.flag = "--base-url" if is_address else "--model"
        raise


def messages_of(
    app: App, words: list[str], given: InputSettings, read: ReadStdin, *, optional: bool = False
) -> list[Message]:
    """System message, earlier messages, and the user's, which must not be empty unless that is `optional`."""
    messages = opening_of(app, given, read)
    parts = parts_of(given, read)
    text = text_of_prompt(app, words, given, read)
    if text or parts:
        messages.append(user_message(text, parts))
    elif given.messages is None and not optional:
        raise UsageError("the prompt is empty", todo="give a PROMPT, pipe text in, or name a file with -f")
    return messages


def opening_of(app: App, given: InputSettings, read: ReadStdin) -> list[Message]:
    """What stands before the user's message: the system message and earlier ones."""
    messages: list[Message] = []
    if given.system is not None:
        messages.append({"role": "system", "content": text_or_file(given.system, read)})
    if given.messages is not None:
        from llmcli.request.messages import parse_messages

        text = read_file(given.messages, read)
        messages += parse_messages(text, f"--messages {given.messages}", app.notes.say)
    return messages


def parts_of(given: InputSettings, read: ReadStdin) -> list[Json]:
    """What is attached, as content parts."""
    from llmcli.request.attachments import load_attachment

    parts = [load_attachment(source, given.detail, read) for source in given.attachment]
    if given.detail and not parts:
        raise UsageError("without an image", todo="attach one with -a", flag="--detail")
    return parts


def user_message(text: str, parts: list[Json]) -> Message:
    """The user's message: text, or parts with the text before them."""
    if not parts:
        return {"role": "user", "content": text}
    head: list[Json] = [{"type": "text", "text": text}] if text else []
    return {"role": "user", "content": [*head, *parts]}


def text_of_prompt(app: App, words: list[str], given: InputSettings, read: ReadStdin) -> str:
    """The user's text: files, words and what was piped; through the template, where there is one."""
    return rendered(join_prompt(*_prompt_parts(app, words, given, read)), given, read)


def rendered(text: str, given: InputSettings, read: ReadStdin) -> str:
    """The text through the template, where there is one."""
    if given.template is None:
        if given.param:
            raise UsageError("without a template", todo="give it with -t", flag="-p")
        return text
    from llmcli.request.template import Template

    name = given.template[1:] if given.template.startswith("@") else "-t"
    template = Template(text_or_file(given.template, read), name)
    values: dict[str, Any] = {"input": text} if text else {}
    given_values = dict(parse_pair(argument(pair), "-p") for pair in given.param)
    if text and "input" in given_values:
        raise UsageError(
            "input beside a prompt", todo="{{ input }} is the prompt; drop one of them", flag="-p"
        )
    values |= given_values
    made = template.render(values)
    return made if "input" in template.names else "\n\n".join(part for part in (made, text) if part)


def _prompt_parts(
    app: App, words: list[str], given: InputSettings, read: ReadStdin
) -> tuple[list[str], list[str], str | None]:
    """Words, files' texts and what was piped (None: nothing was, or it has a place of its own)."""
    files = [read_file(path, read) for path in given.file]
    named = app.stdin.taken or given.template == "@-"
    dash = words == ["-"]
    piped = None
    if not named and (dash or app.stdin.is_piped):
        piped = without_final_newline(decode(read(), "stdin"))
    return [] if dash else words, files, piped


def settings_of(request: RequestSettings, read: ReadStdin) -> dict[str, Any]:
    """The fields of an Ask that flags give, messages aside."""
    said = request.parameters().items()
    parameters = {name: argument(value) if isinstance(value, str) else value for name, value in said}
    if request.stop:
        parameters["stop"] = [argument(text) for text in request.stop]
    if request.logit_bias:
        parameters["logit_bias"] = parse_logit_bias(request.logit_bias)
    if request.metadata:
        parameters["metadata"] = dict(parse_pair(argument(text), "--metadata") for text in request.metadata)
    if request.modalities:
        parameters["modalities"] = [kind for text in request.modalities for kind in argument(text).split(",")]
    return {
        "parameters": parameters,
        "extra": dict(parse_option(argument(text)) for text in request.option),
        "max_tokens": request.max_tokens,
        "tools": load_tools(request.tools, read) if request.tools is not None else (),
        "tool_choice": request.tool_choice,
        **_answer_format(request, read),
    }


def _answer_format(request: RequestSettings, read: ReadStdin) -> dict[str, Any]:
    """`response_format` and `expects`, as --schema or --json-mode ask for them."""
    if request.schema is None:
        if request.schema_multi or request.no_strict:
            flag = "--schema-multi" if request.schema_multi else "--no-strict"
            raise UsageError(f"{flag} without a schema", todo="give it with --schema")
        return {"response_format": {"type": "json_object"} if request.json_mode else None}
    if any(text.startswith("response_format=") for text in request.option):
        raise UsageError(
            "and -o response_format exclude each other", todo="drop one of them", flag="--schema"
        )
    if request.json_mode:
        raise UsageError(
            "and --schema exclude each other", todo="--schema alone asks for JSON", flag="--json-mode"
        )
    from llmcli.request.schema import load_schema, response_format

    wanted = load_schema(request.schema, read)
    sent, schema = response_format(wanted, strict=not request.no_strict, multi=request.schema_multi)
    return {"response_format": sent, "expects": schema}
