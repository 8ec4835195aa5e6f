"""Request: the model, and what is asked of it."""
# No `from __future__ import annotations`: the annotations are read as objects.

from collections.abc import Callable
from dataclasses import field
from typing import Any, Literal

from llmcli.errors import UsageError
from llmcli.lean.annotated import Annotated
from llmcli.settings.flag import Flag, flag, flags_of, settings
from llmcli.settings.labels import labels_of

ANSWER = "Structured answers and tools"


@settings("Request")
class RequestSettings:
    """The model, its parameters, and the form of the answer that is asked for.

    Parameters are None where the user said nothing.
    """

    model: Annotated[
        str | None,
        flag(
            "--model",
            "-m",
            metavar="[PROVIDER/]NAME",
            help="The model (else LLMCLI_MODEL, config, gpt-6-luna).",
            everyday=True,
        ),
    ] = None
    base_url: Annotated[
        str | None,
        flag(
            "--base-url",
            blank=True,
            metavar="URL",
            help="Any OpenAI-compatible endpoint (also OPENAI_BASE_URL).",
            everyday=True,
        ),
    ] = None
    api: Annotated[
        Literal["chat", "responses"] | None,
        flag("--api", panel="Network", help="Which API to ask (default: the one that serves the model)."),
    ] = None
    max_tokens: Annotated[
        int | None,
        flag("--max-tokens", "-M", metavar="N", low=1, help="Most tokens of the answer.", everyday=True),
    ] = None
    stop: Annotated[
        list[str], flag("--stop", blank=True, metavar="TEXT", help="End the answer at TEXT (repeatable).")
    ] = field(default_factory=list)
    logit_bias: Annotated[
        list[str],
        flag("--logit-bias", metavar="TOKEN=BIAS", help="Bias of a token id, -100 to 100 (repeatable)."),
    ] = field(default_factory=list)
    metadata: Annotated[
        list[str], flag("--metadata", metavar="K=V", help="Metadata to keep with it (repeatable).")
    ] = field(default_factory=list)
    modalities: Annotated[
        list[str], flag("--modalities", metavar="KIND", help="text, audio (repeatable, or comma-separated).")
    ] = field(default_factory=list)
    option: Annotated[
        list[str],
        flag(
            "--option",
            "-o",
            metavar="KEY=VALUE",
            help="Any other field of the API; VALUE is JSON or text.",
            everyday=True,
        ),
    ] = field(default_factory=list)
    header: Annotated[
        list[str],
        flag(
            "--header",
            "-H",
            panel="Network",
            metavar="'NAME: VALUE'",
            help="A header of the request ($NAME: a variable's secret; 'NAME:' removes ours; repeatable).",
        ),
    ] = field(default_factory=list)
    stream: Annotated[
        bool | None, flag("--stream/--no-stream", help="Ask for the answer in pieces, or whole.")
    ] = None
    price: Annotated[
        str | None, flag("--price", metavar="IN,OUT", help="The model's price, $ per million tokens.")
    ] = None
    temperature: Annotated[
        float | None,
        flag(
            "--temperature", metavar="X", low=0, high=2, help="Sampling temperature.", api=True, everyday=True
        ),
    ] = None
    top_p: Annotated[
        float | None, flag("--top-p", metavar="X", low=0, high=1, help="Nucleus sampling.", api=True)
    ] = None
    n: Annotated[
        int | None, flag("--n", metavar="N", low=1, high=128, help="How many answers.", api=True)
    ] = None
    seed: Annotated[int | None, flag("--seed", metavar="N", help="Seed of the sampling.", api=True)] = None
    presence_penalty: Annotated[
        float | None,
        flag("--presence-penalty", metavar="X", low=-2, high=2, help="Penalty on tokens seen.", api=True),
    ] = None
    frequency_penalty: Annotated[
        float | None,
        flag(
            "--frequency-penalty", metavar="X", low=-2, high=2, help="Penalty on tokens seen often.", api=True
        ),
    ] = None
    logprobs: Annotated[
        bool | None, flag("--logprobs", help="Log probabilities of the tokens.", api=True)
    ] = None
    top_logprobs: Annotated[
        int | None,
        flag(
            "--top-logprobs",
            metavar="N",
            low=0,
            high=20,
            help="And of the N likeliest (implies --logprobs).",
            api=True,
        ),
    ] = None
    reasoning_effort: Annotated[
        str | None,
        flag(
            "--reasoning-effort",
            metavar="EFFORT",
            help="none, minimal, low, medium, high, xhigh, max.",
            api=True,
        ),
    ] = None
    verbosity: Annotated[
        str | None, flag("--verbosity", metavar="LEVEL", help="low, medium or high.", api=True)
    ] = None
    service_tier: Annotated[
        str | None,
        flag("--service-tier", metavar="TIER", help="auto, default, flex, priority, ...", api=True),
    ] = None
    user: Annotated[
        str | None, flag("--user", metavar="ID", help="An identifier of your end user.", api=True)
    ] = None
    store: Annotated[
        bool | None, flag("--store", help="Ask the provider to keep the completion.", api=True)
    ] = None
    schema: Annotated[
        str | None,
        flag(
            "--schema",
            panel=ANSWER,
            metavar="FILE|JSON|DSL",
            help="Ask for JSON that fits a schema, e.g. 'name, age int'; anything else is exit 5.",
            everyday=True,
        ),
    ] = None
    schema_multi: Annotated[
        bool,
        flag("--schema-multi", panel=ANSWER, help="Ask for a list of such; print one JSON line per item."),
    ] = False
    no_strict: Annotated[
        bool, flag("--no-strict", panel=ANSWER, help="Send the schema as it is, without strict mode.")
    ] = False
    json_mode: Annotated[
        bool, flag("--json-mode", panel=ANSWER, help="Ask for a JSON object; anything else is exit 5.")
    ] = False
    choices: Annotated[
        list[str],
        flag(
            "--choices",
            blank=True,
            panel=ANSWER,
            metavar="A,B,...",
            help="Ask for exactly one of these labels (repeatable, or a JSON list); anything else is exit 5.",
            everyday=True,
        ),
    ] = field(default_factory=list)
    tools: Annotated[
        str | None,
        flag(
            "--tools",
            panel=ANSWER,
            metavar="FILE|JSON",
            help="Tool definitions; calls are printed as JSON lines.",
        ),
    ] = None
    tool_choice: Annotated[
        str | None,
        flag(
            "--tool-choice",
            panel=ANSWER,
            metavar="CHOICE",
            help="auto, none, required, a tool's name, or JSON.",
        ),
    ] = None
    parallel_tool_calls: Annotated[
        bool | None,
        flag(
            "--parallel-tool-calls/--no-parallel-tool-calls",
            panel=ANSWER,
            help="Whether one turn may call several tools.",
            api=True,
        ),
    ] = None

    def check(self) -> None:
        """Raise UsageError where flags exclude each other, or one asks for nothing."""
        if "" in self.stop:
            raise UsageError(
                "is empty: every answer would end before it begins", todo="leave it out", flag="--stop"
            )
        if self.schema is None and (self.schema_multi or self.no_strict):
            flag_name = "--schema-multi" if self.schema_multi else "--no-strict"
            raise UsageError("without a schema", todo="give it with --schema", flag=flag_name)
        if self.schema is not None and any(text.startswith("response_format=") for text in self.option):
            problem = "and -o response_format exclude each other"
            raise UsageError(problem, todo="drop one of them", flag="--schema")
        if self.schema is not None and self.json_mode:
            todo = "--schema alone asks for JSON"
            raise UsageError("and --schema exclude each other", todo=todo, flag="--json-mode")
        if self.labels and (other := self._other_form()) is not None:
            raise UsageError(f"and {other} exclude each other", todo="drop one of them", flag="--choices")

    def _other_form(self) -> str | None:
        """What asks for answers of another form than labels."""
        if self.schema is not None or self.json_mode:
            return "--schema" if self.schema is not None else "--json-mode"
        return next((f"-o {text}" for text in self.option if text.startswith("response_format=")), None)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of which an answer is to be one. Raises UsageError."""
        return labels_of(self.choices, "--choices")

    def parameters(self) -> dict[str, Any]:
        """What was said of the parameters that are sent as they are, under the API's names."""
        return self._said(lambda name, mark: name if mark.api else None)

    def headers(self) -> dict[str, str]:
        """What was said of the flags that are sent as headers, under the headers' names."""
        return {name: str(value) for name, value in self._said(lambda _, mark: mark.header).items()}

    def _said(self, sent_as: Callable[[str, Flag], str | None]) -> dict[str, Any]:
        """The values that are not None of the flags which are sent as something, under the name of that."""
        flags = [(item.name, mark) for item, _, mark in flags_of(type(self)) if isinstance(mark, Flag)]
        names = {sent_as(name, mark): getattr(self, name) for name, mark in flags}
        return {name: value for name, value in names.items() if name is not None and value is not None}
