"""Habits: what people type who come from other tools, and what it is called here."""
