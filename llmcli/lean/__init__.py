"""What keeps a start short."""
