#!/usr/bin/env bash
# llama.cpp's server (xllamacpp 2026.10.11549): where the last message is the beginning of the assistant's answer, a whole
# reply repeats that beginning before what the model adds, and a stream does not. A client that folds a stream into the
# object of an unstreamed call gets another answer than the unstreamed call.
#
# The model is the 7 kB one of the tests beside this folder, whose weights are set by hand.
set -euo pipefail
model=$(cd "$(dirname "${BASH_SOURCE[0]}")/../tests" && pwd)/tiny-bigram.gguf.xz
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check xllamacpp==2026.10.11549
seen=$("$work/venv/bin/python" - "$model" "$work/tiny.gguf" 2>"$work/log" <<'PY'
import json, lzma, os, pathlib, sys, urllib.request
import xllamacpp

out = os.dup(1)
os.dup2(2, 1)  # the C++ side writes to stdout too
pathlib.Path(sys.argv[2]).write_bytes(lzma.decompress(pathlib.Path(sys.argv[1]).read_bytes()))
params = xllamacpp.CommonParams()
params.model.path, params.hostnames, params.port = sys.argv[2], ["127.0.0.1"], 0
params.n_ctx, params.use_jinja, params.warmup = 4096, True, False
server = xllamacpp.Server(params)


def reply(stream):
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello! The"}]
    body = {"messages": messages, "temperature": 0, "max_tokens": 20, "stream": stream}
    request = urllib.request.Request(
        server.listening_address + "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    return urllib.request.urlopen(request).read().decode()


whole = json.loads(reply(False))["choices"][0]["message"]["content"]
events = [line[6:] for line in reply(True).splitlines() if line.startswith("data: {")]
deltas = [choice["delta"].get("content") or "" for event in events for choice in json.loads(event)["choices"]]
os.write(out, f"whole:  {whole!r}\nstream: {''.join(deltas)!r}\n".encode())
os._exit(0)
PY
)
printf '%s\n' "$seen"
[[ $seen == "whole:  'Hello! The sky is blue.'
stream: ' sky is blue.'" ]] || { echo "it changed" >&2; exit 1; }
