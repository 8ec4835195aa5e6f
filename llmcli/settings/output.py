"""Output: what is shown of an answer, and where."""
# No `from __future__ import annotations`: the annotations are read as objects.

from typing import Literal

from llmcli.lean.annotated import Annotated
from llmcli.settings.flag import flag, settings

Format = Literal["text", "json", "jsonl", "events"]


@settings("Output")
class OutputSettings:
    """What is shown, and where."""

    format: Annotated[Format, flag("--format", help="What stdout gets.")] = "text"
    json: Annotated[bool, flag("--json", help="The same as --format json.", everyday=True)] = False
    null: Annotated[bool, flag("--null", "-0", help="End each answer with NUL, not newline.")] = False
    extract: Annotated[
        bool, flag("--extract", "-x", help="Print only the first fenced code block.", everyday=True)
    ] = False
    output: Annotated[
        str | None,
        flag(
            "--output", "-O", metavar="FILE", help="Write to FILE, whole, and only on exit 0.", everyday=True
        ),
    ] = None
    usage: Annotated[
        bool, flag("--usage", "-u", help="Say tokens, cost and time on stderr.", everyday=True)
    ] = False
    usage_file: Annotated[
        str | None, flag("--usage-file", metavar="FILE", help="Append the same as a JSON line to FILE.")
    ] = None
    reasoning: Annotated[bool, flag("--reasoning", help="Show the model's reasoning on stderr.")] = False
    render: Annotated[
        bool | None,
        flag("--render/--no-render", help="Lay Markdown out on a terminal (chat: unless --no-render)."),
    ] = None
    dry_run: Annotated[
        bool, flag("--dry-run", help="Print the request body and send nothing.", everyday=True)
    ] = False
    curl: Annotated[
        bool, flag("--curl", help="Print the same request as a curl command; send nothing.", everyday=True)
    ] = False

    @property
    def shape(self) -> Format:
        """The format that the flags ask for: --json is --format json."""
        return "json" if self.json else self.format

    @property
    def unsent(self) -> bool:
        """Whether requests are only to be shown."""
        return self.dry_run or self.curl

    @property
    def streams(self) -> bool:
        """Whether an answer is asked for in pieces, unless the request says otherwise."""
        return self.shape in {"text", "events"}

    @property
    def shows_reasoning(self) -> bool:
        """Whether reasoning is shown as it comes."""
        return self.shape == "events" or (self.shape == "text" and self.reasoning)
