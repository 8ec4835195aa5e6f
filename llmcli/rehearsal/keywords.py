"""Owns what the keywords of a JSON Schema mean: how they read and how they combine."""

import math
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from llmcli.rehearsal.patterns import occurs

Schema = Mapping[str, Any] | bool
Words = dict[str, Any]

TYPES = ("string", "integer", "number", "object", "array", "boolean", "null")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS = tuple(
    f"{end}{what}" for what in ("Length", "Items", "Contains", "Properties") for end in ("min", "max")
)
_TABLES = ("properties", "patternProperties", "dependentRequired", "dependentSchemas", "dependencies")
_LISTS = ("required", "allOf", "anyOf", "oneOf", "prefixItems", "enum", "examples")
_TEXTS = ("$ref", "$dynamicRef", "pattern", "format")
_SCHEMAS = (
    "not",
    "if",
    "then",
    "else",
    "contains",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
)
_SHAPES: dict[str, Any] = {
    **dict.fromkeys((*_NUMBERS, *_COUNTS), (int, float)),
    **dict.fromkeys(_TABLES, Mapping),
    **dict.fromkeys(_LISTS, list),
    **dict.fromkeys(_TEXTS, str),
    **dict.fromkeys(_SCHEMAS, (Mapping, bool)),
    "items": (Mapping, bool, list),
    "uniqueItems": bool,
}


def read(schema: Mapping[str, Any]) -> Words:
    """Read one schema object: keywords of a wrong shape fall away, old spellings become new ones."""
    words = {word: value for word, value in schema.items() if _well_formed(word, value)}
    if isinstance(words.get("items"), list):
        words["prefixItems"] = words.pop("items")
        words["items"] = words.get("additionalItems", True)
    if "const" in words:
        words["enum"] = [v for v in words.get("enum", [words["const"]]) if same(v, words["const"])]
        del words["const"]
    if "$dynamicRef" in words:
        words.setdefault("$ref", words["$dynamicRef"])
    for name, value in words.pop("dependencies", {}).items():
        kind = "dependentRequired" if isinstance(value, list) else "dependentSchemas"
        words[kind] = {**words.get(kind, {}), name: value}
    return _read_shapes(words)


def _well_formed(word: str, value: Any) -> bool:
    if word in _NUMBERS or word in _COUNTS:
        finite = isinstance(value, int | float) and not isinstance(value, bool) and _finite(value)
        return finite and (value > 0 or word != "multipleOf")
    if word in ("anyOf", "oneOf", "enum") and not value:
        return False
    return isinstance(value, _SHAPES.get(word, object))


def _finite(value: float) -> bool:
    return isinstance(value, int) or math.isfinite(value)


def _read_shapes(words: Words) -> Words:
    if "type" in words:
        given = words["type"] if isinstance(words["type"], list) else [words["type"]]
        words["type"] = [t for t in given if t in TYPES]
        if not words["type"]:
            del words["type"]
    if "required" in words:
        words["required"] = [name for name in words["required"] if isinstance(name, str)]
    if "pattern" in words:
        words["pattern"] = [words["pattern"]]
    if needs := words.get("dependentRequired"):
        words["dependentRequired"] = {name: need for name, need in needs.items() if isinstance(need, list)}
    return words


def merge(first: Words, second: Words) -> Words:
    """Combine two read schemas into one that asks for both; of annotations the first's stay."""
    merged = {**second, **first}
    for word in first.keys() & second.keys() & _MERGERS.keys():
        merged[word] = _MERGERS[word](first[word], second[word])
    tables = _closed(first, second), _closed(second, first)
    if properties := _tables(*tables):
        merged["properties"] = properties
    return merged


def _closed(words: Words, other: Words) -> dict[str, Any]:
    """Give the properties of `words`, bound also by what `other` says of names it does not know."""
    own: dict[str, Any] = dict(words.get("properties", {}))
    if "additionalProperties" not in other:
        return own
    strangers = [name for name in own if name not in other.get("properties", {})]
    return own | {name: both(own[name], both(*members(other, name))) for name in strangers}


def both(*schemas: Schema) -> Schema:
    """Combine schemas without looking into them."""
    wanted = [schema for schema in schemas if schema is not True]
    return {"allOf": wanted} if len(wanted) > 1 else next(iter(wanted), True)


def _tables(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    shared = {name: both(first[name], second[name]) for name in first.keys() & second.keys()}
    return {name: shared.get(name, value) for name, value in {**first, **second}.items()}


def _types(first: list[str], second: list[str]) -> list[str]:
    narrowed = [t for t in first if t in second or (t == "integer" and "number" in second)]
    return narrowed + [t for t in second if t == "integer" and "number" in first and t not in narrowed]


def _needs(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    return {name: [*first.get(name, []), *second.get(name, [])] for name in {**first, **second}}


def _prefixes(first: list[Schema], second: list[Schema]) -> list[Schema]:
    longest = first if len(first) > len(second) else second
    return [both(a, b) for a, b in zip(first, second, strict=False)] + longest[min(len(first), len(second)) :]


def _multiples(first: float, second: float) -> float:
    a, b = exact(first), exact(second)
    step = Fraction(math.lcm(a.numerator, b.numerator), math.gcd(a.denominator, b.denominator))
    return step.numerator if step.denominator == 1 else float(step)


def exact(number: float) -> Fraction:
    """Read a number as it is written: 0.1 is a tenth."""
    return Fraction(str(number))


_MERGERS: dict[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys((w for w in (*_NUMBERS, *_COUNTS) if "min" in w.lower()), max),
    **dict.fromkeys((w for w in (*_NUMBERS, *_COUNTS) if "max" in w.lower()), min),
    **dict.fromkeys(
        ("items", "additionalProperties", "unevaluatedProperties", "propertyNames", "contains"), both
    ),
    "type": _types,
    "enum": lambda a, b: [value for value in a if any(same(value, other) for other in b)],
    "required": lambda a, b: list(dict.fromkeys([*a, *b])),
    "patternProperties": _tables,
    "dependentRequired": _needs,
    "prefixItems": _prefixes,
    "multipleOf": _multiples,
    "pattern": operator.add,
    "uniqueItems": operator.or_,
}


def members(words: Mapping[str, Any], name: str) -> list[Schema]:
    """Give the schemas that a property of this name must meet."""
    schemas = [words["properties"][name]] if name in words.get("properties", {}) else []
    schemas += [s for pattern, s in words.get("patternProperties", {}).items() if occurs(pattern, name)]
    return schemas or [words.get("additionalProperties", words.get("unevaluatedProperties", True))]


def same(first: Any, second: Any) -> bool:
    """Compare as JSON does: 1 is 1.0, true is not 1."""
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    return isinstance(first, bool) == isinstance(second, bool) and bool(first == second)
