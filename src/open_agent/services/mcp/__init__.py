"""MCP servers and tools: who may configure them, what of them a mission gets, what is switched off."""
