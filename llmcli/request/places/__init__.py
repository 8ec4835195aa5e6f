"""Places: the addresses at which providers are at home."""
