#!/usr/bin/env bash
# orjson 3.13.0 (Python, Linux with glibc): what room the bytes that `dumps` gives take.
#
# It reserves room for the case that every character has to be escaped, and gives none of it back: a result of 5,011
# bytes sits in 64,936, though len() and sys.getsizeof() say 5 kB. Whoever keeps results (a queue, requests under way)
# keeps ten times their size. A copy, bytes(memoryview(result)), takes what it needs.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check orjson==3.13.0
seen=$("$work/venv/bin/python" - <<'PY'
import ctypes

import orjson

room = ctypes.CDLL(None).malloc_usable_size
room.argtypes, room.restype = [ctypes.c_void_p], ctypes.c_size_t
for size in (1_000, 2_000, 5_000, 20_000):
    result = orjson.dumps({"text": "x" * size})
    copy = bytes(memoryview(result))
    print(len(result), "many times" if room(id(result)) > 6 * len(result) else "little more", end=", ")
    print("little more" if room(id(copy)) < 1.2 * len(copy) else "many times")
PY
)
expected='1011 many times, little more
2011 many times, little more
5011 many times, little more
20011 many times, little more'
printf 'bytes of a result, the room that it takes, that of its copy:\n%s\n' "$seen"
[[ $seen == "$expected" ]] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
