"""A lighter `import openai`: half of it is types that a single request never names.

`openai.types` and its larger packages become modules that import a name's own file when the name is asked for,
as the packages' `from .x import Y` lines say. Where anything about that fails, openai is imported as it is.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from llmcli.lean.pattern import lazy_pattern

_PACKAGES = (
    "lib",
    "types",
    "types.beta",
    "types.chat",
    "types.responses",
    "types.shared",
    "types.shared_params",
)
_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
_IMPORT = lazy_pattern(r"^from (\.[\w.]*) import (\([^)]*\)|[^\n(]+)$", re.MULTILINE)
_NAME = lazy_pattern(r"(\w+) as (\w+)")


def import_openai() -> Any:
    """The SDK, without what it looks for and what is not used here: aiohttp, and plugins that watch its models."""
    if "openai" in sys.modules:
        return sys.modules["openai"]
    with _without_aiohttp(), _without_plugins(), _without_garbage():
        return _light() or importlib.import_module("openai")


@contextmanager
def _without_aiohttp() -> Iterator[None]:
    absent = "aiohttp" not in sys.modules
    if absent:
        sys.modules["aiohttp"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if absent:
            del sys.modules["aiohttp"]


@contextmanager
def _without_garbage() -> Iterator[None]:
    """What an import makes stays: none of it is looked through for garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _without_plugins() -> Iterator[None]:
    """Pydantic looks for plugins in all that is installed."""
    before = os.environ.get(_PLUGINS)
    os.environ[_PLUGINS] = "__all__"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_PLUGINS]
        else:
            os.environ[_PLUGINS] = before


def _light() -> ModuleType | None:
    before = set(sys.modules)
    try:
        spec = importlib.util.find_spec("openai")
        if spec is None or not spec.submodule_search_locations:
            return None
        root = Path(spec.submodule_search_locations[0])
        for package in _PACKAGES:
            _install(package, root)
        return importlib.import_module("openai")
    except Exception:  # noqa: BLE001 - another layout of the SDK: its own way of being imported works
        for name in [name for name in sys.modules if name.startswith("openai") and name not in before]:
            del sys.modules[name]
        return None


def _install(package: str, root: Path) -> None:
    name, folder = f"openai.{package}", root.joinpath(*package.split("."))
    source = folder / "__init__.py"
    module = _LazyPackage(name, dict(_exports(source.read_text("utf-8"))), source)
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], child, module)


def _exports(source: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """(public name, (relative module, name there)) of each `from .x import Y as Z`."""
    for module, names in _IMPORT.findall(source):
        for name, public in _NAME.findall(names):
            yield public, (module, name)


class _LazyPackage(ModuleType):
    """A package whose names are imported from their own files when they are asked for."""

    def __init__(self, name: str, exports: dict[str, tuple[str, str]], source: Path) -> None:
        super().__init__(name)
        self._exports = exports
        self.__file__ = str(source)
        self.__path__ = [str(source.parent)]
        self.__package__ = name
        self.__spec__ = ModuleSpec(name, None, origin=str(source), is_package=True)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._exports:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        module, original = self._exports[name]
        value = getattr(importlib.import_module(module, self.__name__), original)
        setattr(self, name, value)
        return value
