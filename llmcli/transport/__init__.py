"""Transports: a Request to an Answer, and everything that can go wrong outside."""
