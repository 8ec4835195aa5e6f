"""The user's directories are where the system's are, found with and without platformdirs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import platformdirs
import pytest

from llmcli.config import cache_directory, config_path, state_directory


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere platformdirs is asked")
def test_on_linux_they_are_those_of_platformdirs():
    env = {name: value for name, value in os.environ.items() if name == "HOME" or name.startswith("XDG_")}
    theirs = platformdirs.PlatformDirs("llmcli", appauthor=False)
    assert config_path(env) == Path(theirs.user_config_dir, "config.toml")
    assert cache_directory(env) == Path(theirs.user_cache_dir, "answers")
    assert state_directory(env) == Path(theirs.user_state_dir)
