"""Local: a real model in this process, through llama.cpp; its names, its files, its server, its transport."""

LOCAL = "local"
"""What stands before the name of such a model."""
