"""Via: whether rows go one by one, or through the provider's Batch API, and what becomes of them there."""
# No `from __future__ import annotations`: the annotations are read as objects.

from typing import Literal

from llmcli.errors import UsageError
from llmcli.lean.annotated import Annotated
from llmcli.settings.flag import flag, settings

Finishing = Literal["batch", "live", "stop"]


@settings("Batch API")
class ViaSettings:
    """How rows get to the provider."""

    via: Annotated[
        Literal["batch"] | None,
        flag("--via", help="batch: through the provider's Batch API, at its price; nothing is paid twice."),
    ] = None
    no_wait: Annotated[
        bool, flag("--no-wait", help="Submit, fetch what is ready, and exit 75 while rows are away.")
    ] = False
    finish: Annotated[
        Finishing | None,
        flag(
            "--finish",
            help="Rows that came back unfinished: the next batch takes them, they go live, or none (batch).",
        ),
    ] = None
    recall: Annotated[
        bool, flag("--recall", help="Cancel what is away and keep what is done; the rest is open again.")
    ] = False
    keep_files: Annotated[bool, flag("--keep-files", help="Leave the files of batches at the provider.")] = (
        False
    )
    poll: Annotated[
        float | None,
        flag(
            "--poll",
            low=0.001,
            finite=True,
            metavar="S",
            help="Seconds between two looks at what is away (from 10 up to 300).",
        ),
    ] = None

    @property
    def is_batch(self) -> bool:
        """Whether the Batch API has a part in the run."""
        return self.via == "batch" or self.recall

    @property
    def flag(self) -> str:
        """The flag that says so."""
        return "--recall" if self.via is None and self.recall else "--via batch"

    def check(self) -> None:
        """Raise UsageError where a flag has nothing to be about."""
        given = {
            "--no-wait": self.no_wait,
            "--finish": self.finish is not None,
            "--keep-files": self.keep_files,
            "--poll": self.poll is not None,
        }
        for name, is_given in given.items():
            if is_given and not self.is_batch:
                raise UsageError("without --via batch", todo="add --via batch", flag=name)
        if self.recall and self.finish is not None:
            raise UsageError("and --finish exclude each other", todo="drop one", flag="--recall")
