"""Input: bytes of any source to rows, and rows to requests."""
