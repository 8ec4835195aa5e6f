"""What the language lacks, or has at a price."""
