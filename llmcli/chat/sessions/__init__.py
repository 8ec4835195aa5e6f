"""Sessions: conversations that are kept, which one is meant, and their list."""
