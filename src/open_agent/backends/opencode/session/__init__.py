"""One session of OpenCode, as a run of ours: what is said to it, what it does and asks, and the record of it."""
