"""The command line: one client of the server, and the way to start it."""
