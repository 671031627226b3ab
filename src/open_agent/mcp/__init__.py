"""The Model Context Protocol, in both directions: their tools as ours, ours as theirs."""
