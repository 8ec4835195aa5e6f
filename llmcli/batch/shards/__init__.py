"""Shards: a batch in parts, each run by a process of its own, and made one again."""
