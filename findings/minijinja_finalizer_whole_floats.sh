#!/usr/bin/env bash
# minijinja 3.1.0 (Python): what becomes of a number on its way through a template.
#
# A `finalizer` is handed 1.0 as the int 1, and -0.0 as 0, so that it cannot print what stood in the data. Without one,
# the same float has two spellings: 0.0000001 alone, 1e-7 inside a list; 10000000000000000.0 alone, 1e16 inside a list.
# A program that puts rows of data into prompts must keep the text of its numbers itself.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check minijinja==3.1.0
seen=$("$work/venv/bin/python" - <<'PY'
from minijinja import Environment

handed = Environment(finalizer=repr, templates={"t": "{{ x }}"})
plain = Environment(templates={"t": "{{ x }} {{ [x] }}"})
for number in (1.0, -0.0, 1e-7, 1e16):
    print(number, handed.render_template("t", x=number), plain.render_template("t", x=number))
PY
)
expected='1.0 1 1.0 [1.0]
-0.0 0 -0.0 [-0.0]
1e-07 1e-07 0.0000001 [1e-7]
1e+16 10000000000000000 10000000000000000.0 [1e16]'
printf 'the number, what the finalizer is handed, alone, in a list:\n%s\n' "$seen"
[[ $seen == "$expected" ]] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
