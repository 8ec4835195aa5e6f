"""The page of the misbehaving server is true: its examples run, and all that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

from tests import server as wire

PAGE = (Path(wire.__file__).parent / "README.md").read_text()


def test_the_examples_of_the_page_are_scenarios():
    _, examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    scripts = []

    class Server:
        def __setattr__(self, _name: str, script: object) -> None:
            scripts.extend(script if isinstance(script, list) else [script])

    names = {**vars(wire), "Server": Server}
    exec(examples.replace("from tests.server import *", ""), names)  # noqa: S102, that is the test
    request = wire.Request("POST", "/v1/chat/completions", {}, b'{"temperature": 0}')
    assert len(scripts) == len(re.findall(r"^server\.script", examples, re.MULTILINE)) + 5
    assert all(isinstance(wire.play(script, request), wire.Answer) for script in scripts)


def test_all_that_the_page_names_is_there():
    table = PAGE.partition("| wanted")[2].partition("## ")[0]
    assert [name for name in re.findall(r"(?<![\w.])([a-zA-Z]\w*)\(", table) if not hasattr(wire, name)] == []
    files = set(re.findall(r"`(\w+\.py)`", PAGE))
    assert files == {path.name for path in Path(wire.__file__).parent.glob("[a-z]*.py")}
