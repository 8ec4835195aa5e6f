"""A raw MCP server, which misbehaves as it is told."""
