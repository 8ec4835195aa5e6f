"""Requests as the Responses API takes them, and back."""
