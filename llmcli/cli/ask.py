"""`llmcli ask`: one request, one answer."""

import typer

from llmcli.cli.compose import Recipe, compose
from llmcli.cli.groups import flags
from llmcli.cli.options import (
    ContextOptions,
    FollowOptions,
    GeneralOptions,
    InputOptions,
    MoneyOptions,
    NetworkOptions,
    OutputOptions,
    Prompt,
    RequestOptions,
    SamplingOptions,
    SessionOptions,
)
from llmcli.cli.perform import perform


@flags
def ask(
    ctx: typer.Context,
    prompt: Prompt = None,
    *,
    given: InputOptions,
    request: RequestOptions,
    sampling: SamplingOptions,
    output: OutputOptions,
    follow: FollowOptions,
    network: NetworkOptions,
    money: MoneyOptions,
    keeping: SessionOptions,
    context: ContextOptions,
    general: GeneralOptions,
) -> int:
    """Ask once and print the answer.

    The prompt is PROMPT, files and piped stdin. Exit 0 means a complete answer.
    """
    session = ctx.obj
    general.apply(session)
    stream = output.shape in {"text", "events"}

    def recipe_of(request: RequestOptions) -> Recipe:
        return compose(
            session, prompt or [], given, sampling, request, stream=stream, deadline=network.deadline
        )

    if keeping.wanted or context.wanted:
        from llmcli.cli.converse import ask_within

        return ask_within(ctx, keeping, context, request, recipe_of, follow, network, money, output)
    perform(session, recipe_of(request), follow, network, money, output, items=request.schema_multi)
    return 0
