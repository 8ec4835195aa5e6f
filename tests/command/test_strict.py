"""Strict mode: what generators emit, rewritten to what strict structured outputs take, or refused by word."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import validator_for
from openai.lib._pydantic import _ensure_strict_json_schema as by_the_sdk

from tests import server as wire
from tests.conftest import Result

GENERATED = {
    f"{line['from']}: {line['name']}": line["schema"]
    for line in map(
        json.loads,
        (Path(__file__).parents[1] / "data" / "generated_schemas.jsonl").read_text("utf-8").splitlines(),
    )
}
CANNOT = {
    "pydantic: dictionary": ("additionalProperties", "/properties/scores"),
    "pydantic: any dictionary": ("additionalProperties", "/properties/extra"),
    "pydantic: dictionary of patterned keys": ("patternProperties", "/properties/by"),
    "pydantic: any": ("type", "/properties/x"),
    "pydantic: list at the root": ("type", "the root"),
    "pydantic: union at the root": ("anyOf", "the root"),
    "pydantic: text at the root": ("type", "the root"),
    "msgspec: dictionary": ("additionalProperties", "/properties/d"),
    "msgspec: root list": ("type", "the root"),
    "zod: record": ("propertyNames", "/properties/r"),
    "zod: unknown": ("type", "/properties/x"),
    "TypeBox: record": ("patternProperties", "/properties/r"),
    "TypeBox: not": ("not", "/properties/n"),
}
TAKEN = {
    *("type", "enum", "const", "properties", "required", "additionalProperties", "items", "anyOf", "$ref"),
    *("title", "description", "pattern", "format", "multipleOf", "minimum", "maximum", "exclusiveMinimum"),
    *("exclusiveMaximum", "minItems", "maxItems", "$defs"),
}
FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}


def faults(schema: Any, at: str = "") -> Iterator[str]:  # noqa: C901 - a list of rules
    """What strict mode would refuse, by its published list."""
    if not isinstance(schema, dict):
        yield f"{at} is {schema}"
        return
    yield from (f"{at} has {word}" for word in schema.keys() - TAKEN)
    if "$ref" in schema and len(schema) > 1:
        yield f"{at} has words beside $ref"
    if not schema.keys() & {"type", "anyOf", "$ref"}:
        yield f"{at} has no type"
    if schema.get("format", "date") not in FORMATS:
        yield f"{at} has another format"
    if "object" in schema.get("type", ()) or "properties" in schema:
        if schema.get("additionalProperties") is not False:
            yield f"{at} is open"
        if sorted(schema.get("required", ())) != sorted(schema.get("properties", {})):
            yield f"{at} does not require all"
    if "array" in schema.get("type", ()) and not isinstance(schema.get("items"), dict):
        yield f"{at} has no items"
    for word in ("properties", "$defs"):
        for name, part in schema.get(word, {}).items():
            yield from faults(part, f"{at}/{word}/{name}")
    for index, part in enumerate(schema.get("anyOf", ())):
        yield from faults(part, f"{at}/anyOf/{index}")
    if "items" in schema:
        yield from faults(schema["items"], f"{at}/items")


@pytest.fixture
def strict(cli):
    """The schema that a command line sends."""

    def run(schema: object, *argv: str) -> Any:
        text = schema if isinstance(schema, str) else json.dumps(schema)
        result = cli("ask", "--dry-run", "--schema", text, *argv, "hi")
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)["response_format"]["json_schema"]["schema"]

    return run


def refused(cli, schema: object, *argv: str) -> str:
    result = cli("ask", "--dry-run", "--schema", json.dumps(schema), *argv, "hi")
    assert (result.code, result.out) == (2, "")
    return result.err


@pytest.mark.parametrize("name", sorted(GENERATED.keys() - CANNOT))
def test_what_generators_emit_is_sent_as_strict_mode_takes_it(strict, name):
    schema = GENERATED[name]
    sent = strict(schema)
    assert list(faults(sent)) == []
    assert sent["type"] == "object"
    validator_for(sent)  # it is a schema, and its references lead somewhere


@pytest.mark.parametrize("name", sorted(CANNOT))
def test_what_strict_mode_cannot_say_is_refused_by_path_and_keyword(cli, name):
    word, path = CANNOT[name]
    assert refused(cli, GENERATED[name]).startswith(
        f"llmcli: usage: --schema: strict mode cannot take {word} at {path}: "
    )
    assert "--no-strict" in refused(cli, GENERATED[name])
    assert cli("ask", "--dry-run", "--no-strict", "--schema", json.dumps(GENERATED[name]), "hi").code == 0


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_what_the_sdk_makes_clean_is_sent_as_the_sdk_sends_it(strict, name):
    theirs = by_the_sdk(copy.deepcopy(GENERATED[name]), path=(), root=copy.deepcopy(GENERATED[name]))
    if (
        theirs.get("type") != "object"
        or list(faults(theirs))
        or "null" in json.dumps(strict(GENERATED[name]))
    ):
        return  # theirs is no strict schema, or has an optional property, which the SDK does not have be null
    assert strict(GENERATED[name]) == theirs


OBJECT = {"type": "object", "additionalProperties": False}
TEXT = {"type": "string"}


def wrapped(part: object, **more: object) -> dict[str, Any]:
    """An object schema of one property, which it requires."""
    return {"type": "object", "properties": {"a": part}, "required": ["a"], **more}


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        ({"type": "string", "default": "x"}, {"type": "string"}),
        ({"type": "string", "format": "uri"}, {"type": "string", "description": 'format: "uri"'}),
        ({"type": "string", "minLength": 2}, {"type": "string", "description": "minLength: 2"}),
        (
            {"type": "string", "pattern": "^(?!a)", "description": "one"},
            {"type": "string", "description": 'one (pattern: "^(?!a)")'},
        ),
        ({"const": 1}, {"type": "integer", "const": 1}),
        ({"enum": ["a", None]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"allOf": [{"type": "string"}], "description": "one"}, {"type": "string", "description": "one"}),
        (
            {"oneOf": [{"type": "string"}, {"type": "null"}]},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        (
            {"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}], "items": False},
            {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        ),
        (
            {"type": "object", "propertyNames": {"enum": ["x"]}, "additionalProperties": {"type": "integer"}},
            {**OBJECT, "properties": {"x": {"type": ["integer", "null"]}}, "required": ["x"]},
        ),
        *(
            (wrapped(TEXT, **more), wrapped(TEXT, **OBJECT))
            for more in (
                {"additionalProperties": True},  # others are let pass, not asked for
                {"additionalProperties": {}},
                {"patternProperties": {"^x-": False}},
                {"patternProperties": {}},
            )
        ),
        (
            {
                "allOf": [
                    {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
                    {"properties": {"y": {"type": "number", "minimum": 1}}, "required": ["y"]},
                    {"properties": {"y": {"type": "integer", "minimum": 0}}},
                ]
            },
            {
                **OBJECT,
                "properties": {"x": {"type": "string"}, "y": {"type": "integer", "minimum": 1}},
                "required": ["x", "y"],
            },
        ),
    ],
)
def test_a_word_is_mended_where_the_meaning_holds(strict, part, sent):
    assert strict(wrapped(part))["properties"]["a"] == sent


@pytest.mark.parametrize(
    ("part", "word", "path"),
    [
        ({"type": "object"}, "additionalProperties", "/properties/a"),
        (wrapped(TEXT, patternProperties={"^x-": TEXT}), "patternProperties", "/properties/a"),
        (wrapped(TEXT, patternProperties={"^x-": TEXT}, **OBJECT), "patternProperties", "/properties/a"),
        (wrapped(TEXT, additionalProperties=TEXT), "additionalProperties", "/properties/a"),
        (wrapped(TEXT, unevaluatedProperties=TEXT), "unevaluatedProperties", "/properties/a"),
        ({"type": "object", "properties": {"x/y": {}}}, "type", "/properties/a/properties/x~1y"),
        ({"type": "array"}, "items", "/properties/a"),
        ({"type": "array", "items": {"not": {"type": "null"}}}, "not", "/properties/a/items"),
        ({"type": "object", "properties": {}, "required": ["b"]}, "required", "/properties/a"),
        ({"type": "string", "if": {"const": "a"}, "then": {"minLength": 1}}, "if", "/properties/a"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "allOf", "/properties/a"),
        ({"enum": [{"b": 1}]}, "enum", "/properties/a"),
        ({"anyOf": [{"type": "string"}, {}]}, "type", "/properties/a/anyOf/1"),
    ],
)
@pytest.mark.parametrize("multi", [[], ["--schema-multi"]], ids=["one", "multi"])
def test_a_word_that_cannot_be_mended_is_named(cli, part, word, path, multi):
    err = refused(cli, wrapped(part), *multi)
    assert f": strict mode cannot take {word} at {path}: " in err


def test_a_reference_with_a_description_is_inlined_and_recursion_is_not_for_ever(strict):
    node = wrapped({"$ref": "#/definitions/n", "description": "next"}) | {"title": "N"}
    sent = strict({"definitions": {"n": node}, "$ref": "#/definitions/n"})
    assert list(faults(sent)) == []
    assert sent["properties"]["a"] == {"$ref": "#/$defs/n"}
    assert sent["$defs"]["n"]["properties"]["a"]["description"] == "next"


def test_alternatives_of_what_is_required_are_left_to_the_check(ask, server, strict):
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    }
    assert list(faults(strict(schema))) == []
    server.script = wire.ok('{"a": null, "b": null}')
    assert ask("--schema", json.dumps(schema), "hi").code == 5


# --- Null for absent ----------------------------------------------------------------------------------------

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "nick": {"type": "string"},
        "born": {"type": ["integer", "null"]},
        "home": {"$ref": "#/$defs/home"},
        "pets": {"type": "array", "items": {"oneOf": [{"$ref": "#/$defs/cat"}, {"$ref": "#/$defs/dog"}]}},
    },
    "required": ["name"],
    "$defs": {
        "home": {"type": "object", "properties": {"street": {"type": "string"}}},
        "cat": {"properties": {"kind": {"const": "cat"}, "lives": {"type": "integer"}}, "required": ["kind"]},
        "dog": {"properties": {"kind": {"const": "dog"}, "barks": {"type": "boolean"}}, "required": ["kind"]},
    },
}
ANSWER = (
    '{"name": "Ada", "nick": null, "born": null, "home": {"street": null},'
    ' "pets": [{"kind": "cat", "lives": null}, {"kind": "dog", "barks": null}]}'
)
JUDGED = '{"name":"Ada","born":null,"home":{},"pets":[{"kind":"cat"},{"kind":"dog"}]}'


@pytest.mark.parametrize("how", [[], ["--no-stream"]], ids=["stream", "whole"])
def test_null_is_taken_for_absent_in_the_check_and_in_what_is_printed(ask, server, how):
    server.script = wire.ok(ANSWER)
    assert ask(*how, "--schema", json.dumps(PERSON), "hi") == Result(0, JUDGED + "\n", "")


def test_null_of_a_required_property_is_invalid(ask, server):
    server.script = wire.ok('{"name": null}')
    done = ask("--schema", json.dumps(PERSON), "hi")
    assert (done.code, done.out) == (5, '{"name": null}\n')


def test_without_strict_mode_null_is_null(ask, server):
    server.script = wire.ok('{"name": "Ada", "nick": null}')
    assert ask("--no-strict", "--schema", json.dumps(PERSON), "hi").code == 5


@pytest.mark.parametrize("how", [[], ["--no-stream"]], ids=["stream", "whole"])
def test_items_have_no_null_for_absent(ask, server, how):
    server.script = wire.ok(
        json.dumps({"items": [{"name": "Ada", "nick": None}, {"name": "B", "born": None}]})
    )
    done = ask(*how, "--schema", json.dumps(PERSON), "--schema-multi", "hi")
    assert done == Result(0, '{"name":"Ada"}\n{"name":"B","born":null}\n', "")


def test_the_record_keeps_the_body_and_tells_the_answer_as_it_was_judged(ask, server):
    server.script = wire.ok(ANSWER)
    record = json.loads(ask("--json", "--schema", json.dumps(PERSON), "hi").out)
    assert record["choices"][0]["message"]["content"] == ANSWER
    assert record["llmcli"]["recovered"] == {"removed": ["null"], "text": JUDGED}
