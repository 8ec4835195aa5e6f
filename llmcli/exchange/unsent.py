"""Unsent: what a run refuses before it sends, refused in the same words by what sends nothing."""

from __future__ import annotations

from decimal import Decimal

from llmcli.app import App
from llmcli.errors import LlmcliError
from llmcli.exchange.asked import Paid
from llmcli.exchange.transports import check_provider
from llmcli.settings.money import MoneySettings
from llmcli.transport.fallback import another_may
from llmcli.transport.guard import check_window, worst
from llmcli.wire import Request


def check_unsent(app: App, request: Request, settings: Paid) -> None:
    """Raise what the request would meet before it is sent, for --dry-run and --curl. The cache is not asked."""
    if settings.money.replay is not None:
        return
    try:
        check_window(request, request.body())
        check_budget(app, request, settings.money)
        check_provider(request.provider, request.model, request.base_url)
    except LlmcliError as error:
        if not (settings.money.fallback and another_may(error)):
            raise


def check_budget(app: App, request: Request, money: MoneySettings) -> None:
    """Raise BudgetExceeded where the request may cost too much, UsageError where nobody knows what it costs."""
    if money.max_cost is None and money.budget_file is None:
        return
    from llmcli.transport.budget import BudgetFile, exceeded

    amount = worst(request, app.prices.of)
    limit = Decimal(str(money.max_cost or 0))
    file = money.budget_file
    spent = BudgetFile(file, limit, app.world.clock, app.world.sleep).spent() if file else Decimal(0)
    if money.max_cost is not None and spent + amount > limit:
        raise exceeded(request.name, amount, spent, limit)
