"""Completions and Chunks -> bytes on stdout, lines on stderr."""
