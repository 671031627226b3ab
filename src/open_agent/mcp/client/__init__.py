"""MCP servers of others as tools of ours: sessions with them, and what they offer, made safe.

Whatever a server does (it dies, hangs, floods, lies) ends as a failed call. Knows nothing of who
may configure a server, or of where that is kept: `services/mcp/` and `store/mcp_servers.py` do.
"""
