"""Network: how hard to try."""
# No `from __future__ import annotations`: the annotations are read as objects.

from typing import Annotated

from llmcli.settings.flag import flag, settings

_RETRIES = 4


@settings("Network")
class NetworkSettings:
    """How hard to try."""

    api_key_file: Annotated[
        str | None, flag("--api-key-file", metavar="FILE", help="Read the key from FILE.")
    ] = None
    timeout: Annotated[
        float,
        flag(
            "--timeout",
            metavar="S",
            low=0.001,
            finite=True,
            help="Seconds for one attempt (600; 10 to connect).",
        ),
    ] = 600.0
    deadline: Annotated[
        float | None,
        flag("--deadline", metavar="S", low=0.001, finite=True, help="Seconds for everything."),
    ] = None
    retries: Annotated[
        int | None, flag("--retries", metavar="N", low=0, help="Further attempts where one may help (4).")
    ] = None

    @property
    def further(self) -> int:
        """How many attempts may follow the first."""
        return _RETRIES if self.retries is None else self.retries
