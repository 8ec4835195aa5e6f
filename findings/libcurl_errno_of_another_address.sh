#!/usr/bin/env bash
# pycurl 7.49.0 with the libcurl 8.23.0 of its wheel (Linux): what CURLINFO_OS_ERRNO says of a transfer that failed.
#
# `localhost` is ::1 and 127.0.0.1. Where nothing listens on the first, and the second takes the connection and then
# says what is no TLS, the transfer fails with SSL_CONNECT_ERROR (35): something answered. But OS_ERRNO is 111,
# "connection refused": it is what the first address said, and no later success takes it back. Whoever reads it to
# tell "nobody is there" from "somebody is, and speaks another language" blames the wrong one. By the address alone,
# 127.0.0.1, it is 0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pycurl==7.49.0
seen=$("$work/venv/bin/python" - <<'PY'
import socket
import threading

import pycurl

listening = socket.create_server(("127.0.0.1", 0))
port = listening.getsockname()[1]


def plain():
    while True:
        taken, _ = listening.accept()
        taken.recv(4096)
        taken.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        taken.close()


threading.Thread(target=plain, daemon=True).start()
for host in ("localhost", "127.0.0.1"):
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, f"https://{host}:{port}/")
    curl.setopt(pycurl.PROXY, "")
    try:
        curl.perform()
    except pycurl.error as error:
        print(f"{host}: code {error.args[0]}, errno {curl.getinfo(pycurl.OS_ERRNO)}")
PY
)
expected='localhost: code 35, errno 111
127.0.0.1: code 35, errno 0'
printf '%s\n' "$seen"
[[ $seen == "$expected" ]] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
