"""Every flag has an effect: what it sets is read somewhere, or sent."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from llmcli.cli.line import COMMANDS, story_of
from llmcli.settings.flag import Flag, flags_of, subjects
from tests.trees import tree_of

PACKAGE = Path(__file__).parents[2] / "llmcli"
BY_THE_PARSER = {"help", "help_all", "profile", "ok"}  # they are read while the line is parsed
READ = {
    node.attr
    for path in PACKAGE.rglob("*.py")
    for node in ast.walk(tree_of(path))
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_flag_sets_is_read(command):
    _, settings = story_of(command)
    classes = [settings, *(subject for _, subject in subjects(settings))]
    flags = [
        (item.name, mark) for each in classes for item, _, mark in flags_of(each) if isinstance(mark, Flag)
    ]
    unread = [
        mark.names[0]
        for name, mark in flags
        if not (mark.api or mark.header or name in READ or name in BY_THE_PARSER)
    ]
    assert flags or command == "help"
    assert unread == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_flag_has_one_meaning_in_a_command(command):
    _, settings = story_of(command)
    classes = [settings, *(subject for _, subject in subjects(settings))]
    names = [
        name
        for each in classes
        for _, _, mark in flags_of(each)
        if isinstance(mark, Flag)
        for spelling in mark.names
        for name in spelling.split("/")
    ]
    assert len(names) == len(set(names))
