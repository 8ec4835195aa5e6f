"""Dialects: what a `$schema`, a content or an image is called by others, meant as it was."""

from __future__ import annotations

import base64
import json

import pytest

from tests import server as wire
from tests.conftest import Result

DIALECTS = [
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-06/schema#",
    "http://json-schema.org/draft-07/schema",
    " https://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema#",
    "https://json-schema.org/draft/2020-12/schema",
    "https://spec.openapis.org/oas/3.1/dialect/base",
    "https://json.schemastore.org/prettierrc",
    "http://json-schema.org/draft-03/schema#",
]
FORMATS = ["date", "email", "uuid", "duration", "iri", "uri-reference", "json-pointer"]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_checked_whatever_the_schema_says_of_its_draft(ask, server, dialect, name):
    schema = {"$schema": dialect, "type": "object", "properties": {"x": {"type": "string", "format": name}}}
    server.script = wire.ok('{"x": "no\\u0000 [%%"}')
    result = ask("--schema", json.dumps(schema), "x")
    assert (result.code, f'is not a "{name}"' in result.err) == (5, True), result


def test_a_format_of_an_old_tuple_is_checked(ask, server):
    tuple_ = {"type": "array", "items": [{"type": "string", "format": "uuid"}], "additionalItems": False}
    server.script = wire.ok('{"x": ["no"]}')
    schema = {"type": "object", "properties": {"x": tuple_}}
    assert ask("--schema", json.dumps(schema), "--no-strict", "x").code == 5


CONTENTS = {
    "an object": {"type": "text", "text": "Hello"},
    "texts": ["Hel", "lo"],
    "parts of the Responses API": [{"type": "output_text", "text": "Hello"}],
    "parts without a type": [{"text": "Hel"}, {"text": "lo"}],
    "behind a thought": [{"type": "reasoning", "text": "Hm"}, {"type": "text", "text": "Hello"}],
}


@pytest.mark.parametrize("name", CONTENTS)
def test_the_text_of_a_content_in_another_form_is_the_answer(ask, server, name):
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": CONTENTS[name]},
        "finish_reason": "stop",
    }
    server.script = wire.reply({"choices": [choice]})
    assert ask("x") == Result(0, "Hello\n", "")
    assert ask("--no-stream", "x") == Result(0, "Hello\n", "")


def test_an_image_as_the_api_of_images_has_it_is_written(ask, server, tmp_path):
    image = {"b64_json": base64.b64encode(b"\x89PNG").decode()}
    choice = {"index": 0, "message": {"content": "Here.", "images": [image]}, "finish_reason": "stop"}
    server.script = wire.reply({"choices": [choice]})
    assert ask("-O", str(tmp_path / "o.png"), "x") == Result(0, "Here.\n", "")
    assert (tmp_path / "o.png").read_bytes() == b"\x89PNG"


def test_an_address_of_six_is_shown_in_its_brackets(ask):
    result = ask("--base-url", "http://[::1]:9/v1", "x")
    assert (result.code, "http://[::1]:9/v1" in result.err) == (75, True)
