"""What one command line has at hand: the world, the config, stderr, and the files it is writing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from llmcli.config import Config, load_config
from llmcli.errors import ExitCode, UsageError
from llmcli.output.streams import Notes, Out, OutputFile, Stdout, Waiting, patiently
from llmcli.world import World

_TRUE = {"1", "true", "yes", "on"}


@dataclass
class Session:
    """Made once for a command line; `accepted` are the exits that `--ok` turns to 0, `profile` the one in use."""

    world: World
    argv: Sequence[str] = ()
    accepted: frozenset[ExitCode] = frozenset()
    stdin_taken: bool = False  # a flag named stdin, so that it is no prompt
    profile: str | None = None
    _waiting: Waiting = field(default=patiently)
    context: Any = None  # typer's, of the command whose defaults are the profile's
    awaited: tuple[str, str] = ("", "")  # what is waited for, and where it is to come from
    _price: Mapping[str, Any] | None = None
    _files: list[OutputFile] = field(default_factory=list)

    @cached_property
    def notes(self) -> Notes:
        """Stderr."""
        return Notes(self.world.stderr, self.world.stderr_is_terminal)

    @cached_property
    def stdout(self) -> Stdout:
        """Stdout."""
        return Stdout(self.world.stdout, self.world.stdout_is_terminal, self._wait)

    @cached_property
    def config(self) -> Config:
        """The config file, prices and all. Raises ConfigError."""
        config = load_config(self.world.env)
        for name in config.prices:
            _price(config, name)
        return config

    @property
    def no_stdin(self) -> bool:
        """Whether LLMCLI_NO_STDIN asks to leave stdin alone."""
        return self.world.env.get("LLMCLI_NO_STDIN", "").lower() in _TRUE

    @contextmanager
    def watched(self, check: Waiting) -> Iterator[None]:
        """Have `check` called while a reader of ours keeps us waiting: it raises what is to end that."""
        before = self._waiting

        def both() -> None:
            before()
            check()

        self._waiting = both
        try:
            yield
        finally:
            self._waiting = before

    def waits_for(self, what: str, where: str = "") -> None:
        """Note what is waited for from now on, so that a deadline can say it."""
        self.awaited = what, where

    def _wait(self) -> None:
        self._waiting()

    def out(self, path: str | None) -> Out:
        """Where answers go: stdout, or the file of `-O`, which becomes real only where the command ends with 0."""
        if path is None or path == "-":
            return self.stdout
        file = OutputFile(path, self._wait)
        self._files.append(file)
        return file

    def accept(self, names: list[str]) -> None:
        """Take in `--ok NAME[,NAME]`. Raises UsageError."""
        codes = {code.label.replace(" ", "-"): code for code in ExitCode}
        wanted = [name.strip().lower().replace(" ", "-") for text in names for name in text.split(",")]
        for name in wanted:
            if name not in codes:
                raise UsageError(f"--ok {name}: no such exit", todo=f"one of {', '.join(codes)}")
        self.accepted = frozenset(codes[name] for name in wanted)

    def finish(self, code: int) -> None:
        """Make the files real, or leave no trace of them. Raises OutputFailure."""
        while self._files:
            file = self._files.pop()
            if code == 0:
                file.commit()
            else:
                file.discard()

    def remaining(self, deadline: float | None) -> float | None:
        """Seconds left of `--deadline`, which began when the program did."""
        return None if deadline is None else deadline - (self.world.clock() - self.world.started)

    def set_price(self, text: str | None) -> None:
        """Take in `--price IN,OUT`. Raises UsageError."""
        if text is None:
            return
        from llmcli.registry.prices import price_from_config

        try:
            into, out = (float(part) for part in text.split(","))
            self._price = price_from_config({"in": into, "out": out})
        except ValueError:
            raise UsageError(
                f"--price {text} is no price",
                todo="write IN,OUT in $ per million tokens, e.g. --price 0.15,0.6",
            ) from None

    def price_of(self, provider: str, model: str) -> Mapping[str, Any] | None:
        """The price of a model: --price, else the config's, else the table's, else None. $ per million tokens."""
        if self._price is not None:
            return self._price
        from llmcli.registry.models import find_model

        for name in (f"{provider}/{model}", model, model.removeprefix(f"{provider}/")):
            if name in self.config.prices:
                return _price(self.config, name)
        found = find_model(provider, model)
        return found.price if found else None


def _price(config: Config, name: str) -> Mapping[str, Any]:
    from llmcli.registry.prices import PriceError, price_from_config

    try:
        return price_from_config(config.prices[name])
    except PriceError as error:
        raise config.error(["prices", name, *error.keys], str(error)) from None
