"""Conversations: many runs of the one path, over messages that are kept, trimmed and never lost."""
