"""Who carries out a run: our own loop, or another agent server. All of them speak events."""
