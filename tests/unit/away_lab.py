"""A laboratory for runs through a Batch API: the fake provider behind the protocol, and a knife for any step."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from llmcli.batch.away.courier import Courier
from llmcli.batch.away.desk import Desk, mark_away
from llmcli.batch.away.manifest import Manifest
from llmcli.batch.engine.run import Plan, Run
from llmcli.batch.engine.stats import Stats
from llmcli.batch.input.identity import Identity
from llmcli.batch.input.inputs import Inputs
from llmcli.batch.input.rows import RowBuilder
from llmcli.batch.input.source import Part
from llmcli.batch.ledger.ledger import Ledger
from llmcli.errors import LlmcliError, TransientFailure
from llmcli.exchange.exchange import Way
from llmcli.registry.batch_terms import BatchTerms
from llmcli.request.builder import Builder
from llmcli.request.endpoint import Addresses
from llmcli.request.prompt import Prompt
from llmcli.settings.batch.table import TableSettings
from llmcli.settings.input import InputSettings
from llmcli.settings.request import RequestSettings
from llmcli.transport.batches.base import BatchSeen, FileSeen, batch_seen, file_seen
from llmcli.transport.failures.diagnosis import Reply, failure
from llmcli.world import World
from tests.conftest import Clock
from tests.server.batch_provider import FakeBatches, Lost, Refused, Script

BEGAN = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
PRICE = {"in": 1000, "out": 1000}


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Knife:
    """Kills at the step with this number, once; steps are counted on."""

    at: int | None = None
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise Killed


@dataclass
class FakeApi:
    """The fake provider as the protocol wants it; before and behind each call the process may die."""

    provider: FakeBatches
    knife: Knife
    like: Any = None

    def _do(self, act: Callable[[], Any]) -> Any:
        self.knife.step()
        try:
            done = act()
        except Lost:
            self.knife.step()
            error = TransientFailure("the connection broke")
            error.may_have_cost = error.connection_broke = True
            raise error from None
        except Refused as refused:
            raise failure(Reply(self.like, refused.status, {}), json.dumps(refused.body).encode()) from None
        self.knife.step()
        return done

    async def upload(self, name: str, content: BinaryIO) -> str:
        return self._do(lambda: self.provider.upload(name, content.read()))["id"]

    async def create(self, file: str, metadata: Mapping[str, str]) -> BatchSeen:
        return batch_seen(self._do(lambda: self.provider.create(file, dict(metadata))))

    async def batch(self, batch: str) -> BatchSeen:
        return batch_seen(self._do(lambda: self.provider.batch(batch)))

    async def cancel(self, batch: str) -> BatchSeen:
        return batch_seen(self._do(lambda: self.provider.cancel(batch)))

    async def batches(self) -> AsyncGenerator[BatchSeen, None]:
        for data in self._do(lambda: self.provider.list_batches(limit=1000))["data"]:
            yield batch_seen(data)

    async def files(self) -> AsyncGenerator[FileSeen, None]:
        for data in self._do(lambda: self.provider.list_files(limit=1000))["data"]:
            seen = file_seen(data)
            assert seen is not None
            yield seen

    async def lines(self, file: str) -> AsyncGenerator[bytes, None]:
        data, whole = self._do(lambda: self.provider.content(file))
        *lines, last = data.split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        if not whole:
            raise TransientFailure("the connection broke in the middle")
        if last.strip():
            yield last

    async def delete(self, file: str) -> None:
        try:
            self._do(lambda: self.provider.delete(file))
        except LlmcliError as error:
            if getattr(error, "status", None) != 404:
                raise

    async def key(self) -> str | None:
        return None

    async def aclose(self) -> None:
        pass


class KnifedManifest(Manifest):
    """A manifest whose process may die before and behind each line."""

    knife = Knife()

    def _append(self, event: dict[str, Any]) -> None:
        self.knife.step()
        super()._append(event)
        self.knife.step()


class KnifedLedger(Ledger):
    """The same for records."""

    knife = Knife()

    def write(self, row: int, line: bytes, /, *, failed: bool) -> None:
        self.knife.step()
        super().write(row, line, failed=failed)
        self.knife.step()


@dataclass
class Lab:
    """One OUT and one provider, over as many processes as one likes. `rows` a file is the most that it takes."""

    home: Path
    script: Script
    rows: int = 50_000
    clock: Clock = field(default_factory=Clock)
    knife: Knife = field(default_factory=Knife)
    said: list[str] = field(default_factory=list)
    max_cost: Decimal | None = None
    keyed: bool = False

    def __post_init__(self) -> None:
        began = self.clock.now
        self.now = lambda: BEGAN + timedelta(seconds=self.clock.now - began)
        self.provider = FakeBatches(lambda: self.now().timestamp(), self.script)

    def write(self, texts: list[str]) -> None:
        rows = [{"prompt": text, "custom_id": text, "id": f"k{n}"} for n, text in enumerate(texts)]
        (self.home / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    @property
    def out(self) -> Path:
        return self.home / "out.jsonl"

    def run(self, *, wait: bool = True, recall: bool = False, **how: Any) -> None:
        """One process. Raises what it ends in; Killed leaves what a kill leaves."""
        identity = Identity("id", "id") if self.keyed else Identity()
        KnifedLedger.knife = KnifedManifest.knife = self.knife
        ledger = KnifedLedger(str(self.out), fresh=False, identity=identity)
        try:
            done = ledger.recover()
            manifest = KnifedManifest(str(self.out))
            try:
                for portion in manifest.away:
                    mark_away(manifest, portion, done)
                asyncio.run(self._carry(manifest, ledger, done, identity, wait=wait, recall=recall, how=how))
            except Killed:
                manifest.release()
                raise
            except BaseException:
                manifest.close()
                raise
            manifest.close()
        finally:
            ledger.errors.close()
            ledger.out.close()

    async def _carry(self, manifest, ledger, done, identity, *, wait, recall, how) -> None:
        builder = Builder.of(
            RequestSettings(model="tiny"), Addresses({}, {}, "http://127.0.0.1:1/v1"), lambda: b""
        )
        prompt = Prompt.of(InputSettings(), lambda: b"", self.said.append, {}, rows=True)
        rows = RowBuilder(prompt, builder, TableSettings(), identity)
        inputs = Inputs([Part(str(self.home / "rows.jsonl"))], rows)
        like = builder.request([{"role": "user", "content": "-"}])
        times = {"clock": self.clock, "now": self.now, "sleep": self.clock.sleep}
        world = World(None, None, None, {}, uniform=lambda _low, high: high, **times)
        stats = Stats(began=0.0)
        plan = Plan(
            "openai/tiny", 0, True, (), builder.again, frozenset(), now=self.now, max_cost=self.max_cost
        )
        desk = Desk(
            run=Run(plan, Way(None, self.clock, lambda *_: PRICE), None, stats, world),
            records=ledger,
            done=done,
            manifest=manifest,
            api_of=lambda _request: FakeApi(self.provider, self.knife, like),
            terms_of=lambda _request: BatchTerms(rows=self.rows),
            like=lambda _portion: like,
            ask=builder.ask,
            say=self.said.append,
            **how,
        )
        courier = Courier(desk, lambda: inputs.source(stats, None))
        await (courier.recall() if recall else courier.carry(wait=wait))

    def records(self) -> list[tuple[str, str]]:
        """(custom_id, `ok` or the code) of each record of both files, in their order."""
        found = []
        for path in (self.out, self.home / "out.errors.jsonl"):
            for line in path.read_bytes().splitlines() if path.exists() else []:
                record = json.loads(line)
                found.append(
                    (record["custom_id"], "ok" if record["error"] is None else record["error"]["code"])
                )
        return found
