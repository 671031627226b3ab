"""Our own MCP servers: sets of our tools, offered to any client of the protocol."""
