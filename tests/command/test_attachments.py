"""Attachments: what a file is, and how it reaches the server."""

from __future__ import annotations

import base64
import json
import os
import struct

import pytest

from tests.conftest import Result

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 1024, 1024) + b"\x08\x02\0\0\0"
SAMPLES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "image/gif": b"GIF89a\x01\0\x01\0",
    "image/webp": b"RIFF\x1a\0\0\0WEBPVP8 ",
    "audio/wav": b"RIFF\x24\0\0\0WAVEfmt ",
    "audio/mp3": b"ID3\x04\0\0\0\0\0\0",
    "application/pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
}
KNOWN = "images (PNG, JPEG, GIF, WebP), audio (WAV, MP3) and PDF can be attached; put text in with -f"


@pytest.fixture
def parts(cli):
    """The content of the user's message that a command line makes."""

    def run(*argv: str, **more: object) -> list[dict]:
        result = cli("ask", "--dry-run", *argv, **more)
        assert (result.code, result.err) == (0, "")
        [message] = json.loads(result.out)["messages"]
        return message["content"]

    return run


def part(kind: str, data: bytes, name: str = "file") -> dict:
    encoded = base64.b64encode(data).decode()
    if kind.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{encoded}"}}
    if kind.startswith("audio/"):
        return {"type": "input_audio", "input_audio": {"data": encoded, "format": kind[6:]}}
    return {"type": "file", "file": {"filename": name, "file_data": f"data:{kind};base64,{encoded}"}}


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_file_reaches_the_server_as_the_api_wants_it(ask, server, tmp_path, kind):
    (tmp_path / "file").write_bytes(SAMPLES[kind])  # the name says nothing
    assert ask("-a", f"{tmp_path}/file", "What", "is it?").code == 0
    assert server.requests[0].json["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, part(kind, SAMPLES[kind])]}
    ]


@pytest.mark.parametrize("kind", SAMPLES)
def test_from_stdin(parts, kind):
    name = "stdin.pdf"
    assert parts("-a", "-", "hi", stdin=SAMPLES[kind])[1] == part(kind, SAMPLES[kind], name)


def test_the_content_counts_not_the_name(parts, tmp_path):
    (tmp_path / "cat.png").write_bytes(SAMPLES["image/jpeg"])
    assert parts("-a", f"{tmp_path}/cat.png", "hi")[1] == part("image/jpeg", SAMPLES["image/jpeg"])


def test_an_mp3_without_a_tag(parts, tmp_path):
    (tmp_path / "a").write_bytes(b"\xff\xfb\x90\x64" + bytes(100))
    assert parts("-a", f"{tmp_path}/a")[0]["input_audio"]["format"] == "mp3"


def test_several_and_no_text(parts, tmp_path):
    (tmp_path / "a").write_bytes(PNG)
    (tmp_path / "b.pdf").write_bytes(SAMPLES["application/pdf"])
    argv = ["-a", f"{tmp_path}/a", "-a", "https://example.com/c.png?x=1", "-a", f"{tmp_path}/b.pdf"]
    assert parts(*argv) == [
        part("image/png", PNG),
        {"type": "image_url", "image_url": {"url": "https://example.com/c.png?x=1"}},
        part("application/pdf", SAMPLES["application/pdf"], "b.pdf"),
    ]


def test_the_prompt_may_be_piped_beside_an_attachment(parts, tmp_path):
    (tmp_path / "a").write_bytes(PNG)
    assert parts("-a", f"{tmp_path}/a", stdin=b"What is it?\n")[0] == {"type": "text", "text": "What is it?"}


def test_the_detail(parts, tmp_path):
    (tmp_path / "a").write_bytes(PNG)
    shown = parts("-a", f"{tmp_path}/a", "-a", "https://example.com/c.png", "--detail", "low")
    assert [each["image_url"]["detail"] for each in shown] == ["low", "low"]


def test_count_estimates_an_image_by_its_size(cli, tmp_path):
    (tmp_path / "a").write_bytes(PNG)

    def count(*argv: str) -> int:
        return int(cli("count", "-m", "gpt-4o", *argv, "hi").out)

    without = count()
    # 1024 x 1024 is scaled to 768 x 768: four tiles of 170 tokens, and 85.
    assert count("-a", f"{tmp_path}/a") - without == pytest.approx(765, abs=5)
    assert count("-a", f"{tmp_path}/a", "--detail", "low") - without == pytest.approx(85, abs=5)


# --- What cannot be attached --------------------------------------------------------------------------------


def refused(ask, server, source: str, message: str, **more: object) -> None:
    assert ask("-a", source, "hi", **more) == Result(2, "", f"llmcli: usage: {message}\n")
    assert server.requests == []


def test_a_file_that_is_not_there(ask, server):
    refused(
        ask,
        server,
        "/nowhere/cat.png",
        "cannot read the attachment /nowhere/cat.png: No such file or directory; check the path",
    )


def test_a_directory(ask, server, tmp_path):
    refused(
        ask, server, f"{tmp_path}", f"cannot read the attachment {tmp_path}: Is a directory; check the path"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_an_unreadable_file(ask, server, tmp_path):
    (tmp_path / "a").touch(mode=0)
    refused(
        ask,
        server,
        f"{tmp_path}/a",
        f"cannot read the attachment {tmp_path}/a: Permission denied; check the path",
    )


def test_a_file_that_cannot_be_read(ask, server, tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "a")
    reason = os.strerror(40)
    refused(
        ask, server, f"{tmp_path}/a", f"cannot read the attachment {tmp_path}/a: {reason}; check the path"
    )


def test_an_empty_file(ask, server, tmp_path):
    (tmp_path / "a.png").touch()
    refused(ask, server, f"{tmp_path}/a.png", f"the attachment {tmp_path}/a.png is empty; check the file")


def test_an_empty_pipe(ask, server):
    refused(ask, server, "-", "the attachment stdin is empty; check the file", stdin=b"")


@pytest.mark.parametrize(
    "content", [b"plain text", b"RIFF\0\0\0\0AVI LIST", b"BM\0\0", b"\xff\xfeh\0i\0", b"\0"]
)
def test_a_file_of_no_known_type(ask, server, tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    refused(ask, server, f"{tmp_path}/a.png", f"the attachment {tmp_path}/a.png is of no known type; {KNOWN}")


def sparse(path, head: bytes, size: int) -> str:
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return str(path)


def test_a_video_of_50_megabytes(ask, server, tmp_path):
    file = sparse(tmp_path / "a.mp4", b"\0\0\0\x20ftypisom", 50 * 1024 * 1024)
    refused(ask, server, file, f"the attachment {file} is of no known type; {KNOWN}")


def test_an_image_of_50_megabytes(ask, server, tmp_path):
    file = sparse(tmp_path / "a.png", PNG, 50 * 1024 * 1024)
    refused(
        ask,
        server,
        file,
        f"the attachment {file} is too large: 50,000,000 bytes is the most; make it smaller",
    )


def test_a_device_that_never_ends(ask, server):
    refused(ask, server, "/dev/zero", f"the attachment /dev/zero is of no known type; {KNOWN}")


def test_a_pdf_by_address(ask, server):
    url = "https://example.com/a.pdf"
    refused(ask, server, url, f"the API takes no URL for PDF ({url}); curl -s {url} | llmcli ask -a - ...")


@pytest.mark.parametrize("url", ["http://[x", "http://", "https://h:abc/a.png"])
def test_an_address_that_is_none(ask, server, url):
    refused(ask, server, url, f"the attachment {url!r} is no http(s) URL; check the address")


def test_an_address_in_capitals(parts):
    url = "HTTPS://example.com/a.png"
    assert parts("-a", url, "hi")[1] == {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_data_url_is_the_part_of_what_is_in_it(parts, kind):
    url = f"data:{kind};base64,{base64.b64encode(SAMPLES[kind]).decode()}"
    assert parts("-a", url, "hi")[1] == part(kind, SAMPLES[kind], "data.pdf")


def test_a_data_url_that_is_broken(ask, server):
    refused(
        ask, server, "data:application/pdf;base64,%%",
        "the attachment data:application/pdf;base64,... is not valid base64; check the URL",
    )  # fmt: skip


def test_a_detail_of_nothing(ask):
    assert ask("--detail", "low", "hi") == Result(
        2, "", "llmcli: usage: --detail without an image; attach one with -a\n"
    )
