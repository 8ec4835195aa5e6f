"""Owns jsonschema-rs, which it loads when there is something to check: validators of JSON Schemas and their parts.

`format` is checked whatever `$schema` says: some drafts would leave that to the checker.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from llmcli import jsonl

_ADDRESS = "urn:llmcli:document"
_PART = "llmcli:part"  # a key that no draft of JSON Schema knows


@lru_cache(maxsize=64)
def validator(schema: bytes) -> Any:
    """The validator of a schema, which is given as JSON. Raises ValueError where the schema is not valid."""
    import jsonschema_rs

    return jsonschema_rs.validator_for(_dated(schema), retriever=_refuse, validate_formats=True)


@lru_cache(maxsize=64)
def validators_by_pointer(schema: bytes) -> Any:
    """The validators of a valid schema's own parts, by `#POINTER`."""
    import jsonschema_rs

    return jsonschema_rs.validator_map_for(_dated(schema), retriever=_refuse, validate_formats=True)


def validator_of_part(part: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    """The validator of a schema whose references point into a document. Raises ValueError as `validator` does.

    The part need not stand in the document: it is laid into a copy of it, so that `#/...` means the same there.
    """
    import jsonschema_rs

    registry = jsonschema_rs.Registry([(_ADDRESS, {**document, _PART: part})], retriever=_refuse)
    reference = {"$ref": f"{_ADDRESS}#/{_PART}"}
    return jsonschema_rs.validator_for(reference, registry=registry, retriever=_refuse, validate_formats=True)


def _dated(schema: bytes) -> Any:
    """A schema that does not say its draft, and has tuples as they were until draft 7 (TypeBox), says so."""
    data = jsonl.loads(schema)
    is_old = isinstance(data, dict) and b'"items":[' in schema and b'"prefixItems"' not in schema
    return {"$schema": "http://json-schema.org/draft-07/schema#", **data} if is_old else data


def _refuse(address: str) -> Any:
    """Nothing is fetched for a schema, from the network or the disk."""
    raise ValueError(f"a schema must be whole, and {address} is not fetched")
