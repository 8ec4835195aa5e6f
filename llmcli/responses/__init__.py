"""The Responses API beside Chat Completions: the tables of every translation."""
