"""`llmcli doctor`: what works here and what does not, one line a check."""
# No `from __future__ import annotations`: the annotations are read as objects.

from dataclasses import replace

from llmcli.app import App
from llmcli.config import Config, load_config
from llmcli.doctor.findings import Finding, as_json, as_text
from llmcli.doctor.here import of_config, of_directories, of_keys, of_network, of_program, of_terminal
from llmcli.errors import ConfigError, LlmcliError
from llmcli.lean.annotated import Annotated
from llmcli.lean.dataclass import dataclass
from llmcli.request.endpoint import DEFAULT_MODEL
from llmcli.settings.flag import flag


@dataclass(frozen=True)
class DoctorSettings:
    """What doctor can be told. It reads the config file by itself, since a broken one is a finding."""

    offline: Annotated[bool, flag("--offline", help="Ask no provider for its models.")] = False
    json: Annotated[bool, flag("--json", help="Print one JSON object, for scripts.")] = False
    help: Annotated[bool, flag("--help", "-h", help="Show this and exit.")] = False
    help_all: Annotated[bool, flag("--help-all", help="Show all options and exit.")] = False


def doctor(app: App, settings: DoctorSettings) -> int:
    """Check what works here, one line a check: exit 1 where one failed.

    Providers that have a key are asked for their models, and for nothing else.
    """
    world = app.world
    config = _config(app)
    here = replace(app, config=config if isinstance(config, Config) else Config())
    findings: list[Finding] = [
        *of_program(world.today()),
        of_config(world.env, config),
        of_keys(world.env, here.config),
        *of_network(world.env),
        *([] if settings.offline else _providers(here)),
        *of_terminal(world),
        *of_directories(world.env),
    ]
    if settings.json:
        app.stdout.write_bytes(as_json(findings))
    else:
        app.stdout.write(as_text(findings))
    bad = [finding.check for finding in findings if finding.status == "failed"]
    if bad:
        raise LlmcliError(f"{len(bad)} of {len(findings)} checks failed: {', '.join(bad)}")
    return 0


def _config(app: App) -> Config | ConfigError:
    try:
        return load_config(app.world.env)
    except ConfigError as error:
        return error


def _providers(app: App) -> list[Finding]:
    from llmcli.doctor.providers import of_providers  # the wire, which --offline does without

    return of_providers(app, app.world.env.get("LLMCLI_MODEL") or app.config.model or DEFAULT_MODEL)
