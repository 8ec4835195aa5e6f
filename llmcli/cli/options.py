"""The option groups: every flag of the program, declared once. Commands take the groups that they need."""
# No `from __future__ import annotations`: the groups' annotations are read as objects.

from dataclasses import field, fields
from typing import Annotated, Any, Literal

import typer
from typer import Option

from llmcli.cli.defaults import layer_defaults
from llmcli.cli.groups import finite, flag, options
from llmcli.cli.session import Session

_INPUT = "Input"
_REQUEST = "Request"
_ANSWER = "Structured answers and tools"
_OUTPUT = "Output"
_RETRIES = 4
_NETWORK = "Network"
_MONEY = "Money, cache and replay"
_SESSION = "Conversation"
_GENERAL = "General"

Format = Literal["text", "json", "jsonl", "events"]


def _show_help(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        session: Session = ctx.obj
        session.stdout.write(ctx.get_help() + "\n")
        raise typer.Exit


def _accept(ctx: typer.Context, names: list[str]) -> list[str]:
    """Callback of `--ok`, which is read before other flags: their errors are exits, too."""
    session: Session = ctx.obj
    if not ctx.resilient_parsing:
        session.accept(names)
    return names


Help = Annotated[
    bool,
    Option(
        "--help",
        "-h",
        is_eager=True,
        callback=_show_help,
        help="Show this and exit.",
        rich_help_panel=_GENERAL,
    ),
]

Prompt = Annotated[
    list[str] | None,
    typer.Argument(metavar="PROMPT", help="The prompt; words are joined with a space. - reads stdin."),
]


@options(_INPUT)
class InputOptions:
    """Where the messages come from."""

    file: Annotated[
        list[str],
        flag(
            "--file", "-f", metavar="PATH", help="Put a text file before the prompt (repeatable; - is stdin)."
        ),
    ] = field(default_factory=list)
    system: Annotated[
        str | None, flag("--system", "-s", metavar="TEXT|@FILE", help="The system message.")
    ] = None
    messages: Annotated[
        str | None,
        flag(
            "--messages",
            metavar="FILE|-",
            help="Earlier messages (JSON array or JSONL), between system and prompt.",
        ),
    ] = None
    template: Annotated[
        str | None,
        flag(
            "--template",
            "-t",
            metavar="TEXT|@FILE",
            help="Make the prompt of a template: {{ name }}, {{ input }}.",
        ),
    ] = None
    param: Annotated[
        list[str], flag("--param", "-p", metavar="NAME=VALUE", help="A template's variable (repeatable).")
    ] = field(default_factory=list)
    attachment: Annotated[
        list[str],
        flag("--attachment", "-a", metavar="PATH|URL|-", help="Attach an image, audio or PDF (repeatable)."),
    ] = field(default_factory=list)
    detail: Annotated[
        Literal["low", "high", "auto"] | None, flag("--detail", help="How closely images are looked at.")
    ] = None
    no_stdin: Annotated[bool, flag("--no-stdin", help="Do not touch stdin (also LLMCLI_NO_STDIN=1).")] = False


@options(_REQUEST)
class SamplingOptions:
    """The everyday parameters: fields named as the API names them, None where the user said nothing."""

    temperature: Annotated[
        float | None, flag("--temperature", metavar="X", min=0, max=2, help="Sampling temperature.")
    ] = None
    top_p: Annotated[float | None, flag("--top-p", metavar="X", min=0, max=1, help="Nucleus sampling.")] = (
        None
    )
    n: Annotated[int | None, flag("--n", metavar="N", min=1, max=128, help="How many answers.")] = None
    seed: Annotated[int | None, flag("--seed", metavar="N", help="Seed of the sampling.")] = None
    presence_penalty: Annotated[
        float | None, flag("--presence-penalty", metavar="X", min=-2, max=2, help="Penalty on tokens seen.")
    ] = None
    frequency_penalty: Annotated[
        float | None,
        flag("--frequency-penalty", metavar="X", min=-2, max=2, help="Penalty on tokens seen often."),
    ] = None
    logprobs: Annotated[bool | None, flag("--logprobs", help="Log probabilities of the tokens.")] = None
    top_logprobs: Annotated[
        int | None,
        flag(
            "--top-logprobs", metavar="N", min=0, max=20, help="And of the N likeliest (implies --logprobs)."
        ),
    ] = None
    reasoning_effort: Annotated[
        str | None,
        flag("--reasoning-effort", metavar="EFFORT", help="none, minimal, low, medium, high, xhigh, max."),
    ] = None
    verbosity: Annotated[str | None, flag("--verbosity", metavar="LEVEL", help="low, medium or high.")] = None
    service_tier: Annotated[
        str | None, flag("--service-tier", metavar="TIER", help="auto, default, flex, priority, ...")
    ] = None
    user: Annotated[str | None, flag("--user", metavar="ID", help="An identifier of your end user.")] = None
    store: Annotated[bool | None, flag("--store", help="Ask the provider to keep the completion.")] = None
    parallel_tool_calls: Annotated[
        bool | None,
        flag(
            "--parallel-tool-calls/--no-parallel-tool-calls",
            panel=_ANSWER,
            help="Whether one turn may call several tools.",
        ),
    ] = None

    def parameters(self) -> dict[str, Any]:
        """What was said, under the API's names."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@options(_REQUEST)
class RequestOptions:
    """The model, and the parameters that need more than passing on."""

    model: Annotated[
        str | None,
        flag(
            "--model",
            "-m",
            metavar="[PROVIDER/]NAME",
            help="The model (else LLMCLI_MODEL, config, gpt-6-luna).",
        ),
    ] = None
    base_url: Annotated[
        str | None,
        flag("--base-url", metavar="URL", help="Any OpenAI-compatible endpoint (also OPENAI_BASE_URL)."),
    ] = None
    max_tokens: Annotated[
        int | None, flag("--max-tokens", "-M", metavar="N", min=1, help="Most tokens of the answer.")
    ] = None
    stop: Annotated[
        list[str], flag("--stop", metavar="TEXT", help="End the answer at TEXT (repeatable).")
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
            "--option", "-o", metavar="KEY=VALUE", help="Any other field of the API; VALUE is JSON or text."
        ),
    ] = field(default_factory=list)
    stream: Annotated[
        bool | None, flag("--stream/--no-stream", help="Ask for the answer in pieces, or whole.")
    ] = None
    price: Annotated[
        str | None, flag("--price", metavar="IN,OUT", help="The model's price, $ per million tokens.")
    ] = None
    schema: Annotated[
        str | None,
        flag(
            "--schema",
            panel=_ANSWER,
            metavar="FILE|JSON|DSL",
            help="Ask for JSON that fits a schema, e.g. 'name, age int'; anything else is exit 5.",
        ),
    ] = None
    schema_multi: Annotated[
        bool,
        flag("--schema-multi", panel=_ANSWER, help="Ask for a list of such; print one JSON line per item."),
    ] = False
    no_strict: Annotated[
        bool, flag("--no-strict", panel=_ANSWER, help="Send the schema as it is, without strict mode.")
    ] = False
    json_mode: Annotated[
        bool, flag("--json-mode", panel=_ANSWER, help="Ask for a JSON object; anything else is exit 5.")
    ] = False
    tools: Annotated[
        str | None,
        flag(
            "--tools",
            panel=_ANSWER,
            metavar="FILE|JSON",
            help="Tool definitions; calls are printed as JSON lines.",
        ),
    ] = None
    tool_choice: Annotated[
        str | None,
        flag(
            "--tool-choice",
            panel=_ANSWER,
            metavar="CHOICE",
            help="auto, none, required, a tool's name, or JSON.",
        ),
    ] = None


@options(_ANSWER)
class FollowOptions:
    """What is done about an answer before it counts: repairs, tools that run."""

    repair: Annotated[
        int, flag("--repair", min=0, metavar="N", help="Ask again up to N times where JSON does not fit (0).")
    ] = 0
    exec: Annotated[
        list[str],
        flag(
            "--exec",
            metavar="NAME=COMMAND",
            help="Run COMMAND (no shell) when the tool is called (repeatable).",
        ),
    ] = field(default_factory=list)
    max_turns: Annotated[
        int, flag("--max-turns", min=1, metavar="N", help="Most requests of a tool loop (8).")
    ] = 8
    tool_timeout: Annotated[
        float | None,
        flag(
            "--tool-timeout", min=0.001, callback=finite, metavar="S", help="Seconds for one run of a tool."
        ),
    ] = None


@options(_OUTPUT)
class OutputOptions:
    """What is shown, and where."""

    format: Annotated[Format, flag("--format", help="What stdout gets.")] = "text"
    json: Annotated[bool, flag("--json", help="The same as --format json.")] = False
    null: Annotated[bool, flag("--null", "-0", help="End each answer with NUL, not newline.")] = False
    extract: Annotated[bool, flag("--extract", "-x", help="Print only the first fenced code block.")] = False
    output: Annotated[
        str | None, flag("--output", "-O", metavar="FILE", help="Write to FILE, whole, and only on exit 0.")
    ] = None
    usage: Annotated[bool, flag("--usage", "-u", help="Say tokens, cost and time on stderr.")] = False
    usage_file: Annotated[
        str | None, flag("--usage-file", metavar="FILE", help="Append the same as a JSON line to FILE.")
    ] = None
    reasoning: Annotated[bool, flag("--reasoning", help="Show the model's reasoning on stderr.")] = False
    dry_run: Annotated[bool, flag("--dry-run", help="Print the request body and send nothing.")] = False
    curl: Annotated[bool, flag("--curl", help="Print the same request as a curl command; send nothing.")] = (
        False
    )

    @property
    def shape(self) -> Format:
        """The format that holds."""
        return "json" if self.json else self.format

    @property
    def shows_reasoning(self) -> bool:
        """Whether reasoning is shown as it comes."""
        return self.shape == "events" or (self.shape == "text" and self.reasoning)


@options(_NETWORK)
class NetworkOptions:
    """How hard to try."""

    api_key_file: Annotated[
        str | None, flag("--api-key-file", metavar="FILE", help="Read the key from FILE.")
    ] = None
    timeout: Annotated[
        float,
        flag(
            "--timeout",
            metavar="S",
            min=0.001,
            callback=finite,
            help="Seconds for one attempt (600; 10 to connect).",
        ),
    ] = 600.0
    deadline: Annotated[
        float | None,
        flag("--deadline", metavar="S", min=0.001, callback=finite, help="Seconds for everything."),
    ] = None
    retries: Annotated[
        int | None, flag("--retries", metavar="N", min=0, help="Further attempts where one may help (4).")
    ] = None

    @property
    def further(self) -> int:
        """How many attempts may follow the first."""
        return _RETRIES if self.retries is None else self.retries


@options(_MONEY)
class MoneyOptions:
    """What it may cost, and which answers need not be paid again."""

    max_cost: Annotated[
        float | None,
        flag(
            "--max-cost", min=0, callback=finite, metavar="USD", help="Send nothing that may pass this sum."
        ),
    ] = None
    budget_file: Annotated[
        str | None, flag("--budget-file", metavar="FILE", help="Share the sum with all calls that name FILE.")
    ] = None
    cache: Annotated[bool, flag("--cache", help="Keep answers, and use those that are kept.")] = False
    cache_ttl: Annotated[
        float | None, flag("--cache-ttl", min=0, metavar="S", help="Use none older than S seconds.")
    ] = None
    record: Annotated[
        str | None, flag("--record", metavar="DIR", help="Keep every complete answer in DIR.")
    ] = None
    replay: Annotated[
        str | None, flag("--replay", metavar="DIR", help="Answer from DIR alone: no network at all.")
    ] = None
    fallback: Annotated[
        list[str],
        flag(
            "--fallback",
            panel=_NETWORK,
            metavar="MODEL",
            help="The next model, where one cannot answer (repeatable).",
        ),
    ] = field(default_factory=list)


@options(_SESSION)
class SessionOptions:
    """The conversation that this belongs to."""

    session: Annotated[
        str | None,
        flag(
            "--session",
            metavar="FILE.jsonl|NAME",
            help="Go on with the conversation kept there, or begin it.",
        ),
    ] = None
    resume: Annotated[
        bool, flag("--continue", "-c", help="Go on with the newest session (with --session: with that).")
    ] = False

    @property
    def wanted(self) -> bool:
        """Whether there is one."""
        return self.session is not None or self.resume


@options(_SESSION)
class ContextOptions:
    """What is sent of a conversation that has grown long."""

    context: Annotated[
        Literal["window", "summarize", "error"],
        flag(
            "--context",
            help="Where it is too long: drop the oldest turns (window), have a model summarize them, or exit 2.",
        ),
    ] = "window"
    max_context_tokens: Annotated[
        int | None,
        flag(
            "--max-context-tokens",
            min=1,
            metavar="N",
            help="Most tokens of a prompt (the model's window less the answer).",
        ),
    ] = None
    keep_turns: Annotated[
        int | None, flag("--keep-turns", min=1, metavar="N", help="Send the newest N turns at most.")
    ] = None
    summary_model: Annotated[
        str | None,
        flag(
            "--summary-model",
            metavar="[PROVIDER/]NAME",
            help="The model that summarizes (the one that answers).",
        ),
    ] = None

    @property
    def wanted(self) -> bool:
        """Whether anything is said about it."""
        return self != ContextOptions()


@options(_SESSION)
class ChatOptions:
    """How turns come in."""

    turns: Annotated[
        Literal["lines", "null", "jsonl"],
        flag(
            "--turns",
            help="What a turn on stdin is: a line, text up to NUL, or a line of JSON (a string or a message).",
        ),
    ] = "lines"
    keep_going: Annotated[
        bool, flag("--keep-going", help="Go on after a turn that failed; it is left out.")
    ] = False
    no_session: Annotated[bool, flag("--no-session", help="Keep nothing, also on a terminal.")] = False
    list_sessions: Annotated[
        bool, flag("--list", help="List the sessions of the state directory, newest first.")
    ] = False


@options(_GENERAL)
class GeneralOptions:
    """What every command has."""

    profile: Annotated[
        str | None,
        flag(
            "--profile",
            metavar="NAME",
            is_eager=True,
            callback=layer_defaults,
            help="Options from [profiles.NAME] of the config file.",
        ),
    ] = None
    ok: Annotated[
        list[str],
        flag(
            "--ok",
            metavar="NAME[,NAME]",
            is_eager=True,
            callback=_accept,
            help="Exit 0 where these exits are due.",
        ),
    ] = field(default_factory=list)
    quiet: Annotated[bool, flag("--quiet", "-q", help="Errors only.")] = False
    verbose: Annotated[bool, flag("--verbose", "-v", help="Also attempts, waits and request ids.")] = False
    help: Help = False

    def apply(self, session: Session) -> None:
        """Let the session know."""
        session.notes.quiet = self.quiet
        session.notes.verbose = self.verbose and not self.quiet
