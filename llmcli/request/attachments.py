"""Attachments: `-a PATH|URL|-` to the content parts of a message; what a file is, its bytes say."""

from __future__ import annotations

import base64
from pathlib import Path

from llmcli.address import address_of
from llmcli.errors import UsageError
from llmcli.request.reading import ReadStdin
from llmcli.wire import Json

# The API takes 50 MB in one request (https://platform.openai.com/docs/guides/images-vision).
LARGEST = 50 * 1000 * 1000

_HEAD = 1024  # bytes that show what a file is

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"ID3", "audio/mp3"),
)
_AUDIO_URLS = (".wav", ".mp3", ".pdf")


def load_attachment(source: str, detail: str | None, read_stdin: ReadStdin) -> Json:
    """The content part for a file, a URL or stdin. Raises UsageError where it cannot be one."""
    if source.lower().startswith(("http://", "https://", "data:")):
        return _from_url(source, detail)
    if source == "-":
        return part_of(read_stdin(), "stdin", detail)
    return part_of(_read(source), source, detail)


def part_of(data: bytes, name: str, detail: str | None) -> Json:
    """The content part for the bytes of a file called `name`. Raises UsageError where there is none."""
    kind = _checked(data, name)
    if len(data) > LARGEST:
        raise UsageError(
            f"the attachment {name} is too large: {LARGEST:,} bytes is the most", todo="make it smaller"
        )
    encoded = base64.b64encode(data).decode()
    if kind.startswith("image/"):
        return _image(f"data:{kind};base64,{encoded}", detail)
    if kind == "application/pdf":
        filename = Path(name).name if name != "stdin" else "stdin.pdf"
        return {"type": "file", "file": {"filename": filename, "file_data": f"data:{kind};base64,{encoded}"}}
    return {"type": "input_audio", "input_audio": {"data": encoded, "format": kind.removeprefix("audio/")}}


def _checked(head: bytes, name: str) -> str:
    """The media type that a file's first bytes show. Raises UsageError where it cannot be attached."""
    if not head:
        raise UsageError(f"the attachment {name} is empty", todo="check the file")
    kind = sniff(head)
    if kind is None:
        raise UsageError(
            f"the attachment {name} is of no known type",
            todo="images (PNG, JPEG, GIF, WebP), audio (WAV, MP3) and PDF can be attached; put text in with -f",
        )
    return kind


def sniff(data: bytes) -> str | None:
    """The media type that the first bytes show; None for what the API does not take."""
    if data[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(data[8:12])
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2:  # a frame of MPEG layer III
        return "audio/mp3"
    return "application/pdf" if b"%PDF-" in data[:_HEAD] else None


def _from_url(url: str, detail: str | None) -> Json:
    if url.lower().startswith("data:"):
        return _from_data(url, detail)
    address = address_of(url)
    if address is None:
        raise UsageError(f"the attachment {url!r} is no http(s) URL", todo="check the address")
    path = address.parts.path.lower()
    if path.endswith(_AUDIO_URLS):
        raise UsageError(
            f"the API takes no URL for {path.rpartition('.')[2].upper()}",
            url,
            f"curl -s {url} | llmcli ask -a - ...",
        )
    return _image(url, detail)


def _from_data(url: str, detail: str | None) -> Json:
    """The part for a data: URL; the API takes those of images alone, of others what is in them."""
    head, _, encoded = url.partition(",")
    kind = head.partition(":")[2].partition(";")[0].lower()
    if kind != "application/pdf" and not kind.startswith("audio/"):
        return _image(url, detail)
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError:
        raise UsageError(f"the attachment {head},... is not valid base64", todo="check the URL") from None
    return part_of(data, "data.pdf" if kind == "application/pdf" else head, detail)


def _image(url: str, detail: str | None) -> Json:
    return {"type": "image_url", "image_url": {"url": url, **({"detail": detail} if detail else {})}}


def _read(path: str) -> bytes:
    """The file's bytes; of one that is of no known type or too large, only as many as show it."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD)
            _checked(head, path)
            return head + file.read(LARGEST + 1 - len(head))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot read the attachment {path}: {reason}", todo="check the path") from None
