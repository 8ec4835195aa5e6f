"""Input: where the messages come from."""
# No `from __future__ import annotations`: the annotations are read as objects.

from dataclasses import field
from typing import Literal

from llmcli.errors import UsageError
from llmcli.lean.annotated import Annotated
from llmcli.settings.flag import flag, settings


@settings("Input")
class InputSettings:
    """Where the messages come from."""

    file: Annotated[
        list[str],
        flag(
            "--file",
            "-f",
            metavar="PATH|URL",
            help="Put a text file or web page before the prompt (repeatable; - is stdin).",
            everyday=True,
        ),
    ] = field(default_factory=list)
    system: Annotated[
        str | None,
        flag("--system", "-s", blank=True, metavar="TEXT|@FILE", help="The system message.", everyday=True),
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
            blank=True,
            metavar="TEXT|@FILE",
            help="Make the prompt of a template: {{ name }}, {{ input }}.",
            everyday=True,
        ),
    ] = None
    param: Annotated[
        list[str],
        flag(
            "--param", "-p", metavar="NAME=VALUE", help="A template's variable (repeatable).", everyday=True
        ),
    ] = field(default_factory=list)
    attachment: Annotated[
        list[str],
        flag(
            "--attachment",
            "-a",
            metavar="PATH|URL|-",
            help="Attach an image, audio or PDF (repeatable).",
            everyday=True,
        ),
    ] = field(default_factory=list)
    detail: Annotated[
        Literal["low", "high", "auto"] | None, flag("--detail", help="How closely images are looked at.")
    ] = None
    no_stdin: Annotated[bool, flag("--no-stdin", help="Do not touch stdin (also LLMCLI_NO_STDIN=1).")] = False

    def check(self) -> None:
        """Raise UsageError for a flag that has nothing to go with."""
        if self.param and self.template is None:
            raise UsageError("without a template", todo="give it with -t", flag="-p")
        if self.detail and not self.attachment:
            raise UsageError("without an image", todo="attach one with -a", flag="--detail")
