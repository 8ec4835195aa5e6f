"""Unsent: requests that `--dry-run` and `--curl` show, and refuse in the words in which a run would."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from decimal import Decimal

from llmcli import jsonl
from llmcli.address import asked, shown_url, socket_of
from llmcli.app import App
from llmcli.errors import LlmcliError, UsageError
from llmcli.exchange.asked import Paid
from llmcli.exchange.authorization import check_local, check_provider, variables_of_key
from llmcli.exchange.layers.fallback import another_may
from llmcli.exchange.layers.window import check_window, worst
from llmcli.output.streams import Out
from llmcli.registry.providers import is_embedded, key_header
from llmcli.settings.money import MoneySettings
from llmcli.settings.network import CertificateSettings
from llmcli.transport.keys import says_who
from llmcli.wire import Header, Request

_LONGEST_WORD = 100_000  # bytes; Linux takes 128 KiB


def check_unsent(app: App, request: Request, settings: Paid) -> None:
    """Raise what the request would meet before it is sent, for --dry-run and --curl. The cache is not asked."""
    if settings.money.replay is not None:
        return
    try:
        check_window(request)
        check_budget(app, request, settings.money)
        check_provider(request.provider, request.model, request.base_url)
        check_local(app, request.provider, request.model, request.fields)
    except LlmcliError as error:
        if not (settings.money.fallback and another_may(error)):
            raise


def check_budget(app: App, request: Request, money: MoneySettings) -> None:
    """Raise BudgetExceeded where the request may cost too much, UsageError where nobody knows what it costs."""
    if not money.limited:
        return
    from llmcli.exchange.layers.budget import BudgetFile, exceeded

    amount = worst(request, app.prices.of)
    limit = Decimal(str(money.max_cost or 0))
    file = money.budget_file
    spent = BudgetFile(file, limit, app.world.clock, app.world.sleep).spent() if file else Decimal(0)
    if money.max_cost is not None and spent + amount > limit:
        raise exceeded(request.name, amount, spent, limit)


def show_request(
    app: App, request: Request, out: Out, network: CertificateSettings, *, as_curl: bool
) -> None:
    """What `--dry-run` and `--curl` write instead of sending."""
    if as_curl:
        if shown_url(request.url) != request.url:
            app.notes.say("*** stands for what is secret in the address: put it in again")
        if any("***" in (header.shown or "") for header in request.headers.all):
            app.notes.say("*** stands for what is secret in a header: put it in again, or give it as $NAME")
        command = curl_command(request, variables_of_key(app, request))
        return out.write(command.replace("curl ", f"curl {_certificates(network)}", 1) + "\n")
    return out.write_bytes(jsonl.line(request.body()))


def curl_command(request: Request, names: Sequence[str]) -> str:
    """The same request as a curl command for a POSIX shell; the key is a variable's name, the first of `names`."""
    if is_embedded(request.provider):
        raise UsageError(f"{request.provider} has no address that curl could ask", todo="drop --curl")
    words = ["curl", shlex.quote(shown_url(request.url))]
    if (socket := socket_of(request.url)) is not None:
        words = ["curl", shlex.quote(asked(request.url)), "--unix-socket", shlex.quote(socket)]
    for line in _lines(request, names):
        words += ["-H", line]
    words += ["--no-buffer"] * request.stream
    body = jsonl.dumps(request.body()).decode()
    if len(body.encode()) > _LONGEST_WORD:  # more than a command may be given in one word
        return " ".join([*words, "--data-binary", "@-", f"<<'BODY'\n{body}\nBODY"])
    return " ".join([*words, "--data-raw", shlex.quote(body)])


def _certificates(network: CertificateSettings) -> str:
    """The same flags as curl has them, a space behind each."""
    flags = {"--cacert": network.cacert, "--cert": network.cert, "--key": network.cert_key}
    return "".join(f"{name} {shlex.quote(file)} " for name, file in flags.items() if file is not None)


def _lines(request: Request, names: Sequence[str]) -> Iterator[str]:
    """The lines of `-H`, as a shell takes them."""
    if not request.headers.has("Content-Type"):
        yield shlex.quote("Content-Type: application/json")
    if names and not says_who(request):
        name = key_header(request.base_url)
        yield f'"Authorization: Bearer ${names[0]}"' if name is None else f'"{name}: ${names[0]}"'
    for header in request.headers.all:
        yield _with_variables(header) if header.secrets else shlex.quote(header.line)


def _with_variables(header: Header) -> str:
    """A line in which the shell puts the values of variables, and of nothing else."""
    pieces = re.split(r"(\$\{?[A-Za-z_]\w*\}?)", header.line, flags=re.ASCII)
    plain = (
        re.sub(r'([\\"`$])', r"\\\1", piece) if at % 2 == 0 else piece for at, piece in enumerate(pieces)
    )
    return '"' + "".join(plain) + '"'
