"""MCP in both directions: their servers as our tools (`client/`), our tools as servers (`servers/`).

The only code that imports the SDK, which costs 0.5 s and happens when the first server is needed.
"""
