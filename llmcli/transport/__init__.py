"""Request -> Completion or a Stream of Chunks: everything that can go wrong outside."""
