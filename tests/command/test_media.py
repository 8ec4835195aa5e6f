"""Audio and images are answers, too: to -O FILE, the text to stdout."""

from __future__ import annotations

import base64

import pytest

from tests import server as wire

PNG = b"\x89PNG\r\n\x1a\n and so on"
URL = "data:image/png;base64," + base64.b64encode(PNG).decode()
IMAGE = {"type": "image_url", "image_url": {"url": URL}}


def answer(**message):
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return wire.reply({"choices": [choice]})


@pytest.mark.parametrize(
    "message",
    [
        {"content": "Look", "images": [IMAGE]},
        {"content": [{"type": "text", "text": "Look"}, IMAGE]},
        {"content": None, "audio": {"data": base64.b64encode(PNG).decode(), "transcript": "Look"}},
    ],
    ids=["images", "part", "audio"],
)
def test_media_goes_to_the_file_and_the_text_to_stdout(ask, server, tmp_path, message):
    server.script = answer(**message)
    result = ask("-O", f"{tmp_path}/out", "x")
    assert (result.code, result.out, (tmp_path / "out").read_bytes()) == (0, "Look\n", PNG)
    result = ask("x")
    assert (result.code, result.out) == (5, "Look\n")
    assert "name a file with -O" in result.err


def test_streamed_audio_is_decoded_piece_by_piece(ask, server, tmp_path):
    pieces = [base64.b64encode(PNG[at : at + 4]).decode() for at in range(0, len(PNG), 4)]
    chunks = [wire.chunk(audio={"data": piece}) for piece in pieces]
    server.script = wire.events(
        [*chunks, wire.chunk(audio={"transcript": "Look"}, finish_reason="stop"), wire.DONE]
    )
    result = ask("--modalities", "text,audio", "-O", f"{tmp_path}/out", "x")
    assert (result.code, result.out, (tmp_path / "out").read_bytes()) == (0, "Look\n", PNG)


def test_media_without_a_place_to_go_is_not_asked_for(ask, server):
    assert (ask("--modalities", "text,audio", "x").code, server.requests) == (2, [])
