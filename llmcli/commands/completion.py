"""`llmcli completion`: the completion script of a shell."""
# No `from __future__ import annotations`: the annotations are read as objects.

from pathlib import Path

from llmcli.app import App
from llmcli.errors import UsageError
from llmcli.lean.annotated import Annotated
from llmcli.lean.dataclass import dataclass
from llmcli.settings.flag import Argument, flag

_SCRIPTS = {"bash": "llmcli.bash", "zsh": "_llmcli", "fish": "llmcli.fish"}


@dataclass(frozen=True)
class CompletionSettings:
    """What completion can be told. It reads no config file."""

    shell: Annotated[str | None, Argument("SHELL", "bash, zsh or fish.")] = None
    help: Annotated[bool, flag("--help", "-h", help="Show this and exit.")] = False
    help_all: Annotated[bool, flag("--help-all", help="Show all options and exit.")] = False

    def check(self) -> None:
        """Raise UsageError for a shell that there is no script for."""
        if self.shell not in _SCRIPTS:
            problem = f"there is no script for {self.shell}" if self.shell else "no shell is named"
            raise UsageError(problem, todo=f"llmcli completion {'|'.join(_SCRIPTS)}")


def completion(app: App, settings: CompletionSettings) -> int:
    """Print the completion script of a shell.

    Read it where the shell starts: source <(llmcli completion bash)
    """
    folder = Path(__file__).parents[1] / "completions"
    app.stdout.write((folder / _SCRIPTS[settings.shell or ""]).read_text("utf-8"))
    return 0
