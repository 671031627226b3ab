"""The native loop: look at the log, decide the next move, append what happened, repeat."""
