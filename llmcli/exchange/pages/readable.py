"""What came from a web server as text that can be read: HTML as Markdown; the only importer of html_to_markdown."""

from __future__ import annotations

import re
from email.message import Message as Header

from llmcli.errors import UsageError
from llmcli.lean.pattern import lazy_pattern
from llmcli.request.reading import decode, without_final_newline

_TEXT = lazy_pattern(
    r"text/.*|application/(?:.*\+)?(?:json|xml|yaml|x-yaml|toml|javascript|x-ndjson|jsonl|sql)"
)
_HTML = lazy_pattern(
    rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_META = lazy_pattern(rb"<meta[^>]{0,200}\bcharset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_HEAD = 4096  # bytes in which a page says what it is
_NOT_READ = ["svg", "noscript", "template", "iframe"]


def readable(data: bytes, content_type: str, name: str) -> str:
    """The text of what came from `name`, without its one final newline. Raises UsageError where it is none."""
    kind, charset = _kind(content_type)
    if kind in {"text/html", "application/xhtml+xml"} or (not kind and _HTML.match(data[:_HEAD])):
        text = _text_of_html(_decoded_html(data, charset, name))
        if data.strip() and not text.strip():
            raise UsageError(
                f"there is no text in {name}",
                todo="it may be written by a script: save it, and give the file",
            )
        return text
    if kind and not _TEXT.fullmatch(kind):
        raise UsageError(f"{name} is no text, but {kind}", todo="an image, audio or PDF is attached with -a")
    return without_final_newline(_decoded(data, charset, name))


def _kind(content_type: str) -> tuple[str, str]:
    """(type, charset) of a Content-Type, each in small letters, and empty where it says none."""
    if not content_type.strip():
        return "", ""
    header = Header()
    header["Content-Type"] = content_type
    return header.get_content_type(), str(header.get_param("charset") or "").lower()


def _decoded(data: bytes, charset: str, name: str) -> str:
    if charset in {"", "utf-8", "utf8", "us-ascii"}:
        return decode(data, name)
    try:
        return data.decode(charset)
    except (LookupError, UnicodeDecodeError, ValueError):
        raise UsageError(f"{name} is not the {charset} that it says it is", todo="save it as UTF-8") from None


def _decoded_html(data: bytes, charset: str, name: str) -> str:
    """A page's text: in its charset, else in UTF-8, else in what browsers take then."""
    found = _META.search(data[:_HEAD])
    said = charset or (found[1].decode("ascii").lower() if found else "")
    if said:
        return _decoded(data, said, name)
    try:
        return decode(data, name)
    except UsageError:
        return data.decode("cp1252", "replace")


def _text_of_html(page: str) -> str:
    """Headings, lists, tables and code as Markdown; no navigation, forms, pictures, nor where links lead."""
    from html_to_markdown import ConversionOptions, PreprocessingOptions, convert

    options = ConversionOptions(
        extract_metadata=False,
        skip_images=True,
        strip_tags=["a"],
        exclude_selectors=_NOT_READ,
        preprocessing=PreprocessingOptions(enabled=True, remove_navigation=True, remove_forms=True),
    )
    return without_final_newline(convert(page, options).content or "")
