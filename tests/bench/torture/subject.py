"""The program under torture: runs it in a scratch directory, keeps count, and looks for what no run may do."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.server import Server

KEY = "sk-torture-5f2a9c71"
HANG = 60  # seconds that no run here may take
CODES = {0, 2, 3, 4, 5, 6, 7, 8, 9, 65, 66, 69, 74, 75, 77, 78, 124, 130, 141, 143}


class Subject:
    """Runs the program, again and again. `faults` are what it should not have done; `random` makes its choices."""

    def __init__(self, work: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.work = work
        self.runs: Counter[str] = Counter()
        self.codes: Counter[int] = Counter()
        self.faults: list[str] = []
        self.server = Server(record=False)
        self.config = work / "config.toml"
        self.config.touch()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(work),
            "LLMCLI_CONFIG": str(self.config),
            "OPENAI_API_KEY": KEY,
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def start(self, argv: Sequence[str], **how: object) -> subprocess.Popen[bytes]:
        """The program, started in the scratch directory."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        return subprocess.Popen([sys.executable, "-m", "llmcli", *argv], cwd=self.work, env=self.env, **pipes)

    def run(
        self, name: str, argv: Sequence[str], stdin: bytes = b"", limit: Callable[[], None] | None = None
    ) -> bytes:
        """One run to its end, judged; its stdout."""
        child = self.start(argv, stdin=subprocess.PIPE, preexec_fn=limit)
        return self.end(name, argv, child, stdin)

    def end(
        self, name: str, argv: Sequence[str], child: subprocess.Popen[bytes], stdin: bytes = b""
    ) -> bytes:
        """Wait for the end of a run, and judge it; its stdout. `stdin` is what is still to be written."""
        self.runs[name] += 1
        try:
            out, err = child.communicate(stdin or None, timeout=HANG)
        except subprocess.TimeoutExpired:
            child.kill()
            out, _ = child.communicate()
            self.fault(name, argv, "it hangs", stdin)
            return out
        self._judge(name, argv, (child.returncode, out, err), stdin)
        return out

    def _judge(self, name: str, argv: Sequence[str], ended: tuple[int, bytes, bytes], stdin: bytes) -> None:
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

    # --- Batches --------------------------------------------------------------------------------------------

    def fresh(self, name: str) -> Path:
        """An empty directory."""
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def rows(self, folder: Path, count: int) -> bytes:
        """The input of a batch, which is written to in.jsonl."""
        lines = (
            json.dumps({"custom_id": f"c{number}", "prompt": f"row {number}"}) for number in range(count)
        )
        data = "".join(f"{line}\n" for line in lines).encode()
        (folder / "in.jsonl").write_bytes(data)
        return data

    def once_each(self, folder: Path, argv: Sequence[str]) -> None:
        """Look whether each row of in.jsonl is exactly once in o.jsonl or o.errors.jsonl."""
        wanted = {json.loads(line)["custom_id"] for line in (folder / "in.jsonl").read_bytes().splitlines()}
        there: Counter[str] = Counter()
        for name in ("o.jsonl", "o.errors.jsonl"):
            data = (folder / name).read_bytes() if (folder / name).exists() else b""
            there.update(json.loads(line)["custom_id"] for line in data.splitlines())
            if KEY.encode() in data:
                self.fault("rows", argv, f"the key is in {name}")
        if there != Counter(wanted):
            doubled = [row for row, count in there.items() if count > 1]
            self.fault("rows", argv, f"lost {wanted - there.keys()}, doubled {doubled}")
