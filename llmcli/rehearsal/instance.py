"""Owns the made-up answer: a small JSON value that is valid for a JSON Schema."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

from llmcli.rehearsal.document import Document
from llmcli.rehearsal.keywords import TYPES, Schema, Words, both, members, merge, read, same
from llmcli.rehearsal.patterns import matching
from llmcli.rehearsal.scalars import numbers, texts

_T = TypeVar("_T")
_PLAIN = (str, int, float)
_GROUPS = ("allOf", "anyOf", "oneOf", "if", "then", "else", "not", "$ref", "$dynamicRef", "dependentSchemas")
_SIGNS = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "object": (
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
    ),
    "array": ("items", "prefixItems", "contains", "minItems", "uniqueItems"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_SCALARS = ("null", "boolean", "integer", "number", "string")
_MISSING: Any = object()
_DEEPEST = 40
_DEAD_END = 100
_DEEP = 8
_MANY = 400
_TOO_MANY = 20_000
_MOST_ITEMS = 1_000
_VARIETY = 200


def instance(schema: Schema) -> Any:
    """Make a value that is valid for a JSON Schema; for one that nothing satisfies, a plausible value."""
    document = Document(schema)
    tries = ((1, True), (2, True), (5, True), (2, False))
    try:
        values = (_Maker(document, repeats, strict).make(schema, _Spot()) for repeats, strict in tries)
        return next((value for value in values if value is not _MISSING), None)
    except RecursionError:
        return {}


class _Spot(NamedTuple):
    """Where in the value we are: how deep, and through which references."""

    depth: int = 0
    refs: tuple[str, ...] = ("#",)


class _Maker:
    """Makes values for the schemas of one document: candidates in order of looks, the first valid one wins.

    repeats: how often one reference may lead back to itself; strict: take only what is valid.
    """

    def __init__(self, document: Document, repeats: int, strict: bool) -> None:
        self.document, self.repeats, self.strict = document, repeats, strict
        self.steps = 0

    def make(self, schema: Schema, spot: _Spot) -> Any:
        return next(self.valid(schema, spot), _MISSING)

    def valid(self, schema: Schema, spot: _Spot) -> Iterator[Any]:
        """Give valid values one after the other."""
        if spot.depth > _DEEPEST:
            self.steps += _DEAD_END
        if spot.depth > _DEEPEST or self.tired():
            return
        for words, place in self.flatten(schema, spot):
            for value in self.values(words, place):
                if self.tired():
                    return
                if not self.strict or self.document.holds(value, schema):
                    yield value

    def tired(self) -> bool:
        """Count one step; tell whether there were too many."""
        self.steps += 1
        return self.steps > _TOO_MANY

    def lean(self, spot: _Spot) -> bool:
        """Tell whether it is time to come to an end."""
        return spot.depth > _DEEP or self.steps > _MANY or len(set(spot.refs)) < len(spot.refs)

    def flatten(self, schema: Schema, spot: _Spot) -> Iterator[tuple[Words, _Spot]]:
        """Give plain schemas whose values may be valid: references followed, a branch of each choice in."""
        if not isinstance(schema, Mapping):
            yield from [({}, spot)] if schema is not False else []
            return
        words = read(schema)
        choices = self.choices(words, self.lean(spot))
        if (ref := words.get("$ref")) is not None:
            if spot.refs.count(ref) > self.repeats:
                return
            spot = spot._replace(refs=(*spot.refs, ref))
            choices.insert(0, [self.document.resolve(ref)])
        states: Iterator[tuple[Words, _Spot]] = iter(
            [({w: v for w, v in words.items() if w not in _GROUPS}, spot)]
        )
        for options in choices:
            states = self.combine(states, options)
        yield from states

    def combine(
        self, states: Iterable[tuple[Words, _Spot]], options: list[Schema]
    ) -> Iterator[tuple[Words, _Spot]]:
        for words, spot in states:
            for option in options:
                for more, place in self.flatten(option, spot):
                    if self.tired():
                        return
                    yield merge(words, more), place

    def choices(self, words: Words, lean: bool) -> list[list[Schema]]:
        """Give lists of schemas; a value must meet one of each list."""
        found = [[schema] for schema in words.get("allOf", [])]
        found += [words[group] for group in ("anyOf", "oneOf") if group in words]
        if "if" in words:
            then, other = words.get("then", True), words.get("else", True)
            found.append([both(words["if"], then), other, then])
        for name, schema in words.get("dependentSchemas", {}).items():
            found.append([both({"required": [name]}, schema), {"properties": {name: False}}])
        return [sorted(options, key=_weight) for options in found] if lean else found

    def values(self, words: Words, spot: _Spot) -> Iterator[Any]:
        """Give candidates for a plain schema."""
        if "enum" in words:
            yield from sorted(words["enum"], key=lambda value: value is None)
            return
        default = words.get("default")
        yield from [default] if isinstance(default, _PLAIN) and default != "" else []
        yield from words.get("examples", [])
        for kind in self.kinds(words, spot):
            yield from self.of_type(kind, words, spot)

    def kinds(self, words: Words, spot: _Spot) -> list[str]:
        likely = [kind for kind, signs in _SIGNS.items() if any(sign in words for sign in signs)]
        kinds = words.get("type", [*likely, *(kind for kind in TYPES if kind not in likely)])
        return sorted(kinds, key=lambda kind: (kind == "null") != (self.lean(spot) and "type" in words))

    def of_type(self, kind: str, words: Words, spot: _Spot) -> Iterator[Any]:
        if kind == "object":
            return self.objects(words, spot)
        if kind == "array":
            return self.arrays(words, spot)
        if kind == "string":
            return texts(words)
        if kind in ("integer", "number"):
            return numbers(words, whole=kind == "integer")
        return iter([True, False] if kind == "boolean" else [None])

    def objects(self, words: Words, spot: _Spot) -> Iterator[dict[str, Any]]:
        required = words.get("required", [])
        properties = words.get("properties", {})
        full = list(dict.fromkeys([*properties, *required]))
        bare = [name for name in full if name in required]
        short = [name for name in full if name in required or _weight(properties[name]) < len(_SCALARS)]
        for names in _unlike([short, bare, full] if self.lean(spot) else [full, short, bare]):
            value = self.object_of(words, _closure(words, names), spot)
            if value is not _MISSING:
                yield value
                yield from self.variations(words, value, spot)

    def object_of(self, words: Words, names: list[str], spot: _Spot) -> Any:
        required = words.get("required", [])
        optional = int(words.get("maxProperties", len(names))) - sum(name in required for name in names)
        value: dict[str, Any] = {}
        for name in names:
            if name not in required and (optional := optional - 1) < 0:
                continue
            made = self.make(both(*members(words, name)), _down(spot))
            if made is not _MISSING:
                value[name] = made
            elif name in required and self.strict:
                return _MISSING
        return self.filled(words, value, spot)

    def filled(self, words: Words, value: dict[str, Any], spot: _Spot) -> dict[str, Any]:
        """Add made-up properties up to the fewest wanted."""
        mapping = any(
            isinstance(words.get(w), Mapping) for w in ("additionalProperties", "patternProperties")
        )
        shown = int(mapping and "properties" not in words and not self.lean(spot))
        wanted = min(
            max(int(words.get("minProperties", 0)), shown),
            words.get("maxProperties", _MOST_ITEMS),
            _MOST_ITEMS,
        )
        names = self.spare_names(words, spot)
        while len(value) < wanted and (name := next(names, None)) is not None:
            made = self.make(both(*members(words, name)), _down(spot)) if name not in value else _MISSING
            if made is not _MISSING:
                value[name] = made
        return value

    def spare_names(self, words: Words, spot: _Spot) -> Iterator[str]:
        rule = both(words.get("propertyNames", True), {"type": "string"})
        patterned = (
            matching(p) for p, schema in words.get("patternProperties", {}).items() if schema is not False
        )
        made_up = (f"key{n}" for n in range(1, _MOST_ITEMS))
        listed = self.valid(rule, _down(spot)) if "propertyNames" in words else iter(())
        named = chain(words.get("properties", {}), listed, *patterned, made_up)
        return (name for name in named if self.document.holds(name, rule))

    def variations(self, words: Words, value: dict[str, Any], spot: _Spot) -> Iterator[dict[str, Any]]:
        for name in value:
            others = self.valid(both(*members(words, name)), _down(spot))
            yield from ({**value, name: other} for other in islice(others, 1, _VARIETY))

    def arrays(self, words: Words, spot: _Spot) -> Iterator[list[Any]]:
        least, most = int(words.get("minItems", 0)), int(words.get("maxItems", _MOST_ITEMS))
        prefix = len(words.get("prefixItems", []))
        hits = int(words.get("minContains", 1)) if "contains" in words else 0
        shown = 0 if self.lean(spot) else max(prefix, int(bool(words.get("items", False))))
        full = [(max(least, shown, start + hits), start) for start in ((prefix, 0) if hits else (0,))]
        others = [(size, 0) for size in (least, least + 1, least + 2)]
        for size, start in _unlike([(min(size, most, _MOST_ITEMS), start) for size, start in full + others]):
            yield from self.array_of(words, self.slots(words, size, range(start, start + hits)), spot)

    @staticmethod
    def slots(words: Words, size: int, hits: range) -> list[Schema]:
        """Give one schema per item of an array; those in `hits` also meet `contains`."""
        prefix, rest = words.get("prefixItems", []), words.get("items", True)
        slots = [prefix[place] if place < len(prefix) else rest for place in range(size)]
        if "contains" not in words:
            return slots
        miss: Schema = {"not": words["contains"]} if "maxContains" in words else True
        return [both(slot, words["contains"] if n in hits else miss) for n, slot in enumerate(slots)]

    def array_of(self, words: Words, slots: list[Schema], spot: _Spot) -> Iterator[list[Any]]:
        """Give an array of these slots, then some with another last item; none if a slot stays empty."""
        unique, last = words.get("uniqueItems", False), slots[-1:]
        items: list[Any] = []
        for slot in slots:
            fresh = (
                v for v in self.valid(slot, _down(spot)) if not (unique and any(same(v, i) for i in items))
            )
            item = next(fresh, _MISSING)
            if item is _MISSING:
                yield from [] if self.strict else [items]
                return
            items.append(item)
        yield items
        for slot in last:
            others = islice(self.valid(slot, _down(spot)), 1, _VARIETY)
            yield from ([*items[:-1], other] for other in others)


def _unlike(choices: list[_T]) -> Iterator[_T]:
    """Leave out what came before."""
    return (choice for place, choice in enumerate(choices) if choice not in choices[:place])


def _down(spot: _Spot) -> _Spot:
    return spot._replace(depth=spot.depth + 1)


def _weight(schema: Schema) -> int:
    """Order branches by how soon they come to an end."""
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    return _SCALARS.index(kind) if kind in _SCALARS else len(_SCALARS)


def _closure(words: Words, names: list[str]) -> list[str]:
    """Add the names that others depend on."""
    needs = words.get("dependentRequired", {})
    every = dict.fromkeys(names)
    waiting = list(names)
    while waiting:
        fresh = [name for name in needs.get(waiting.pop(), []) if name not in every]
        every.update(dict.fromkeys(fresh))
        waiting += fresh
    return list(every)
