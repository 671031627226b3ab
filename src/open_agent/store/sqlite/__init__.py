"""The store on SQLite: one writer thread, readers beside it."""
