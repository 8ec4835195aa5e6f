"""`llmcli ask`: one request, one answer."""

import typer

from llmcli.cli.compose import compose
from llmcli.cli.groups import flags
from llmcli.cli.options import (
    FollowOptions,
    GeneralOptions,
    InputOptions,
    MoneyOptions,
    NetworkOptions,
    OutputOptions,
    Prompt,
    RequestOptions,
    SamplingOptions,
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
    general: GeneralOptions,
) -> int:
    """Ask once and print the answer.

    The prompt is PROMPT, files and piped stdin. Exit 0 means a complete answer.
    """
    session = ctx.obj
    general.apply(session)
    stream = output.shape in {"text", "events"}
    recipe = compose(
        session, prompt or [], given, sampling, request, stream=stream, deadline=network.deadline
    )
    perform(session, recipe, follow, network, money, output, items=request.schema_multi)
    return 0
