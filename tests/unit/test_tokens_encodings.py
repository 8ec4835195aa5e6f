"""The packaged encodings are OpenAI's, load without a download, and take any text."""

import base64
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st

from llmcli.tokens import encodings
from llmcli.tokens.encodings import MAX_TOKEN_BYTES, Encoder, encoding_for, load
from llmcli.tokens.mapped import Ranks

SHA256 = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}
NAMES = sorted(SHA256)


def packaged_tokens(name):
    return list(Ranks(name).all())


def published_file(name):
    """NAME.tiktoken, of which the package's file is made."""
    lines = (b"%s %d\n" % (base64.b64encode(t), rank) for rank, t in enumerate(packaged_tokens(name)))
    return b"".join(lines)


@pytest.mark.parametrize("name", NAMES)
def test_the_packaged_file_is_the_one_openai_publishes(name):
    assert hashlib.sha256(published_file(name)).hexdigest() == SHA256[name]


@pytest.mark.parametrize("name", NAMES)
def test_no_token_is_longer_than_cutting_assumes(name):
    assert max(map(len, packaged_tokens(name))) == MAX_TOKEN_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_the_encoder_is_the_one_tiktoken_builds(name, tmp_path, monkeypatch):
    """Pattern and special tokens too; tiktoken finds the file it would download in its cache."""
    url = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    (tmp_path / hashlib.sha1(url.encode()).hexdigest()).write_bytes(published_file(name))  # noqa: S324
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    theirs, ours = tiktoken.get_encoding(name), Encoder(name)._tiktoken
    for part in ("_pat_str", "_special_tokens", "_mergeable_ranks"):
        assert getattr(ours, part) == getattr(theirs, part)


def test_known_tokens():
    assert load("cl100k_base").encode("tiktoken is great!") == [83, 1609, 5963, 374, 2294, 0]
    assert load("o200k_base").encode("tiktoken is great!") == [83, 8251, 2488, 382, 2212, 0]
    assert [load(name).count("hello world") for name in NAMES] == [2, 2]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["<|endoftext|>", "<|endofprompt|>", "<|fim_prefix|>", "<|im_start|>"])
def test_text_that_looks_like_a_special_token_is_text(name, text):
    encoder = load(name)
    assert encoder.count(text) > 1
    assert encoder.decode(encoder.encode(text)) == text.encode()


@pytest.mark.parametrize("name", NAMES)
@given(text=st.text())
def test_decode_undoes_encode(name, text):
    assert load(name).decode(load(name).encode(text)).decode() == text


@pytest.mark.parametrize("name", NAMES)
def test_a_lone_surrogate_counts_as_a_replacement_character(name):
    assert load(name).encode("a\ud800b") == load(name).encode("a\ufffdb")


@pytest.mark.parametrize("name", NAMES)
def test_a_million_spaces_before_a_word_count_exactly(name):
    """tiktoken gives up on them; up to there, 128 spaces are a token, and the last belongs to the word."""
    spaces = 1_000_000 - 1_000_000 % MAX_TOKEN_BYTES
    assert load(name).count(" " * spaces) == spaces // MAX_TOKEN_BYTES
    assert load(name).count("a" + " " * (spaces + 1) + "word") == spaces // MAX_TOKEN_BYTES + 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("white", ["\t", " \t", "\u00a0", "\n", " \n"])
def test_a_million_white_characters_come_back(name, white):
    text = white * (1_000_000 // len(white)) + "x"
    assert load(name).decode(load(name).encode(text)).decode() == text


@pytest.mark.parametrize("name", NAMES)
def test_text_beside_too_much_white_space_keeps_its_count(name):
    """The detour over parts is exact for text with words in it."""
    prose = Path(__file__).read_text(encoding="utf-8") * 20
    spaces = " " * (8000 * MAX_TOKEN_BYTES)
    encoder = load(name)
    counts = encoder.count(prose + "x"), encoder.count(spaces), encoder.count(" x\n" + prose)
    assert encoder.count(prose + "x" + spaces + " x\n" + prose) == sum(counts)


@pytest.mark.parametrize(
    ("provider", "model", "encoding"),
    [
        ("openai", "gpt-4o", "o200k_base"),
        ("openai", "gpt-4o-mini-2024-07-18", "o200k_base"),
        ("openai", "chatgpt-4o-latest", "o200k_base"),
        ("openai", "gpt-4.1-nano", "o200k_base"),
        ("openai", "gpt-4.5-preview", "o200k_base"),
        ("openai", "gpt-5.4-mini-2026-03-17", "o200k_base"),
        ("openai", "o1", "o200k_base"),
        ("openai", "o3-mini", "o200k_base"),
        ("openai", "o4-mini-2025-04-16", "o200k_base"),
        ("openai", "ft:gpt-4.1-2025-04-14:acme::abc", "o200k_base"),
        ("openai", "ft:gpt-4o-mini:acme:name:abc", "o200k_base"),
        ("openai", "ft:gpt-4-0613:acme::abc", "cl100k_base"),
        ("openai", "ft:gpt-3.5-turbo", "cl100k_base"),
        ("openai", "gpt-4", "cl100k_base"),
        ("openai", "gpt-4-turbo-2024-04-09", "cl100k_base"),
        ("openai", "gpt-3.5-turbo-0125", "cl100k_base"),
        ("azure", "gpt-35-turbo", "cl100k_base"),
        ("azure", "gpt-4o", "o200k_base"),
        ("offline", "echo", "cl100k_base"),
    ],
)
def test_encodings_that_are_known(provider, model, encoding):
    assert encoding_for(provider, model) == (encoding, True)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-6-sol"),
        ("openai", "gpt-audio-mini"),
        ("openai", "chat-latest"),
        ("azure", "my-deployment"),
        ("openrouter", "openai/gpt-4o"),
        ("mistral", "mistral-large-latest"),
    ],
)
def test_other_encodings_are_estimates(provider, model):
    assert encoding_for(provider, model) == ("o200k_base", False)


def test_an_unknown_encoding_is_a_key_error():
    with pytest.raises(KeyError):
        load("r50k_base")


def test_importing_is_cheap_and_loading_never_reaches_for_the_network():
    code = """
import sys
import llmcli.tokens.count, llmcli.tokens.cut
assert "tiktoken" not in sys.modules
from llmcli.tokens.encodings import load
load("cl100k_base").count("hi " * 200_000)
assert "tiktoken" in sys.modules
print({"requests", "tiktoken.load", "tiktoken_ext.openai_public"} & set(sys.modules))
"""
    root = Path(encodings.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
