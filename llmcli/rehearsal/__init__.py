"""Answers made here, free of charge: offline/echo, offline/flaky, and instances of whatever schema is asked for."""

PROVIDER = "offline"
