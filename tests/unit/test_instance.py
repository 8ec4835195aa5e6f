"""Whatever JSON Schema comes in, the value made for it is valid; an independent validator says so."""

import json
import string
import time

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmcli.rehearsal.instance import instance

STRICT = {"type": "object", "additionalProperties": False}
STEP = {
    **STRICT,
    "properties": {"explanation": {"type": "string"}, "output": {"type": "string"}},
    "required": ["explanation", "output"],
}
NODE = {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]}
TREE = {"type": "object", "properties": {"v": {"type": "integer"}}, "required": ["v", "left", "right"]}
BRANCH = {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}]}

SCHEMAS = {
    "true": True,
    "empty": {},
    "const": {"const": {"a": [1, None]}},
    "const null": {"const": None},
    "enum with null first": {"enum": [None, "x", 2]},
    "enum narrowed by type": {"type": "integer", "enum": ["a", 1.5, 3]},
    "enum narrowed by bounds": {"enum": [1, 5, 9], "minimum": 4},
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "type list": {"type": ["null", "integer"]},
    "integer bounds": {"type": "integer", "minimum": -7, "maximum": -7},
    "integer between fractions": {"type": "integer", "minimum": 2.2, "maximum": 3.9},
    "exclusive bounds": {"type": "integer", "exclusiveMinimum": 10, "exclusiveMaximum": 12},
    "narrow number": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    "multiple of a hundredth": {"type": "number", "multipleOf": 0.01, "minimum": 2.345},
    "integer multiple of a fraction": {"type": "integer", "multipleOf": 2.5, "minimum": 1},
    "negative multiple": {"type": "integer", "multipleOf": 7, "maximum": -1},
    "large integer": {"type": "integer", "minimum": 9007199254740993},
    "untyped number": {"minimum": 5},
    "string lengths": {"type": "string", "minLength": 40, "maxLength": 42},
    "one character": {"type": "string", "minLength": 1, "maxLength": 1},
    "no character": {"type": "string", "maxLength": 0},
    "pattern: code": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"},
    "pattern: choice": {"type": "string", "pattern": "^(red|green|blue)$", "minLength": 5},
    "pattern: unanchored": {"type": "string", "pattern": "\\d+"},
    "pattern: length": {"type": "string", "pattern": "^[a-z]+$", "minLength": 10, "maxLength": 12},
    "pattern: literal made longer": {"type": "string", "pattern": "Aw", "minLength": 3},
    "pattern: end made longer": {"type": "string", "pattern": "Aw$", "minLength": 5, "maxLength": 5},
    "pattern: length and end": {"allOf": [{"pattern": "^.{12}$"}, {"pattern": "zé$"}], "type": "string"},
    "pattern: look-ahead": {"type": "string", "pattern": "^(?=.*[A-Z])(?=.*\\d)[A-Za-z\\d]{8,}$"},
    "pattern: negative look-ahead": {"type": "string", "pattern": "^(?!example)[a-z]+$"},
    "pattern: group": {"type": "string", "pattern": "^(?<year>\\d{4})/\\w+\\s\\S$"},
    "pattern: negated class": {"type": "string", "pattern": "^[^a-z0-9]{2}[^\\s]$"},
    "pattern: script": {"type": "string", "pattern": "^\\p{L}+$"},
    "pattern: beyond ASCII": {"type": "string", "pattern": "^[äöü]{3}é$"},
    "pattern: decimal": {"type": "string", "pattern": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"},
    "pattern: semver": {"type": "string", "pattern": r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[\w.]+)?$"},
    "pattern: back-reference": {"type": "string", "pattern": "^(a|b)c\\1$"},
    "two patterns": {"allOf": [{"pattern": "^[a-z]"}, {"pattern": "[0-9]$"}], "type": "string"},
    "array default length": {"type": "array", "items": {"type": "string"}},
    "array of nothing": {"type": "array", "items": {"type": "string"}, "maxItems": 0},
    "array of false": {"type": "array", "items": False},
    "array lengths": {"type": "array", "items": {"type": "integer"}, "minItems": 3, "maxItems": 4},
    "tuple": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
    "pydantic tuple": {
        "type": "array",
        "maxItems": 2,
        "minItems": 2,
        "prefixItems": [{"type": "number"}] * 2,
    },
    "unique strings": {"type": "array", "items": {"type": "string"}, "minItems": 5, "uniqueItems": True},
    "unique enum": {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True},
    "unique booleans": {"items": {"type": "boolean"}, "minItems": 2, "uniqueItems": True, "type": "array"},
    "unique objects": {"type": "array", "items": STEP, "minItems": 4, "uniqueItems": True},
    "unique pairs": {
        "type": "array",
        "items": {"type": "array", "items": {"type": "integer"}, "minItems": 2},
        "minItems": 3,
        "uniqueItems": True,
    },
    "unique anything": {"type": "array", "minItems": 5, "uniqueItems": True},
    "contains": {"type": "array", "contains": {"const": "here"}},
    "contains after prefix": {"prefixItems": [{"type": "null"}], "contains": {"const": 1}, "type": "array"},
    "contains within maxItems": {
        "type": "array",
        "prefixItems": [{}],
        "contains": {"const": 1},
        "maxItems": 1,
    },
    "minContains": {
        "type": "array",
        "items": {"type": "integer"},
        "contains": {"minimum": 5},
        "minContains": 2,
    },
    "maxContains": {"type": "array", "minItems": 4, "contains": {"type": "string"}, "maxContains": 1},
    "maxContains zero": {"type": "array", "contains": {"type": "string"}, "minContains": 0, "maxContains": 0},
    "optional false property": {"type": "object", "properties": {"no": False, "yes": True}},
    "required without properties": {"type": "object", "required": ["a", "b"]},
    "map": {"type": "object", "additionalProperties": {"type": "integer"}},
    "minProperties": {"type": "object", "minProperties": 3, "additionalProperties": {"type": "string"}},
    "maxProperties": {"properties": {"a": {}, "b": {}, "c": {}}, "required": ["c"], "maxProperties": 2},
    "patternProperties": {
        "type": "object",
        "patternProperties": {"^x-[a-z]+$": {"type": "integer"}},
        "additionalProperties": False,
        "minProperties": 2,
    },
    "propertyNames pattern": {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Z]{2}$"},
        "minProperties": 3,
    },
    "propertyNames enum": {"type": "object", "propertyNames": {"enum": ["one", "two"]}, "minProperties": 2},
    "dependentRequired": {
        "properties": {"card": {"type": "string"}},
        "dependentRequired": {"card": ["address"]},
    },
    "dependentRequired impossible": {
        "type": "object",
        "properties": {"card": {"type": "string"}},
        "dependentRequired": {"card": ["address"]},
        "additionalProperties": False,
    },
    "dependentSchemas": {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "dependentSchemas": {"a": {"properties": {"b": {"const": 2}}, "required": ["b"]}},
    },
    "draft-07 dependencies": {"type": "object", "required": ["a"], "dependencies": {"a": ["b"]}},
    "unevaluatedProperties": {
        "allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}],
        "properties": {"b": {"type": "integer"}},
        "unevaluatedProperties": False,
    },
    "anyOf with siblings": {
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b"]}},
        "anyOf": [{"properties": {"kind": {"const": "c"}}}, {"properties": {"kind": {"const": "b"}}}],
        "required": ["kind"],
    },
    "oneOf overlapping": {
        "oneOf": [{"type": "integer"}, {"type": "number", "minimum": 5}, {"type": "integer"}]
    },
    "oneOf discriminated": {
        "discriminator": {"propertyName": "pet"},
        "oneOf": [
            {"properties": {"pet": {"const": "cat"}, "lives": {"type": "integer"}}, "required": ["pet"]},
            {"properties": {"pet": {"const": "dog"}}, "required": ["pet"]},
        ],
    },
    "allOf bounds": {"allOf": [{"type": "number", "minimum": 3}, {"type": "integer", "maximum": 4}]},
    "allOf multiples": {"type": "integer", "allOf": [{"multipleOf": 4}, {"multipleOf": 6}], "minimum": 1},
    "allOf closed": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "string"}}},
            {"properties": {"b": {"type": "string"}}, "additionalProperties": False},
        ]
    },
    "allOf of anyOf": {
        "allOf": [{"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [{"minimum": 3}, False]}],
        "type": "integer",
    },
    "not type": {"not": {"type": ["string", "object"]}},
    "not const": {"type": "integer", "minimum": 1, "not": {"const": 1}},
    "not required": {"type": "object", "properties": {"a": {}, "b": {}}, "not": {"required": ["a"]}},
    "not in a property": {"properties": {"k": {"enum": [1, 2]}}, "not": {"properties": {"k": {"const": 1}}}},
    "if then else": {
        "type": "object",
        "properties": {"country": {"enum": ["US", "NL"]}, "code": {"type": "string"}},
        "required": ["country", "code"],
        "if": {"properties": {"country": {"const": "US"}}},
        "then": {"properties": {"code": {"pattern": "^\\d{5}$"}}},
        "else": {"properties": {"code": {"pattern": "^\\d{4} [A-Z]{2}$"}}},
    },
    "if with impossible then": {"type": "integer", "if": {"minimum": 0}, "then": False},
    "default": {"type": "object", "properties": {"unit": {"type": "string", "default": "celsius"}}},
    "default of the wrong type": {"type": "integer", "default": "many"},
    "examples": {"type": "string", "examples": [3, "Ada Lovelace"]},
    "ref with escapes": {
        "$ref": "#/$defs/a~1b%20c~0",
        "$defs": {"a/b c~": {"type": "integer", "minimum": 8}},
    },
    "ref with siblings": {
        "$ref": "#/$defs/n",
        "maximum": 3,
        "$defs": {"n": {"type": "integer", "minimum": 3}},
    },
    "definitions": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$ref": "#/definitions/name",
        "definitions": {"name": {"type": "string", "minLength": 3}},
    },
    "draft-07 tuple": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "array",
        "items": [{"type": "string"}, {"type": "integer"}],
        "additionalItems": False,
        "minItems": 2,
    },
    "anchor": {"$ref": "#point", "$defs": {"p": {"$anchor": "point", "const": 4}}},
    "ref through a ref": {
        "$ref": "#/$defs/a",
        "$defs": {
            "a": {"$ref": "#/$defs/b"},
            "b": {"type": "array", "items": {"$ref": "#/$defs/c"}},
            "c": {"const": 1},
        },
    },
    "linked list": {
        "$ref": "#/$defs/Node",
        "$defs": {
            "Node": {
                **NODE,
                "properties": {"value": {}, "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
            }
        },
    },
    "strict linked list": {
        **STRICT,
        "properties": {
            "linked_list": {"$ref": "#/$defs/node"},
        },
        "$defs": {
            "node": {
                **STRICT,
                "properties": {
                    "value": {"type": "number"},
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                },
                "required": ["next", "value"],
            }
        },
        "required": ["linked_list"],
    },
    "required list of itself": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["name", "children"],
        "additionalProperties": False,
    },
    "optional itself": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "parent": {"$ref": "#"}},
    },
    "required binary tree": {
        "$ref": "#/$defs/Tree",
        "$defs": {
            "Tree": {**TREE, "properties": {"v": {"type": "integer"}, "left": BRANCH, "right": BRANCH}}
        },
    },
    "expression": {
        "$ref": "#/$defs/expr",
        "$defs": {
            "expr": {"oneOf": [{"$ref": "#/$defs/sum"}, {"type": "number"}]},
            "sum": {
                **STRICT,
                "properties": {
                    "terms": {"type": "array", "items": {"$ref": "#/$defs/expr"}, "minItems": 2},
                },
                "required": ["terms"],
            },
        },
    },
    "any JSON": {
        "$ref": "#/$defs/json",
        "$defs": {
            "json": {
                "anyOf": [
                    {"type": "array", "items": {"$ref": "#/$defs/json"}},
                    {"type": "object", "additionalProperties": {"$ref": "#/$defs/json"}},
                    {"type": ["string", "number", "boolean", "null"]},
                ]
            }
        },
    },
    "strict user interface": {
        **STRICT,
        "properties": {
            "type": {"type": "string", "enum": ["div", "button", "form"]},
            "label": {"type": "string", "description": "The label of the component"},
            "children": {"type": "array", "items": {"$ref": "#"}},
            "attributes": {
                "type": "array",
                "items": {
                    **STRICT,
                    "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
                    "required": ["name", "value"],
                },
            },
        },
        "required": ["type", "label", "children", "attributes"],
    },
    "strict maths": {
        **STRICT,
        "properties": {
            "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}},
            "final_answer": {"type": "string"},
        },
        "required": ["steps", "final_answer"],
        "$defs": {"step": STEP},
    },
    "strict moderation": {
        **STRICT,
        "properties": {
            "is_violating": {"type": "boolean"},
            "category": {"type": ["string", "null"], "enum": ["violence", "sexual", None]},
            "explanation": {"type": ["string", "null"]},
        },
        "required": ["is_violating", "category", "explanation"],
    },
    "strict weather tool": {
        **STRICT,
        "properties": {
            "location": {"type": "string", "description": "City and country"},
            "units": {"type": ["string", "null"], "enum": ["celsius", "fahrenheit", None]},
        },
        "required": ["location", "units"],
    },
    "pydantic model": {
        "title": "Order",
        "type": "object",
        "$defs": {
            "Item": {
                "title": "Item",
                "type": "object",
                "properties": {
                    "sku": {"pattern": "^[A-Z]{2}\\d{3}$", "title": "Sku", "type": "string"},
                    "count": {"default": 1, "exclusiveMinimum": 0, "title": "Count", "type": "integer"},
                    "price": {
                        "anyOf": [{"type": "number", "minimum": 0.0}, {"type": "string"}],
                        "title": "Price",
                    },
                },
                "required": ["sku", "price"],
            },
            "State": {"enum": ["open", "sent"], "title": "State", "type": "string"},
        },
        "properties": {
            "id": {"format": "uuid", "title": "Id", "type": "string"},
            "made": {"format": "date-time", "title": "Made", "type": "string"},
            "items": {"items": {"$ref": "#/$defs/Item"}, "minItems": 1, "title": "Items", "type": "array"},
            "state": {"$ref": "#/$defs/State", "default": "open"},
            "note": {"anyOf": [{"maxLength": 80, "type": "string"}, {"type": "null"}], "default": None},
            "tags": {"items": {"type": "string"}, "type": "array", "uniqueItems": True, "default": []},
            "extra": {"additionalProperties": {"type": "string"}, "type": "object"},
            "site": {"format": "uri", "maxLength": 2083, "minLength": 1, "type": "string"},
        },
        "required": ["id", "made", "items"],
    },
    "pydantic discriminated union": {
        "$defs": {
            "Cat": {
                "properties": {"kind": {"const": "cat", "type": "string"}, "age": {"type": "integer"}},
                "required": ["kind", "age"],
                "type": "object",
            },
            "Dog": {
                "properties": {"kind": {"const": "dog", "type": "string"}},
                "required": ["kind"],
                "type": "object",
            },
        },
        "properties": {
            "pet": {
                "discriminator": {
                    "mapping": {"cat": "#/$defs/Cat", "dog": "#/$defs/Dog"},
                    "propertyName": "kind",
                },
                "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}],
            }
        },
        "required": ["pet"],
        "type": "object",
    },
}
FORMATS = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uri-template",
    "uuid",
    "json-pointer",
    "relative-json-pointer",
    "regex",
]


def check(schema):
    value = instance(schema)
    assert value == instance(json.loads(json.dumps(schema)))
    text = json.dumps(value, allow_nan=False)
    jsonschema_rs.validate(schema, json.loads(text), validate_formats=True)
    return value


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_value_is_valid_and_small(name):
    assert len(json.dumps(check(SCHEMAS[name]))) < 700


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_kept_also_by_unique_items(name):
    check({"type": "array", "items": {"type": "string", "format": name}, "minItems": 3, "uniqueItems": True})


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (SCHEMAS["strict weather tool"], {"location": "example", "units": "celsius"}),
        (
            SCHEMAS["strict maths"],
            {"steps": [{"explanation": "example", "output": "example"}], "final_answer": "example"},
        ),
        (
            SCHEMAS["strict linked list"],
            {"linked_list": {"value": 1.5, "next": {"value": 1.5, "next": None}}},
        ),
        (
            SCHEMAS["required list of itself"],
            {"name": "example", "children": [{"name": "example", "children": []}]},
        ),
        (SCHEMAS["examples"], "Ada Lovelace"),
        (SCHEMAS["default"], {"unit": "celsius"}),
        (SCHEMAS["pattern: code"], "ABC-1234"),
        (SCHEMAS["map"], {"key1": 1}),
        (SCHEMAS["enum with null first"], "x"),
        ({"type": "number", "minimum": 0, "maximum": 1}, 0.5),
        ({"type": "string", "format": "date-time"}, "2025-01-01T09:30:00Z"),
    ],
)
def test_the_value_looks_like_one_that_a_person_would_write(schema, value):
    assert instance(schema) == value


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"$ref": "#"},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"type": "string", "minLength": 10**9},
        {"type": "array", "minItems": 10**9, "items": {"type": "object", "required": ["a"]}},
        {"type": "array", "items": {"type": "boolean"}, "minItems": 3, "uniqueItems": True},
        {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}},
        {"type": "object", "minProperties": 5, "maxProperties": 1},
        {"type": "string", "pattern": "("},
        {"type": "string", "pattern": "a^"},
        {"type": "string", "pattern": "(a{0,9}){2000}", "maxLength": 1},
        {"type": "string", "pattern": "^(((a{300}){300}){300}){300}$"},
        {"type": "colour"},
        {"type": [], "enum": [], "anyOf": [], "oneOf": "x", "allOf": {}},
        {"type": {"a": 1}, "properties": ["a"], "required": "a"},
        {"type": ["object", {}], "properties": {"a": 3, "b": None, 4: {}}, "required": [1, "b"]},
        {"type": "object", "dependentRequired": {"a": 3}, "dependencies": {"a": 3}, "required": ["a"]},
        {"type": "object", "patternProperties": {"(": {}}, "minProperties": 1},
        {"type": "integer", "minimum": "3", "multipleOf": 0},
        {"type": "number", "minimum": float("inf"), "maximum": float("nan")},
        {"type": "number", "minimum": 10**400},
        {"type": "number", "minimum": -1.7e308, "maximum": 1.7e308},
        {"type": "array", "minItems": -1, "maxItems": -2, "items": 7, "prefixItems": [7]},
        {"type": "array", "minItems": 1.5, "contains": 3},
        {"$ref": "https://example.com/other.json#/a"},
        {"$ref": 7},
        {"$ref": "#/%ff/~2"},
        {"default": {"a": object()}, "examples": "x"},
        {"enum": [{"a": 1}], "type": "object", "required": ["b"]},
        None,
        [],
        "x",
    ],
    ids=lambda odd: type(odd).__name__,
)
def test_an_odd_schema_still_gets_a_value_and_soon(schema):
    begun = time.process_time()
    json.dumps(instance(schema))
    assert time.process_time() - begun < 5


def test_a_schema_nested_beyond_reason_still_gets_a_value():
    for wrap in (lambda s: {"allOf": [s]}, lambda s: {"type": "array", "items": s, "minItems": 1}):
        schema = {"type": "string"}
        for _ in range(3000):
            schema = wrap(schema)
        json.dumps(instance(schema))


def test_twelve_definitions_that_all_need_each_other_end_soon():
    names = [f"D{n}" for n in range(12)]
    links = {name: {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]} for name in names}
    schema = {
        "$ref": "#/$defs/D0",
        "$defs": {name: {**STRICT, "properties": links, "required": names} for name in names},
    }
    begun = time.process_time()
    check(schema)
    assert time.process_time() - begun < 5


BOUNDS = [
    "type",
    "required",
    "multipleOf",
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
]
TEXT = st.text(string.ascii_letters + "0123456789 -_é", max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-1000, 1000)
    | st.integers(-4000, 4000).map(lambda n: n / 4)
    | TEXT
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT.filter(bool), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def schemas(draw, witness=None):
    """Draw a schema that at least one value, the witness, is valid for."""
    value = draw(VALUES) if witness is None else witness
    ours, others = plain(value), st.lists(SCALARS, max_size=2)
    bounds = ours.map(lambda schema: {word: schema[word] for word in schema if word in BOUNDS})
    other = st.sampled_from([False, {"type": "null"}, True])
    return draw(
        ours
        | st.fixed_dictionaries({"const": st.just(value)})
        | st.fixed_dictionaries({"enum": others.map(lambda more: [*more, value])})
        | st.fixed_dictionaries({"anyOf": st.tuples(other, ours).map(list)})
        | st.fixed_dictionaries({"oneOf": st.tuples(st.just(False), ours).map(list)})
        | st.fixed_dictionaries({"allOf": st.tuples(ours, bounds, bounds).map(list)})
        | st.fixed_dictionaries({"if": bounds, "then": ours, "else": st.booleans()})
        | st.fixed_dictionaries({"not": st.just({"const": [value]}), "allOf": st.tuples(ours).map(list)})
    )


@st.composite
def plain(draw, value):
    kind = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    name = kind.get(type(value), "null")
    words = draw({"string": of_text, "array": of_list, "object": of_table}.get(name, of_scalar)(value))
    extra = draw(st.sampled_from([name, [name, "null"], ["null", name]]))
    return {"type": name if extra[-1] == extra[0] else extra, **words}


def chosen(draw, words):
    return {word: value for word, value in words.items() if draw(st.booleans())}


@st.composite
def of_scalar(draw, value):
    if isinstance(value, bool) or value is None:
        return {}
    steps = [step for step in (1, 2, 3, 7, 0.25, 0.5, 2.5) if value % step == 0]
    return chosen(
        draw,
        {
            "minimum": value - draw(st.integers(0, 20)) / 4,
            "maximum": value + draw(st.integers(0, 20)) / 4,
            "exclusiveMinimum": value - draw(st.integers(1, 8)) / 8,
            "exclusiveMaximum": value + draw(st.integers(1, 8)) / 8,
            "multipleOf": draw(st.sampled_from(steps)) if steps else 0.25,
        },
    )


@st.composite
def of_text(draw, value):
    classes = "".join(
        "[0-9]" if c.isdigit() else "[a-z]" if c in string.ascii_lowercase else c for c in value
    )
    return chosen(
        draw,
        {
            "minLength": draw(st.integers(0, len(value))),
            "maxLength": len(value) + draw(st.integers(0, 3)),
            "pattern": draw(
                st.sampled_from([f"^{classes}$", f"^.{{{len(value)}}}$", value[:2], f"{value[-2:]}$"])
            ),
        },
    )


@st.composite
def of_list(draw, value):
    words = {"minItems": draw(st.integers(0, len(value))), "maxItems": len(value) + draw(st.integers(0, 2))}
    distinct = len({json.dumps(float(v) if type(v) is int else v) for v in value}) == len(value)
    if distinct and all(isinstance(v, str) for v in value):
        words["uniqueItems"] = True
    if value:
        words["contains"] = draw(schemas(draw(st.sampled_from(value)) or "x"))
        if None in (value[0], value[-1]) or not all(value):
            del words["contains"]
    prefix = [draw(plain(v)) for v in value]
    return chosen(draw, {**words, "prefixItems": prefix} if prefix else words)


@st.composite
def of_table(draw, value):
    properties = {name: draw(plain(v)) for name, v in value.items()}
    words = {
        "required": [name for name in value if draw(st.booleans())],
        "minProperties": draw(st.integers(0, len(value))),
        "maxProperties": len(value) + draw(st.integers(0, 2)),
        "additionalProperties": draw(st.sampled_from([False, True, {"type": "integer"}])),
        "propertyNames": {"minLength": min(map(len, value), default=0)},
        "dependentRequired": {name: list(value) for name in list(value)[:1]},
    }
    return {"properties": properties, **chosen(draw, words)}


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(schemas())
def test_a_schema_that_something_satisfies_gets_a_valid_value(schema):
    check(schema)
    check({"$ref": "#/$defs/it", "$defs": {"it": schema}})
