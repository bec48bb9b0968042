"""MCP both ways: a world's tools as an MCP server, and other MCP servers as tools."""
