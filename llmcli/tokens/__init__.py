"""Tokens, counted and cut without a network: the encodings are in this package."""
