"""The OpenCode backend: an OpenCode server carries the run out, and what it does becomes events here."""
