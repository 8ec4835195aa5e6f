"""Scripted completions for any OpenAI-compatible endpoint: the command-line program `llmcli`."""

__version__ = "0.1.0"
