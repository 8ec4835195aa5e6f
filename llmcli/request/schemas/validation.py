"""Owns jsonschema-rs, which it loads when there is something to check: validators of JSON Schemas and their parts.

`format` is checked alike whatever `$schema` says: some drafts would leave that to the checker, older ones do not
know every format. A `$schema` of nobody's (an editor's, OpenAPI's) says nothing of the draft.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from llmcli import jsonl
from llmcli.lean.pattern import lazy_pattern

_ADDRESS = "urn:llmcli:document"
_PART = "llmcli:part"  # a key that no draft of JSON Schema knows
_DRAFT = lazy_pattern(
    r"\s*https?://json-schema\.org/(?:(draft-0[467])|(draft/20(?:19-09|20-12)))/schema#?\s*"
)
_YOUNG = "duration idn-hostname uri-reference iri iri-reference uri-template json-pointer relative-json-pointer uuid"
_FORMATS = _YOUNG.split()  # those that a draft before 2019-09 does not know


@lru_cache(maxsize=64)
def validator(schema: bytes) -> Any:
    """The validator of a schema, which is given as JSON. Raises ValueError where the schema is not valid."""
    import jsonschema_rs

    return jsonschema_rs.validator_for(
        _dated(schema), retriever=_refuse, validate_formats=True, formats=_formats(schema)
    )


@lru_cache(maxsize=64)
def validators_by_pointer(schema: bytes) -> Any:
    """The validators of a valid schema's own parts, by `#POINTER`."""
    import jsonschema_rs

    return jsonschema_rs.validator_map_for(
        _dated(schema), retriever=_refuse, validate_formats=True, formats=_formats(schema)
    )


def validator_of_part(part: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    """The validator of a schema whose references point into a document. Raises ValueError as `validator` does.

    The part need not stand in the document: it is laid into a copy of it, so that `#/...` means the same there.
    """
    import jsonschema_rs

    registry = jsonschema_rs.Registry([(_ADDRESS, {**_spelled(document), _PART: part})], retriever=_refuse)
    reference = {"$ref": f"{_ADDRESS}#/{_PART}"}
    return jsonschema_rs.validator_for(reference, registry=registry, retriever=_refuse, validate_formats=True)


def _dated(schema: bytes) -> Any:
    """A schema that does not say its draft, and has tuples as they were until draft 7 (TypeBox), says so."""
    data = jsonl.loads(schema)
    if not isinstance(data, dict):
        return data
    is_old = b'"items":[' in schema and b'"prefixItems"' not in schema
    return {**({"$schema": "http://json-schema.org/draft-07/schema#"} if is_old else {}), **_spelled(data)}


def _spelled(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema whose `$schema`, if any, is a draft's own address, however it was written."""
    said = schema.get("$schema")
    draft = _DRAFT.fullmatch(said) if isinstance(said, str) else None
    rest = {word: value for word, value in schema.items() if word != "$schema"}
    if draft is None:
        return rest
    old, new = draft.groups()
    address = f"http://json-schema.org/{old}/schema#" if old else f"https://json-schema.org/{new}/schema"
    return {"$schema": address, **rest}


def _formats(schema: bytes) -> dict[str, Callable[[str], bool]] | None:
    """The checks of the formats that the draft of a schema does not know; None where it knows all."""
    return (
        {name: _check_of(name) for name in _FORMATS}
        if b"/draft-0" in schema or b'"items":[' in schema
        else None
    )


@lru_cache(maxsize=len(_FORMATS))
def _check_of(name: str) -> Callable[[str], bool]:
    """Whether a text has a format, as the newest draft sees it."""
    import jsonschema_rs

    is_valid = jsonschema_rs.validator_for({"format": name}, validate_formats=True).is_valid
    return lambda text: bool(is_valid(text))


def _refuse(address: str) -> Any:
    """Nothing is fetched for a schema, from the network or the disk."""
    raise ValueError(f"a schema must be whole, and {address} is not fetched")
