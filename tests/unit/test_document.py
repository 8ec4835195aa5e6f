"""A value is judged by any schema that was made from the parts of a document, as if it stood in there."""

from __future__ import annotations

import pytest

from llmcli.rehearsal.document import Document

NUMBERS = {
    "$defs": {"four": {"const": 4}, "named": {"$anchor": "five", "const": 5}},
    "type": ["integer", "array"],
    "items": {"$ref": "#"},
}
TUPLE = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "definitions": {"pair": {"items": [{"const": 1}, {"const": 2}], "additionalItems": False}},
}


@pytest.mark.parametrize("address", [{}, {"$id": "https://example.com/numbers"}], ids=["bare", "with an $id"])
@pytest.mark.parametrize(
    ("schema", "valid", "invalid"),
    [
        ({"$ref": "#/$defs/four"}, 4, 5),
        ({"$ref": "#five"}, 5, 4),
        ({"$ref": "#"}, [[1], 2], [["x"]]),
        ({"allOf": [{"$ref": "#"}, {"not": {"$ref": "#/$defs/four"}}]}, 5, 4),
        ({"properties": {"$ref": {"const": 1}}}, {"$ref": 1}, {"$ref": "#/$defs/four"}),
        ({"const": {"$ref": "#/$defs/four"}}, {"$ref": "#/$defs/four"}, 4),
    ],
    ids=str,
)
def test_references_of_a_part_point_into_the_document(address, schema, valid, invalid):
    document = Document({**address, **NUMBERS})
    assert document.holds(valid, schema)
    assert not document.holds(invalid, schema)


def test_a_part_is_read_in_the_draft_of_its_document():
    document = Document(TUPLE)
    assert document.holds([[1, 2]], {"items": [{"$ref": "#/definitions/pair"}]})
    assert not document.holds([[1, 2, 3]], {"items": [{"$ref": "#/definitions/pair"}]})


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"type": "colour"},
        {"pattern": "("},
        {"minLength": "many"},
        {"$ref": "#/$defs/nowhere"},
        {"$ref": "https://example.com/elsewhere.json"},
        {"$id": "http://["},
        {"$schema": "https://example.com/no-draft"},
        {"default": object()},
        {"const": "\ud800"},
        {"allOf": [{"$ref": "#"}]},
    ],
    ids=lambda schema: next(iter(schema), "empty") if isinstance(schema, dict) else "true",
)
def test_a_schema_that_cannot_be_read_refuses_nothing(schema):
    assert Document(schema).holds(3, schema)


def test_a_value_that_no_schema_could_be_asked_about_is_taken():
    assert Document({}).holds("\ud800", {"type": "string"})


@pytest.mark.parametrize("wrap", [lambda s: {"not": s}, lambda s: {"items": s}, lambda s: {"allOf": [s]}])
def test_a_schema_nested_beyond_reason_refuses_nothing(wrap):
    schema = {"type": "string"}
    for _ in range(3000):
        schema = wrap(schema)
    assert Document(schema).holds(3, schema)


def test_false_refuses_everything():
    assert not Document(False).holds(3, False)
