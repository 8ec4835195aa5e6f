"""Serving: answers for other programs, over HTTP, in OpenAI's words."""
