#!/usr/bin/env bash
# jsonschema-rs 0.61.0: a schema that is given `base_uri` takes the place of the registry's document of that address.
#
# A part of a document, checked with the whole document in a registry under the same address, finds nothing of it: both
# "#/..." and a reference by the whole address are looked for in the part itself, and building the validator fails.
# Who checks a part of a schema has to put it into a copy of its document.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check jsonschema-rs==0.61.0
seen=$("$work/venv/bin/python" - <<'PY'
import jsonschema_rs

address = "https://example.com/doc"
registry = jsonschema_rs.Registry([(address, {"$id": address, "$defs": {"n": {"type": "integer"}}})])
for reference in ("#/$defs/n", f"{address}#/$defs/n"):
    try:
        check = jsonschema_rs.Draft202012Validator({"$ref": reference}, registry=registry, base_uri=address)
        print(reference, check.is_valid(1), check.is_valid("a"))
    except Exception as error:
        print(reference, str(error).splitlines()[0])
PY
)
expected="#/\$defs/n Pointer '/\$defs/n' does not exist
https://example.com/doc#/\$defs/n Pointer '/\$defs/n' does not exist"
printf '%s\n' "$seen"
[[ $seen == "$expected" ]] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
