"""Settings of one command alone."""
