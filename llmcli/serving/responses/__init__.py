"""The Responses API as clients see it: their bodies read, our answers told in its items and events."""
