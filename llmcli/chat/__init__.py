"""Conversations: one exchange a turn, over messages that are kept, trimmed and never lost."""
