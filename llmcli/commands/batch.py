"""`llmcli batch`: rows in, records or a table out, each row exactly once."""
# No `from __future__ import annotations`: the annotations are read as objects.

from typing import TYPE_CHECKING

from llmcli.lean.annotated import Annotated
from llmcli.lean.dataclass import dataclass
from llmcli.settings.answer import RepairSettings
from llmcli.settings.batch.machines import MachinesSettings
from llmcli.settings.batch.run import RunSettings
from llmcli.settings.batch.table import TableSettings
from llmcli.settings.batch.via import ViaSettings
from llmcli.settings.batch.view import ViewSettings
from llmcli.settings.flag import Argument
from llmcli.settings.general import GeneralSettings
from llmcli.settings.input import InputSettings
from llmcli.settings.money import MoneySettings
from llmcli.settings.network import NetworkSettings
from llmcli.settings.request import RequestSettings

if TYPE_CHECKING:
    from llmcli.app import App


@dataclass(frozen=True)
class BatchSettings:
    """What batch can be told."""

    run: RunSettings
    view: ViewSettings
    table: TableSettings
    via: ViaSettings
    machines: MachinesSettings
    input: InputSettings
    request: RequestSettings
    repair: RepairSettings
    network: NetworkSettings
    money: MoneySettings
    general: GeneralSettings
    rows: Annotated[
        list[str] | None,
        Argument("INPUT", "JSONL, CSV, TSV, an array or lines; - is stdin (the default in a pipe)."),
    ] = None

    def check(self) -> None:
        """Raise UsageError where flags exclude each other."""
        from llmcli.batch.shards.part_terms import check_machines, check_merge
        from llmcli.batch.views.outlet import check_outlet

        check_outlet(self)
        if self.via.is_batch:
            from llmcli.batch.away.terms import check_away  # here, since few runs go that way

            check_away(self)
        check_machines(self)
        check_merge(self)
        if self.machines.on is not None or self.machines.workers is not None:
            from llmcli.batch.cluster.cluster_terms import check_on  # as above

            check_on(self)


def batch(app: "App", settings: BatchSettings) -> int:
    """Run every row of the input. Typed again, the same command goes on where it was stopped.

    With -t, a row is any object, the columns of a table, a line of text or a file; without it, it has a prompt or
    messages.
    """
    from llmcli.batch.live import run_rows

    if settings.machines.merge is not None:
        from llmcli.batch.shards.merge import merge_parts

        merge_parts(app, settings)
        return 0
    if settings.machines.part is not None:
        from llmcli.batch.shards.part import divided

        settings = divided(settings)
    run_rows(app, settings)
    return 0
