"""Serving: where other programs reach us, and what is kept of what they ask."""
# No `from __future__ import annotations`: the annotations are read as objects.

from llmcli.lean.annotated import Annotated
from llmcli.settings.flag import flag, settings


@settings("Serving")
class ServingSettings:
    """Where we listen, and where a line a request goes."""

    port: Annotated[
        int,
        flag("--port", low=0, high=65535, metavar="N", help="Listen here (0: any free one).", everyday=True),
    ] = 0
    host: Annotated[
        str, flag("--host", metavar="ADDRESS", help="Listen at this address (127.0.0.1).", everyday=True)
    ] = "127.0.0.1"
    usage_file: Annotated[
        str | None,
        flag("--usage-file", metavar="FILE", help="Append a JSON line a request to FILE.", everyday=True),
    ] = None
