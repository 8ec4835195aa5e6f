"""The engine: what is under way, how much of it at once, and what becomes of it."""
