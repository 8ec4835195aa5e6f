"""Attachments: `-a PATH|URL|-` to the content parts of a message; what a file is, its bytes say."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import urlsplit

from llmcli.errors import UsageError
from llmcli.request.prompt import ReadStdin
from llmcli.wire import Json

# The API takes 50 MB in one request (https://platform.openai.com/docs/guides/images-vision).
LARGEST = 50 * 1000 * 1000

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
    if source.startswith(("http://", "https://", "data:")):
        return _from_url(source, detail)
    data = read_stdin() if source == "-" else _read(source)
    name = "stdin" if source == "-" else source
    if not data:
        raise UsageError(f"the attachment {name} is empty")
    return part_of(data, name, detail)


def part_of(data: bytes, name: str, detail: str | None) -> Json:
    """The content part for the bytes of a file called `name`. Raises UsageError for an unknown type."""
    kind = sniff(data)
    if kind is None:
        raise UsageError(
            f"the attachment {name} is of no known type",
            todo="images (PNG, JPEG, GIF, WebP), audio (WAV, MP3) and PDF can be attached; put text in with -f",
        )
    encoded = base64.b64encode(data).decode()
    if kind.startswith("image/"):
        return _image(f"data:{kind};base64,{encoded}", detail)
    if kind == "application/pdf":
        filename = Path(name).name if name != "stdin" else "stdin.pdf"
        return {"type": "file", "file": {"filename": filename, "file_data": f"data:{kind};base64,{encoded}"}}
    return {"type": "input_audio", "input_audio": {"data": encoded, "format": kind.removeprefix("audio/")}}


def sniff(data: bytes) -> str | None:
    """The media type that the first bytes show; None for what the API does not take."""
    if data[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(data[8:12])
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2:  # a frame of MPEG layer III
        return "audio/mp3"
    return "application/pdf" if b"%PDF-" in data[:1024] else None


def _from_url(url: str, detail: str | None) -> Json:
    path = urlsplit(url).path.lower()
    if not url.startswith("data:") and path.endswith(_AUDIO_URLS):
        raise UsageError(
            f"the API takes no URL for {path.rpartition('.')[2].upper()}",
            url,
            f"curl -s {url} | llmcli ask -a - ...",
        )
    return _image(url, detail)


def _image(url: str, detail: str | None) -> Json:
    return {"type": "image_url", "image_url": {"url": url, **({"detail": detail} if detail else {})}}


def _read(path: str) -> bytes:
    try:
        size = Path(path).stat().st_size
        if size > LARGEST:
            raise UsageError(
                f"the attachment {path} is too large: {size:,} bytes, and {LARGEST:,} is the most",
                todo="make it smaller",
            )
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot read the attachment {path}: {reason}") from None
