"""`llmcli help`: the guide, in the terminal."""
# No `from __future__ import annotations`: the annotations are read as objects.

from llmcli import guide
from llmcli.app import App
from llmcli.errors import UsageError
from llmcli.lean.annotated import Annotated
from llmcli.lean.dataclass import dataclass
from llmcli.output.pager import show, show_markdown
from llmcli.settings.flag import Argument, flag


@dataclass(frozen=True)
class HelpSettings:
    """What help can be told. It has no other flags and reads no config file, so that a broken one can be mended."""

    topic: Annotated[str | None, Argument("TOPIC", "A command or a subject; without it: the topics.")] = None
    help: Annotated[bool, flag("--help", "-h", help="Show this and exit.")] = False
    help_all: Annotated[bool, flag("--help-all", help="Show all options and exit.")] = False


def help(app: App, settings: HelpSettings) -> int:  # noqa: A001 - a story has its command's name
    """Show a page of the guide, or list its topics.

    At a terminal it is laid out, and $PAGER or less shows it; in a pipe it is plain text.
    """
    topic = settings.topic
    if topic is None:
        show(guide.contents(), app.stdout, app.world)
    elif topic.lower() in guide.TOPICS:
        show_markdown(guide.page(topic.lower()), app.stdout, app.world)
    else:
        near = guide.nearest(topic.lower())
        todo = f"did you mean llmcli help {near}?" if near else "llmcli help lists the topics"
        raise UsageError(f"{topic}: no such topic", todo=todo)
    return 0
