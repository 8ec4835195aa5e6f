"""Pages of the web that a prompt is made of: fetched, kept, and made readable."""
