"""Rows that go through a provider's Batch API: away from here, until they are fetched."""
