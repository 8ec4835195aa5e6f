"""Torture: kills, full disks, and fuzz of argv, replies, files, stdin and config, for some minutes; prints figures.

    python -m tests.bench.torture --minutes 3 [--seed N] [--only kills,disks,argv,replies,files]

It fails on a traceback or an abort, a hang, a row that is lost or doubled, and a key in an output.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.server import Scenario, Server, chunk, cut, events, hang, ok, raw, slow, status

KEY = "sk-torture-5f2a9c71"
HANG = 60  # seconds that no run here may take
CODES = {0, 2, 3, 4, 5, 6, 7, 8, 9, 65, 66, 69, 74, 75, 77, 78, 124, 130, 141, 143}
ROWS = 60
JUNK = [
    b"",
    b"\0",
    b"\xff\xfe",
    b"null",
    b"[]",
    b"{}",
    b"1e400",
    b'"\\ud800"',
    b"[" * 3000,
    b"9" * 5000,
    b"\xc3(",
    b"{\n",
]
VALUES = [
    *(
        "",
        "-",
        "x",
        "0",
        "-1",
        "1e400",
        "nan",
        "9" * 400,
        "x" * 300,
        "\udcff",
        "\n",
        "{",
        "[]",
        "null",
        "/",
        "/dev/null",
    ),
    *(
        "http://u:p@h:99999",
        "http://[",
        "offline/echo",
        "offline/flaky?rate=2",
        "a=b",
        "=",
        "@",
        "@x",
        "1,2",
        ",",
    ),
]
FLAGS = [
    *(
        "-m",
        "--base-url",
        "-s",
        "-f",
        "-t",
        "-p",
        "-a",
        "-M",
        "-o",
        "--schema",
        "--tools",
        "--exec",
        "--tool-env",
    ),
    *(
        "--timeout",
        "--deadline",
        "--retries",
        "--fallback",
        "--cache",
        "--record",
        "--replay",
        "--ok",
        "--format",
    ),
    *(
        "-O",
        "--usage-file",
        "--session",
        "--turns",
        "--stop",
        "--n",
        "--logit-bias",
        "--price",
        "--max-cost",
        "--json",
    ),
    *(
        "--budget-file",
        "--limit",
        "-j",
        "--rpm",
        "--fresh",
        "--ordered",
        "--rows",
        "--split",
        "--truncate",
        "--profile",
    ),
    *(
        "--messages",
        "--curl",
        "--dry-run",
        "-x",
        "-0",
        "-u",
        "-v",
        "-q",
        "--no-stdin",
        "--keep-turns",
        "--context",
    ),
]


class Campaign:
    """Runs the program, again and again, and keeps count of what it does."""

    def __init__(self, work: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.work = work
        self.runs: Counter[str] = Counter()
        self.codes: Counter[int] = Counter()
        self.faults: list[str] = []
        self.server = Server(record=False)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(work),
            "LLMCLI_CONFIG": str(work / "config.toml"),
            "OPENAI_API_KEY": KEY,
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def start(self, argv: Sequence[str], **how: object) -> subprocess.Popen[bytes]:
        """The program, started in the scratch directory."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        return subprocess.Popen([sys.executable, "-m", "llmcli", *argv], cwd=self.work, env=self.env, **pipes)

    def run(
        self, name: str, argv: Sequence[str], stdin: bytes = b"", limit: Callable[[], None] | None = None
    ) -> int:
        """One run to its end, judged."""
        self.runs[name] += 1
        child = self.start(argv, stdin=subprocess.PIPE, preexec_fn=limit)
        try:
            out, err = child.communicate(stdin, timeout=HANG)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            self.fault(name, argv, "it hangs", stdin)
            return -1
        self.judge(name, argv, (child.returncode, out, err), stdin)
        return child.returncode

    def judge(
        self, name: str, argv: Sequence[str], ended: tuple[int, bytes, bytes], stdin: bytes = b""
    ) -> None:
        """Look for what no run may do."""
        code, out, err = ended
        self.codes[code] += 1
        if b"Traceback" in err or b"Exception ignored" in err or code not in CODES:
            self.fault(name, argv, f"exit {code}: {err[-600:].decode('utf-8', 'replace')}", stdin)
        if KEY.encode() in out + err:
            self.fault(name, argv, "the key is in its output", stdin)

    def fault(self, name: str, argv: Sequence[str], what: str, stdin: bytes = b"") -> None:
        """Keep a fault, and show it at once."""
        self.faults.append(f"{name}: {[word[:80] for word in argv]} <<< {stdin[:80]!r}: {what}")
        print("FAULT", self.faults[-1], file=sys.stderr, flush=True)

    # --- The campaigns --------------------------------------------------------------------------------------

    def kills(self) -> None:
        """A batch that is killed at any moment, torn where a crash may tear it, and resumed: each row once."""
        folder = self.fresh("kills")
        self.rows(folder, ROWS)
        self.server.script = self.sometimes(
            [ok("fine"), ok("fine"), status(500), status(400), slow(ok("late"), 0.01)]
        )
        argv = [
            "batch",
            "kills/in.jsonl",
            "-O",
            "kills/o.jsonl",
            "-m",
            "tiny",
            "--base-url",
            self.server.base_url,
        ]
        argv += ["-q", "--retries", "1", "-j", "4", "--patience", "0"]
        for _ in range(self.random.randrange(1, 4)):
            self.runs["kills"] += 1
            child = self.start(argv)
            time.sleep(self.random.uniform(0.2, 1.2))
            child.send_signal(
                self.random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
            )
            try:
                child.communicate(timeout=HANG)  # it has ended: from here on its files are nobody's
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()
                self.fault("kills", argv, "it hangs after a signal")
            if child.returncode == -signal.SIGKILL and self.random.random() < 0.5:
                self.tear(folder / "o.jsonl")
        self.run("kills", argv)
        self.once_each(folder, argv)

    def disks(self) -> None:
        """A batch, an answer and a usage line on a disk that is full somewhere: nothing half, and all of it later."""
        folder, most = self.fresh("disks"), self.random.randrange(0, 20_000)
        self.rows(folder, ROWS)
        self.server.script = ok("fine")

        def small() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

        argv = ["batch", "disks/in.jsonl", "-O", "disks/o.jsonl", "-m", "offline/echo", "-q"]
        self.run("disks", argv, limit=small)
        self.run("disks", argv)
        self.once_each(folder, argv)
        usage = folder / "usage"
        usage.write_bytes(b"{}\n" * (most // 3))
        self.run("disks", ["ask", "-m", "offline/echo", "--usage-file", "disks/usage", "hi"], limit=small)
        if not usage.read_bytes().endswith(b"\n") and most >= 3:
            self.fault("disks", ["--usage-file"], "half a line")

    def argv(self) -> None:
        """Words of the command line that nobody means."""
        words = [
            self.random.choice(["ask", "chat", "batch", "count", "models", "bogus"]),
            "-m",
            "offline/echo",
        ]
        for _ in range(self.random.randrange(5)):
            words += [self.random.choice(FLAGS), *self.random.choices(VALUES, k=self.random.randrange(3))]
        self.run("argv", words, self.random.choice([*JUNK, b"hello\n", b'{"prompt":"a"}\n']))

    def replies(self) -> None:
        """Replies that are whole, cut, torn, changed byte by byte, or no reply at all."""
        self.server.script = self.reply()
        what = self.random.choice(
            [
                ["ask", "hi"],
                ["ask", "--no-stream", "hi"],
                ["ask", "--json", "hi"],
                ["ask", "--format", "events", "hi"],
            ]
        )
        argv = [
            *what,
            "-m",
            "tiny",
            "--base-url",
            self.server.base_url,
            "--retries",
            "0",
            "--timeout",
            "3",
            "-u",
        ]
        if self.random.random() < 0.3:
            folder = self.fresh("replies")
            self.rows(folder, 3)
            argv = [
                "batch",
                "replies/in.jsonl",
                "-O",
                "replies/o.jsonl",
                *argv[-7:-1],
                "-q",
                "--patience",
                "0",
            ]
            self.run("replies", argv)
            self.once_each(folder, argv)
        self.run("replies", argv)

    def files(self) -> None:
        """Config, sessions, rows, schemas, journals and budgets that hold anything."""
        place = self.fresh("files")
        names = [
            "s.jsonl",
            "in.jsonl",
            "schema.json",
            "tools.json",
            "o.jsonl",
            "o.errors.jsonl",
            "budget",
            "m.json",
        ]
        for name in self.random.sample(names, 4):
            (place / name).write_bytes(self.mangled(self.random.choice(EXAMPLES)))
        (self.work / "config.toml").write_bytes(self.random.choice([b"", self.mangled(CONFIG)]))
        argv = self.random.choice(
            [
                ["ask", "--session", "files/s.jsonl", "hi"],
                ["chat", "--session", "files/s.jsonl", "--turns", "jsonl"],
                ["batch", "files/in.jsonl", "-O", "files/o.jsonl", "-q"],
                ["ask", "--schema", "files/schema.json", "hi"],
                ["ask", "--tools", "files/tools.json", "hi"],
                ["ask", "--budget-file", "files/budget", "--max-cost", "1", "hi"],
                ["ask", "--messages", "files/m.json", "hi"],
                ["ask", "--profile", "p", "hi"],
                ["count", "--rows", "files/in.jsonl"],
            ]
        )
        self.run("files", [*argv, "-m", "offline/echo"], self.mangled(self.random.choice(EXAMPLES)))
        (self.work / "config.toml").write_bytes(b"")

    # --- What they are made of ------------------------------------------------------------------------------

    def fresh(self, name: str) -> Path:
        """An empty directory."""
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def rows(self, folder: Path, count: int) -> None:
        """The input of a batch."""
        lines = [
            json.dumps({"custom_id": f"c{number}", "prompt": f"row {number}"}) for number in range(count)
        ]
        (folder / "in.jsonl").write_text("\n".join(lines) + "\n")

    def tear(self, path: Path) -> None:
        """Cut a file inside its last line, as a crash of the machine may."""
        if path.exists() and (data := path.read_bytes()):
            last = data.rstrip(b"\n").rfind(b"\n") + 1
            path.write_bytes(data[: self.random.randrange(last, len(data) + 1)])

    def once_each(self, folder: Path, argv: Sequence[str]) -> None:
        """Each row of the input is exactly once in OUT or OUT.errors."""
        wanted = {json.loads(line)["custom_id"] for line in (folder / "in.jsonl").read_bytes().splitlines()}
        there: Counter[str] = Counter()
        for name in ("o.jsonl", "o.errors.jsonl"):
            data = (folder / name).read_bytes() if (folder / name).exists() else b""
            there.update(json.loads(line)["custom_id"] for line in data.splitlines())
            if KEY.encode() in data:
                self.fault("rows", argv, f"the key is in {name}")
        if there != Counter(wanted):
            self.fault(
                "rows",
                argv,
                f"lost {wanted - there.keys()}, doubled {[k for k, n in there.items() if n > 1]}",
            )

    def sometimes(self, scenarios: Sequence[Scenario]) -> Scenario:
        """One of some, each time another."""
        return lambda _request: self.random.choice(scenarios)

    def mangled(self, data: bytes) -> bytes:
        """The same with some bytes gone, doubled, changed or put in."""
        for _ in range(self.random.randrange(4)):
            at = self.random.randrange(len(data) + 1)
            piece = self.random.choice([*JUNK, data[at : at + 20], bytes([self.random.randrange(256)])])
            data = data[:at] + piece + data[at + self.random.randrange(8) :]
        return data

    def reply(self) -> Scenario:
        """A reply."""
        kind = self.random.randrange(6)
        whole = self.mangled(self.random.choice(EXAMPLES))
        if kind == 0:
            return raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(whole) + whole)
        if kind == 1:
            said: list[object] = [chunk("a"), chunk("b", finish_reason="stop")]
            return events(
                [*said[: self.random.randrange(3)], b"data: " + whole + b"\n\n", b"data: [DONE]\n\n"]
            )
        if kind == 2:
            return cut(ok("one two three"), self.random.randrange(400))
        if kind == 3:
            return status(self.random.choice([200, 204, 301, 400, 401, 403, 404, 429, 500, 529]), self.leak)
        return hang() if kind == 4 and self.random.random() < 0.1 else ok(whole.decode("utf-8", "replace"))

    @property
    def leak(self) -> dict[str, object]:
        """An error that quotes the key."""
        return {"error": {"message": f"the key {KEY} is wrong", "code": self.random.choice([None, 7, KEY])}}


CONFIG = b'model = "offline/echo"\n[profiles.p]\nok = "incomplete"\ntemperature = 0.5\n[prices."x"]\nin = 1\nout = 2\n'
EXAMPLES = [
    b'{"role":"user","content":"hi"}\n{"role":"assistant","content":"ho"}\n',
    b'{"custom_id":"a","prompt":"hi"}\n{"messages":[{"role":"user","content":"x"}],"max_tokens":3}\n',
    b'{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}',
    b'[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]',
    b'{"id":"batch_req_000000_0123456789abcdef","custom_id":"c","response":null,"error":{"code":"x"},"llmcli":{"cost_usd":1}}\n',
    b'{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}',
    b'{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]}}]}',
    b'{"error":{"message":"no","type":"x","code":null}}',
]
CAMPAIGNS = ("kills", "disks", "argv", "replies", "files")


def main() -> int:
    """Take turns until the time is up; 1 where there was a fault."""
    parser = argparse.ArgumentParser(description="Kill, starve and fuzz the program.")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--only", default=",".join(CAMPAIGNS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="torture.") as work:
        campaign = Campaign(Path(work), given.seed)
        (campaign.work / "config.toml").touch()
        ends = time.monotonic() + 60 * given.minutes
        with campaign.server:
            while time.monotonic() < ends:
                getattr(campaign, campaign.random.choice(given.only.split(",")))()
    codes = ", ".join(f"{code}: {count}" for code, count in sorted(campaign.codes.items()))
    runs = ", ".join(f"{count} {name}" for name, count in sorted(campaign.runs.items()))
    print(f"seed {given.seed}; runs: {runs}; exits: {codes}; faults: {len(campaign.faults)}")
    return 1 if campaign.faults else 0


if __name__ == "__main__":
    sys.exit(main())
