"""Who may come in: users, passwords, tokens, keys, and what ends them."""
