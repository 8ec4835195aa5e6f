"""Schemas: what an answer is to fit, as it is asked for and as it is checked."""
