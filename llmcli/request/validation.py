"""Owns jsonschema-rs, which it loads when there is something to check: validators of JSON Schemas and their parts."""

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

    return jsonschema_rs.validator_for(jsonl.loads(schema), retriever=_refuse)


def validator_of_part(part: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    """The validator of a schema whose references point into a document. Raises ValueError as `validator` does.

    The part need not stand in the document: it is laid into a copy of it, so that `#/...` means the same there.
    """
    import jsonschema_rs

    registry = jsonschema_rs.Registry([(_ADDRESS, {**document, _PART: part})], retriever=_refuse)
    return jsonschema_rs.validator_for({"$ref": f"{_ADDRESS}#/{_PART}"}, registry=registry, retriever=_refuse)


def _refuse(address: str) -> Any:
    """Nothing is fetched for a schema, from the network or the disk."""
    raise ValueError(f"a schema must be whole, and {address} is not fetched")
