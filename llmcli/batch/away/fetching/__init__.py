"""What batches have done: brought line by line, judged as live answers are, mended live where that is wanted."""
