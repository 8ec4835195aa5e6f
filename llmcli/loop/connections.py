"""Connections: how many requests this process can have under way at once."""

from __future__ import annotations

from contextlib import suppress

MOST_CONNECTIONS = 20_000  # whatever open files allow: a client has some 28,000 ports for one address
_OWN_FILES = 64  # input, output, the loop's, 32 of libcurl's, names that are looked up, what libraries open
_FIRST = 512  # connections that those 32 look after,
_EACH = 256  # and of the others so many, which have two files beside


def most_connections() -> int:
    """As many as this process may have files open beside its own, once it has raised its own limit."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FIRST - (_FIRST - MOST_CONNECTIONS) // _EACH * (_EACH + 2) + _OWN_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(OSError, ValueError):  # macOS may have a lower limit than it tells of
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else connections_within(soft)


def connections_within(files: int) -> int:
    """As many as there can be where so many files may be open.

    An idle connection stays open with those that it was one of, so that all of these may come to be open: they are
    counted by the whole 256.
    """
    left = files - _OWN_FILES
    others = max(0, left - _FIRST) // (_EACH + 2)
    return max(1, min(MOST_CONNECTIONS, left, _FIRST + others * _EACH))
