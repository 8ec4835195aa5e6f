"""A headless Chromium (Debian's package) that a test clicks and reads, over its debugging pipe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium")


class Page:
    """One page. Errors of its scripts end up in `faults`, addresses that it asked for in `asked`."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._rest, self._last, self._session = b"", 0, None
        self.faults: list[str] = []
        self.asked: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Page", "Network", "Log"):
            self._call(f"{domain}.enable")

    def go(self, path: Path) -> None:
        self._call("Page.navigate", url=path.absolute().as_uri())

    def open(self, path: Path) -> None:
        """Go there, and wait until all rows are at hand."""
        self.go(path)
        self.until("location.protocol === 'file:' && document.documentElement.dataset.ready === 'all'")

    def read(self, expression: str) -> Any:
        """The value of an expression of JavaScript, a promise's too."""
        told = self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until a condition holds, looking at each frame."""
        wait = "(async () => { for (let n = 0; n < 1200; n++) { try { if (%s) return true } catch {}"
        wait += " await new Promise((f) => setTimeout(f, 25)) } return false })()"
        for _ in range(5):  # a page that is left takes the promise with it
            try:
                assert self.read(wait % condition) is True, condition
            except RuntimeError:
                continue
            return
        raise AssertionError(condition)

    def type(self, selector: str, text: str) -> None:
        self.read(f"document.querySelector({json.dumps(selector)}).focus()")
        self.read(f"document.querySelector({json.dumps(selector)}).value = ''")
        self._call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowDown": 40, "/": 191}
        more = {"text": {"Enter": "\r"}.get(key, key)} if key in {"Enter", "/"} else {}
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=codes[key], **more)

    def picture(self, width: int, height: int) -> bytes:
        """A PNG of it."""
        import base64

        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        return base64.b64decode(self._call("Page.captureScreenshot")["data"])

    def narrow(self, width: int) -> None:
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=True
        )

    def dark(self, *, on: bool) -> None:
        """Prefer a dark page, or a light one."""
        wanted = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        self._call("Emulation.setEmulatedMedia", features=[wanted])

    def wide(self) -> None:
        """End what `narrow` did."""
        self._call("Emulation.clearDeviceMetricsOverride")

    def insert(self, text: str) -> None:
        """Type into what has the focus."""
        self._call("Input.insertText", text=text)

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._last:
                if "error" in told:
                    raise RuntimeError(told["error"])
                return told["result"]
            if told.get("method") == "Runtime.exceptionThrown":
                self.faults.append(json.dumps(told["params"]))
            if told.get("method") == "Log.entryAdded" and told["params"]["entry"]["level"] == "error":
                self.faults.append(told["params"]["entry"]["text"])
            if told.get("method") == "Network.requestWillBeSent":
                self.asked.append(told["params"]["request"]["url"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            data = os.read(self._read, 1 << 20)
            assert data, "Chromium has gone"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        return json.loads(line)


@contextmanager
def chromium() -> Iterator[Page]:
    """A page of a browser of its own."""
    to_us, theirs_out = os.pipe()
    theirs_in, from_us = os.pipe()

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        flags = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ]
        shell = f'exec 3<&{theirs_in} 4>&{theirs_out}; exec "$0" "$@"'
        command = [
            "bash",
            "-c",
            shell,
            PROGRAM or "",
            *flags,
            "--remote-debugging-pipe",
            f"--user-data-dir={home}",
        ]
        process = subprocess.Popen(
            command,
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Page(from_us, to_us)
        finally:
            process.kill()
            process.wait()
            os.close(from_us)
            os.close(to_us)
