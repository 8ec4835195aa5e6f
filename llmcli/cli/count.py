"""`llmcli count`: the tokens and the price of the request that `ask` would send, with no network."""

from decimal import Decimal
from typing import Annotated, Any, Literal

import typer

from llmcli import jsonl
from llmcli.cli.compose import Recipe, compose, endpoint_of, text_of_prompt
from llmcli.cli.groups import flag, flags, options
from llmcli.cli.options import (
    ContextOptions,
    FollowOptions,
    GeneralOptions,
    InputOptions,
    Prompt,
    RequestOptions,
    SamplingOptions,
    SessionOptions,
)
from llmcli.cli.perform import followers_of, show_request
from llmcli.cli.session import Session
from llmcli.cli.stdin import reader
from llmcli.errors import UsageError
from llmcli.output.report import dollars
from llmcli.registry.estimate import estimate
from llmcli.registry.models import Model, find_model
from llmcli.tokens.count import count_request
from llmcli.tokens.cut import split, truncate
from llmcli.tokens.encodings import Encoder, encoding_for, load
from llmcli.wire import Request

_COUNT = "Counting"


@options(_COUNT)
class CountOptions:
    """What to count, and how to show it."""

    raw: Annotated[bool, flag("--raw", help="Tokens of the text alone.")] = False
    truncate: Annotated[
        int | None, flag("--truncate", min=0, metavar="N", help="Print the text cut to N tokens.")
    ] = None
    side: Annotated[
        Literal["head", "tail", "middle"],
        flag("--side", help="What --truncate keeps: the head, the tail, or both without the middle."),
    ] = "head"
    split: Annotated[
        int | None,
        flag("--split", min=1, metavar="N", help="Print pieces of at most N tokens as JSON lines."),
    ] = None
    overlap: Annotated[int, flag("--overlap", min=0, metavar="K", help="Tokens that pieces share.")] = 0
    rows: Annotated[
        str | None,
        flag(
            "--rows",
            metavar="FILE.jsonl",
            help="Count the rows of a batch; --format jsonl prints a line for each.",
        ),
    ] = None
    format: Annotated[Literal["text", "json", "jsonl"], flag("--format", help="What stdout gets.")] = "text"
    json: Annotated[bool, flag("--json", help="The same as --format json.")] = False
    usage: Annotated[bool, flag("--usage", "-u", help="Say the price on stderr.")] = False
    dry_run: Annotated[bool, flag("--dry-run", help="Print the request body instead.")] = False
    curl: Annotated[bool, flag("--curl", help="Print the request as a curl command instead.")] = False

    @property
    def shape(self) -> Literal["text", "json", "jsonl"]:
        """The format that holds."""
        return "json" if self.json else self.format

    def check(self, words: list[str]) -> None:
        """Raise UsageError where flags exclude each other."""
        if self.overlap and self.split is None:
            raise UsageError("--overlap without --split", todo="add --split N")
        if self.truncate is not None and self.split is not None:
            raise UsageError("--truncate and --split are two different cuts", todo="choose one")
        cut = self.raw or self.truncate is not None or self.split is not None
        if (self.dry_run or self.curl) and (self.rows is not None or cut):
            raise UsageError(
                "--dry-run and --curl show the request of a prompt",
                todo="leave --rows, --raw, --truncate and --split out",
            )
        if self.rows is not None and (words or cut):
            raise UsageError(
                "--rows counts whole requests from a file",
                todo="leave the PROMPT, --raw, --truncate and --split out",
            )


@flags
def count(
    ctx: typer.Context,
    prompt: Prompt = None,
    *,
    counting: CountOptions,
    given: InputOptions,
    request: RequestOptions,
    sampling: SamplingOptions,
    follow: FollowOptions,
    keeping: SessionOptions,
    context: ContextOptions,
    general: GeneralOptions,
) -> int:
    """Count the tokens of the request that ask would send, and price it. No network.

    With --truncate or --split: cut the text on token borders instead.
    """
    session: Session = ctx.obj
    general.apply(session)
    counting.check(prompt or [])
    if counting.rows is not None:
        from llmcli.cli.rows import count_file

        count_file(session, counting.rows, given, sampling, request, counting.shape, usage=counting.usage)
    elif counting.raw or counting.truncate is not None or counting.split is not None:
        _of_text(session, prompt or [], counting, given, request)
    else:
        asked = _request(
            ctx,
            prompt or [],
            given,
            request,
            sampling,
            keeping,
            context,
            stream=counting.dry_run or counting.curl,
        )
        followers_of(session, asked, follow)  # which refuses what ask refuses
        if counting.dry_run or counting.curl:
            show_request(session, asked, session.stdout, as_curl=not counting.dry_run)
        else:
            _of_request(session, asked, counting)
    return 0


def _request(
    ctx: typer.Context,
    words: list[str],
    given: InputOptions,
    request: RequestOptions,
    sampling: SamplingOptions,
    keeping: SessionOptions,
    context: ContextOptions,
    *,
    stream: bool,
) -> Request:
    """The request that ask would send."""
    session: Session = ctx.obj
    if not keeping.wanted and not context.wanted:
        return compose(session, words, given, sampling, request, stream=stream).request()
    from llmcli.cli.converse import preview

    def recipe_of(request: RequestOptions) -> Recipe:
        return compose(session, words, given, sampling, request, stream=stream, optional=keeping.wanted)

    return preview(ctx, keeping, context, request, recipe_of)


def _of_text(
    session: Session, words: list[str], counting: CountOptions, given: InputOptions, request: RequestOptions
) -> None:
    endpoint = endpoint_of(session, request)
    session.set_price(request.price)
    name, exact = encoding_for(endpoint.provider.name, endpoint.model)
    encoder = load(name)
    read = reader(session, given.no_stdin or session.no_stdin, None)
    text = text_of_prompt(session, words, given, read)
    if not text:
        raise UsageError("there is no text", todo="give a PROMPT, pipe text in, or name a file with -f")
    if counting.truncate is not None:
        session.stdout.write(truncate(text, counting.truncate, counting.side, encoder) + "\n")
    elif counting.split is not None:
        for piece in split(text, counting.split, counting.overlap, encoder):
            record = {"index": piece.index, "tokens": piece.tokens, "text": piece.text}
            session.stdout.write_bytes(jsonl.line(record))
    else:
        model = find_model(endpoint.provider.name, endpoint.model)
        body = {"model": endpoint.model, "max_tokens": request.max_tokens}
        asked = Request(endpoint.provider.name, endpoint.model, endpoint.base_url, body)
        _show(session, asked, model, encoder, encoder.count(text), counting, exact=exact)


def _of_request(session: Session, request: Request, counting: CountOptions) -> None:
    name, exact = encoding_for(request.provider, request.model)
    encoder = load(name)
    counted = count_request(request.body(), encoder)
    model = find_model(request.provider, request.model)
    _show(session, request, model, encoder, counted.tokens, counting, exact=exact and counted.exact)


def _show(
    session: Session,
    request: Request,
    model: Model | None,
    encoder: Encoder,
    tokens: int,
    counting: CountOptions,
    *,
    exact: bool,
) -> None:
    lowest, highest, total = _prices(session, request, tokens)
    if counting.shape == "text":
        session.stdout.write(f"{tokens}\n")
    else:
        record = {
            "tokens": tokens,
            "method": "exact" if exact else "estimate",
            "encoding": encoder.name,
            "model": request.model,
            "context_window": model.context_window if model else None,
            "max_output_tokens": model.max_output_tokens if model else None,
            "cost_usd": {
                "input": _number(lowest),
                "output_max": _number(highest),
                "total_max": _number(total),
            },
        }
        session.stdout.write_bytes(jsonl.pretty(record) if counting.shape == "json" else jsonl.line(record))
    if counting.usage:
        about = "" if exact else "about "
        session.notes.write(
            f"usage: {about}{tokens} in, {dollars(lowest)}; answer at most {dollars(highest)};"
            f" total at most {dollars(total)}, {request.name}\n"
        )


def _prices(
    session: Session, request: Request, tokens: int
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """$ of the prompt, of the longest answer, and of both; None where price or length is not known."""
    price = session.price_of(request.provider, request.model)
    if price is None:
        return None, None, None
    prompt, answer = estimate(request, price, tokens)
    return prompt, answer, None if answer is None else prompt + answer


def _number(amount: Decimal | None) -> Any:
    return None if amount is None else float(amount)
