"""Batches: rows of any INPUT to records, tables and files, each row answered exactly once."""
