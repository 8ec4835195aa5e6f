"""Answers made here, free of charge: offline/echo, offline/flaky, and instances of whatever schema is asked for."""

PROVIDER = "offline"
ECHO = "echo"


def is_echo(provider: str, model: str) -> bool:
    """Whether it is the model that answers at once and never fails."""
    return (provider, model) == (PROVIDER, ECHO)
