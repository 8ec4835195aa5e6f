"""Readers: blocks of bytes to entries, one module a kind of INPUT."""
