"""Listing: which models are listed, and how."""
# No `from __future__ import annotations`: the annotations are read as objects.

from typing import Annotated, Literal

from llmcli.settings.flag import flag, settings


@settings("Output")
class ListingSettings:
    """Which models, and how to show them."""

    live: Annotated[
        bool,
        flag("--live", panel="Network", help="Ask the endpoint what it offers: PROVIDER/ or --base-url."),
    ] = False
    base_url: Annotated[
        str | None,
        flag("--base-url", panel="Network", metavar="URL", help="With --live: the endpoint to ask."),
    ] = None
    api_key_file: Annotated[
        str | None,
        flag("--api-key-file", panel="Network", metavar="FILE", help="With --live: read the key from FILE."),
    ] = None

    format: Annotated[Literal["text", "json", "jsonl"], flag("--format", help="What stdout gets.")] = "text"
    json: Annotated[bool, flag("--json", help="The same as --format json.")] = False
