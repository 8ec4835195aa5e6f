"""Pacing: when the next request of a batch may go."""
