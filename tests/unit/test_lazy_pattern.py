"""A pattern that is compiled later is the pattern."""

from __future__ import annotations

import re

import pytest

from llmcli.lean.pattern import lazy_pattern


@pytest.mark.parametrize("flags", [0, re.IGNORECASE])
@pytest.mark.parametrize("text", ["ABC abc", "", "x"])
def test_it_finds_what_a_compiled_one_finds(text, flags):
    ours, theirs = lazy_pattern("(a)b", flags), re.compile("(a)b", flags)
    for _ in range(2):
        assert ours.findall(text) == theirs.findall(text)
        assert ours.sub(r"<\1>", text) == theirs.sub(r"<\1>", text)
    assert (ours.pattern, ours.groups) == (theirs.pattern, theirs.groups)


def test_it_is_compiled_when_it_is_used():
    pattern = lazy_pattern("(")
    with pytest.raises(re.error):
        pattern.match("")
