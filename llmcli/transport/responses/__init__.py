"""Answers of the Responses API to the Chat Completion that they stand for."""
