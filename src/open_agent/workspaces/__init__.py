"""Where the agent's side effects happen: a directory, its isolation, and the processes in it."""
