"""Reports: what a batch was, read from its records: figures, a page to look at, two runs side by side."""
