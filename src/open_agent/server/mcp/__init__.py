"""What the server offers over MCP: itself, at `/mcp`, and to the programs of runs the tools of their mission."""
