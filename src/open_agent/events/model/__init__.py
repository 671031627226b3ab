"""The events, a file per noun; `union.py` is the closed list."""
