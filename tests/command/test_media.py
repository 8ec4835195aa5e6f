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


LOOK = {"content": "Look", "images": [IMAGE]}


def test_a_turn_of_a_session_has_the_same_places(ask, server, tmp_path):
    session = ("--session", f"{tmp_path}/s.jsonl")
    assert (ask(*session, "--modalities", "text,audio", "x").code, server.requests) == (2, [])
    assert ask(*session, "--modalities", "text,audio", "--dry-run", "x").code == 2
    server.script = answer(**LOOK)
    result = ask(*session, "x")
    assert (result.code, result.out) == (5, "Look\n")
    assert "name a file with -O" in result.err
    result = ask(*session, "-O", f"{tmp_path}/out", "x")
    assert (result.code, result.out, (tmp_path / "out").read_bytes()) == (0, "Look\n", PNG)


def test_a_file_of_many_turns_gets_their_text(cli, server, tmp_path):
    chat = ("chat", "--base-url", server.base_url, "-m", "tiny", "-O", f"{tmp_path}/out")
    result = cli(*chat, "--modalities", "text,audio", stdin=b"a\n")
    assert (result.code, server.requests) == (2, [])
    assert "llmcli ask --session" in result.err
    assert (cli(*chat, stdin=b"a\nb\n").code, (tmp_path / "out").read_text()) == (0, "a\nb\n")
    server.script = answer(**LOOK)
    assert cli(*chat, stdin=b"a\nb\n").code == 5
    assert cli(*chat[:-2], stdin=b"a\nb\n").out == "Look\nLook\n"


@pytest.mark.parametrize("device", ["/dev/null", "/dev/stdout"])
def test_a_device_is_no_place_for_media(ask, server, device):
    assert (ask("--modalities", "text,audio", "-O", device, "x").code, server.requests) == (2, [])


def test_unasked_media_on_a_device_are_not_lost_in_silence(ask, server):
    server.script = answer(**LOOK)
    assert ask("-O", "/dev/null", "x").code == 5


def test_items_have_no_place_for_media(ask, server, tmp_path):
    server.script = answer(content='{"items":[{"a":"b"}]}', images=[IMAGE])
    result = ask("--schema", "a", "--schema-multi", "-O", f"{tmp_path}/out", "x")
    assert (result.code, "which text cannot show" in result.err) == (5, True)
