"""The terms on which a command line goes through a Batch API, and what is refused before a row is sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llmcli import files
from llmcli.batch.shards.part_terms import Sent
from llmcli.errors import ExitCode, LlmcliError, UsageError
from llmcli.rehearsal import PROVIDER
from llmcli.request.builder import Builder
from llmcli.settings.batch.run import batches_path
from llmcli.settings.request import RequestSettings

if TYPE_CHECKING:
    from llmcli.registry.batch_terms import BatchTerms


class StillAway(LlmcliError):
    """Rows are at the provider, or open: another run is to see to them."""

    exit_code = ExitCode.TEMPFAIL


def check_away(settings: Sent) -> None:
    """Raise UsageError for what a batch at a provider has no use for, or cannot be without."""
    via, run = settings.via, settings.run
    if run.kept is None:
        raise UsageError("keeps what is away beside OUT", todo="name it with -O", flag=via.flag)
    others = {
        "--stream": settings.request.stream,
        "--rpm": run.rpm is not None,
        "--tpm": run.tpm is not None,
        "-j": run.concurrency != "auto",
    }
    for name, is_given in others.items():
        if is_given:
            todo = "the provider says how fast it works: drop one"
            raise UsageError(f"and {via.flag} exclude each other", todo=todo, flag=name)


def check_terms(builder: Builder, request: RequestSettings) -> None:
    """Raise UsageError where the provider of the command line has no Batch API."""
    endpoint = builder.endpoint
    typed = request.base_url is not None
    terms_at(endpoint.provider.name, endpoint.base_url, endpoint.model, typed=typed)


def terms_at(provider: str, base_url: str, model: str, *, typed: bool) -> BatchTerms:
    """The terms of a model's provider. Raises UsageError where it has no Batch API, or rehearses no such model."""
    from llmcli.registry.batch_terms import batch_terms

    if provider == PROVIDER:
        from llmcli.rehearsal.offline import check_rehearsed

        check_rehearsed(model)
    terms = batch_terms(provider, base_url, typed=typed)
    if isinstance(terms, str):
        fact = f": {terms}" if terms else ""
        what = f"{provider} has no Batch API that takes OpenAI's files and batches{fact}"
        raise UsageError(what, todo="leave --via batch out, or go through a gateway with --base-url")
    return terms


def check_fresh(kept: str) -> None:
    """Raise UsageError where starting over would lose what is paid for and away."""
    if files.exists(batches_path(Path(kept))):
        from llmcli.batch.away.manifest import standing_of

        if standing_of(kept).away:
            raise UsageError(
                "would lose rows that are away and paid for", todo="--recall first", flag="--fresh"
            )
