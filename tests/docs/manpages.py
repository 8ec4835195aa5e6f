"""The man pages, made of the guide: a topic each in section 7, a command each, with its options, in section 1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from markdown_it import MarkdownIt

from llmcli import __version__, guide
from llmcli.errors import ExitCode
from tests.docs.tree import ROOT, Command, Flag, commands

HEAD = r""".\" Generated from the guide; `python -m pytest tests/docs --update-docs` writes it.
"""
PARSER = MarkdownIt("commonmark").enable("table")
NOTHING = "\\&"
CELL = 4  # the level of what stands in a table
LINK = re.compile(r"(\w+)\.md(?:#[\w-]+)?")


def pages() -> dict[str, str]:
    """The text of each page by its place below `share/man`."""
    found = {"man1/llmcli.1": _program()}
    found |= {f"man1/llmcli-{command.name}.1": _command(command) for command in commands()}
    return found | {f"man7/llmcli-{topic}.7": _topic(topic) for topic in guide.TOPICS}


def _program() -> str:
    body = [
        _name("llmcli", "scripted completions for any OpenAI-compatible endpoint"),
        ".SH SYNOPSIS\n.B llmcli\n[OPTIONS] COMMAND [ARGS]...\n",
        ".SH COMMANDS\n",
        *(_item(f"llmcli {one.name}", f"{_text(one.summary)}: {_page(one.name, 1)}") for one in commands()),
        ".SH OPTIONS\n",
        *map(_option, ROOT),
        ".SH GUIDE\n",
        *(
            _item(f"llmcli help {topic}", f"{_text(guide.topic_summary(topic))} {_page(topic, 7)}")
            for topic in guide.TOPICS
        ),
        ".SH EXIT STATUS\n",
        *(_item(str(int(code)), _text(f"{code.label}: {code.reason}")) for code in ExitCode),
    ]
    return _made("LLMCLI", 1, body)


def _command(command: Command) -> str:
    source = guide.source(command.name)
    found = re.search(r"^Usage: llmcli \w+ (.*)$", source, re.MULTILINE)
    body = [
        _name(f"llmcli-{command.name}", guide.topic_summary(command.name).rstrip(".")),
        f".SH SYNOPSIS\n.B llmcli {command.name}\n{_text(found[1] if found else '')}\n",
        ".SH DESCRIPTION\n",
        "".join(_blocks(source)),
        ".SH OPTIONS\n",
        *map(_option, command.flags),
        f".SH EXIT STATUS\n{_page('exits', 7)}\n",
        f".SH SEE ALSO\n.BR llmcli (1),\n{_page('options', 7)}\n",
    ]
    return _made(f"LLMCLI-{command.name.upper()}", 1, body)


def _topic(topic: str) -> str:
    body = [
        _name(f"llmcli-{topic}", guide.topic_summary(topic).rstrip(".")),
        ".SH DESCRIPTION\n",
        "".join(_blocks(guide.source(topic))),
        ".SH SEE ALSO\n.BR llmcli (1)\n",
    ]
    return _made(f"LLMCLI-{topic.upper()}", 7, body)


def _made(title: str, section: int, body: list[str]) -> str:
    return f'{HEAD}.TH {title} {section} "" "llmcli {__version__}" "llmcli"\n' + "".join(body)


def _name(name: str, summary: str) -> str:
    return f".SH NAME\n{_text(name)} \\- {_text(summary)}\n"


def _page(topic: str, section: int) -> str:
    return f"\\fBllmcli\\-{topic}\\fR({section})"


def _option(flag: Flag) -> str:
    value = "" if flag.kind == "flag" else f" {flag.metavar}"
    bounds = f" ({flag.bounds})" if flag.bounds else ""
    return _item(", ".join(flag.names) + value, _text(flag.help + bounds))


def _item(tag: str, text: str) -> str:
    return f".TP\n.B {_text(tag)}\n{text}\n"


def _text(text: str) -> str:
    """Text as roff takes it: nothing in it is a command, and a hyphen can be typed as it stands."""
    return _guarded(_escaped(text))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-")


def _guarded(text: str) -> str:
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.MULTILINE)


PICTURE = re.compile(r"^!\[.*\n", re.MULTILINE)  # a terminal shows none


def _blocks(source: str) -> Iterator[str]:
    """The macros of a page, but for its title and summary."""
    tokens = PARSER.parse(PICTURE.sub("", source))
    begin = next(number for number, token in enumerate(tokens) if token.type == "paragraph_close") + 1
    cells: list[str] = []
    for token in tokens[begin:]:
        if token.type == "tr_open":
            cells = []
        elif token.type == "inline" and token.level == CELL:
            cells.append(_inline(token))
        elif token.type == "tr_close":
            yield _row(cells)
        else:
            yield _block(token)


def _block(token: Any) -> str:
    """What begins or makes a block."""
    if token.type == "heading_open":
        return ".SS "
    if token.type in {"fence", "code_block"}:
        return f".PP\n.RS 4\n.EX\n{_text(token.content)}.EE\n.RE\n"
    if token.type == "inline":
        return _inline(token) + "\n"
    if token.type == "paragraph_open" and not token.level:
        return ".PP\n"
    return ".IP \\(bu 2\n" if token.type == "list_item_open" else ""


def _row(cells: list[str]) -> str:
    """A table's row as an item: its first cell, and what the others say of that."""
    if not any(cells):
        return ""
    rest = " \\(em ".join(cell for cell in cells[1:] if cell)
    return f".TP\n{cells[0] or NOTHING}\n{rest or NOTHING}\n"


def _inline(token: Any) -> str:
    return _guarded("".join(_pieces(token.children or [])))


FONTS = {"strong_open": "\\fB", "em_open": "\\fI", "strong_close": "\\fR", "em_close": "\\fR"}
FONTS |= {"softbreak": "\n", "hardbreak": "\n"}


def _pieces(children: list[Any]) -> Iterator[str]:
    links: list[str] = []
    for child in children:
        if child.type == "link_open":
            links.append(str(child.attrs["href"]))
        elif child.type == "link_close":
            address = links.pop()
            page = LINK.fullmatch(address)
            yield f" ({_page(page[1], 7)})" if page else f" ({_escaped(address)})"
        elif child.type == "code_inline":
            yield f"\\fB{_escaped(child.content)}\\fR"
        else:
            yield FONTS.get(child.type) or _escaped(child.content)
