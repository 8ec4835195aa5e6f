"""The commands: one file each, with its settings and its story."""
