"""Where an OpenCode server comes from: one that was named, or one of our own that is started and watched."""
