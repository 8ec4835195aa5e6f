"""MCP: servers that offer tools: found, started, listed, called and ended."""
