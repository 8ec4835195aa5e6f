"""Many requests from JSON Lines to JSON Lines: each row answered exactly once."""
