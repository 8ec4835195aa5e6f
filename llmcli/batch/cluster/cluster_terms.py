"""The terms of a cluster: which flags have no sense there, and from where it can be used."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from llmcli.address import shown_url
from llmcli.app import App
from llmcli.batch.shards.part_terms import InParts
from llmcli.errors import UsageError
from llmcli.lean.pattern import lazy_pattern
from llmcli.request.headers import without_secrets

INSTALL = "pip install 'llmcli[ray]'"
_OWN = "workers have keys and certificates of their own, from the environment that they run in"
_STAYS = "; with -O at a path that stays there (/data/out.jsonl): the directory of a job is thrown away"
_OUTSIDE = lazy_pattern(r"(?:ray|https?)://", re.IGNORECASE)
_OBJECT = lazy_pattern(r"(?:s3|gs|az)://", re.IGNORECASE)


def check_on(settings: InParts) -> None:
    """Raise UsageError for what a run on a cluster has no use for, or cannot be without."""
    machines = settings.machines
    if machines.on is None:
        if machines.workers is not None:
            todo = "add --on ray; of the requests under way at once, it is --concurrency"
            raise UsageError("without --on", todo=todo, flag="--workers")
        return
    for name, (is_given, todo) in _others(settings).items():
        if is_given:
            raise UsageError("and --on exclude each other", todo=todo, flag=name)
    if find_spec("ray") is None:
        raise UsageError("ray wants the package ray", todo=INSTALL, flag="--on")


def _others(settings: InParts) -> Mapping[str, tuple[bool, str]]:
    machines, network, money = settings.machines, settings.network, settings.money
    return {
        "--shard": (machines.shard is not None, "a cluster needs no parts: drop one"),
        "--merge": (machines.merge is not None, "it asks nothing: drop one"),
        "--share": (machines.share is not None, "workers share a limit anyway: drop it"),
        settings.via.flag: (settings.via.is_batch, "a provider's Batch API needs no cluster: drop one"),
        "--replay": (money.replay is not None, "it asks nothing: drop one"),
        "--api-key-file": (network.api_key_file is not None, _OWN),
        "--cacert": (network.cacert is not None, _OWN),
        "--cert": (network.cert is not None, _OWN),
    }


def check_place(app: App, settings: InParts) -> None:
    """Raise UsageError where the files of a command are not those of the cluster that it is to run on."""
    address = app.world.env.get("RAY_ADDRESS", "")
    if _OUTSIDE.match(address) is None:
        return
    names = [settings.run.output or "-", *(settings.rows or ["-"])]
    names += [] if settings.table.each is None else [settings.table.each]
    ours = [name for name in names if _OBJECT.match(name) is None]
    if ours or not address.lower().startswith("ray:"):
        raise UsageError(
            f"RAY_ADDRESS={shown_url(address)} is a cluster seen from outside, which has no files of this machine",
            "" if not ours else "stdin or stdout" if ours[0] == "-" else ours[0],
            f"run it inside: {submit_line(address, app.argv)}{_STAYS if _goes(settings.run.output) else ''}",
        )


def _goes(output: str | None) -> bool:
    """Whether OUT would be in the directory of a job, which is thrown away."""
    return output is not None and not output.startswith("/") and _OBJECT.match(output) is None


def submit_line(address: str, argv: Sequence[str]) -> str:
    """The command that runs this one inside of a cluster that is seen from outside."""
    host = address.partition("://")[2].partition("/")[0].rpartition("@")[2]
    if address.lower().startswith("ray:"):
        host = f"{host.rpartition(':')[0] or host}:8265"
    words = " ".join(shlex.quote(word) for word in without_secrets(argv))
    return f"ray job submit --address http://{host} --working-dir . -- llmcli {words}"
