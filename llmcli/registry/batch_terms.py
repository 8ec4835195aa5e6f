"""The terms of a provider's Batch API, as far as it speaks OpenAI's: what a file may hold, and what it takes."""

from __future__ import annotations

from llmcli.lean.dataclass import dataclass
from llmcli.registry.providers import find_provider, provider_of_url


@dataclass(frozen=True, slots=True)
class BatchTerms:
    """`url` is what each row says of where it is asked, `rows` and `size` (bytes) what a file may hold.

    `purpose` and `window` are said of a file and of a batch. `keep` is in seconds, how long files are to be kept, said
    to who takes that (None: it does not). `key_header`: two requests to create with one value of it make one batch.
    `expires`: a batch ends when its time is up. `tags`: a batch takes metadata. An empty `window` is not said.
    """

    url: str = "/v1/chat/completions"
    rows: int = 50_000
    size: int = 200_000_000
    purpose: str = "batch"
    window: str = "24h"
    keep: int | None = None
    key_header: str = ""
    expires: bool = True
    tags: bool = True

    def url_of(self, path: str) -> str:
        """What a row says that is for another API, whose `path` stands behind a base URL."""
        return self.url.removesuffix("chat/completions") + path


_NOBODY = BatchTerms(key_header="Idempotency-Key")
"""What is said where nobody is known: the header of RFC drafts, which does no harm where it means nothing."""


def batch_terms(provider: str, base_url: str, *, typed: bool = False) -> BatchTerms | str:
    """The terms of a provider at an address; where it is known to have no such API, what it has instead, if anything.

    Who has an address that is nobody's is taken to speak as OpenAI does, without what OpenAI alone takes; so is
    software that has none, where its address was `typed`: it may be a gateway that stands there.
    """
    known, there = find_provider(provider), provider_of_url(base_url)
    if known is None:
        return _NOBODY
    is_there = known.embedded or known.is_anywhere or (there is not None and there.name == known.name)
    if not isinstance(known.batch, str):
        return BatchTerms(**known.batch) if is_there else _NOBODY
    return _NOBODY if not is_there or (typed and not known.key_required) else known.batch
