"""The flags of batch alone."""
