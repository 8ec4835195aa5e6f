"""A finding: what one check saw, and how all of them are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any, Literal

from llmcli import jsonl
from llmcli.errors import LlmcliError
from llmcli.lean.dataclass import dataclass

Status = Literal["ok", "note", "failed"]


@dataclass(frozen=True)
class Finding:
    """What a check saw. A `note` is worth a look and no failure; `exit_code` is what a call would end with.

    `facts` are for scripts, beside what is said to people.
    """

    check: str
    status: Status
    said: str
    exit_code: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def failure_found(check: str, error: LlmcliError, **facts: Any) -> Finding:
    """The finding that an error is."""
    code = error.exit_code
    return Finding(
        check, "failed", f"{error} (a call would exit {int(code)}, {code.label})", int(code), facts
    )


def as_text(findings: Sequence[Finding]) -> str:
    """One line a check."""
    width = max(len(finding.check) for finding in findings)
    return "".join(f"{each.status:<6}  {each.check:<{width}}  {each.said}\n" for each in findings)


def as_json(findings: Sequence[Finding]) -> bytes:
    """The same as one object: `ok`, and `checks`, each with `check`, `status`, `said`, `exit`, and its facts."""
    checks = [
        {"check": each.check, "status": each.status, "said": each.said, "exit": each.exit_code, **each.facts}
        for each in findings
    ]
    return jsonl.pretty({"ok": all(each.status != "failed" for each in findings), "checks": checks})
