"""What each command does, a file per command; `main.py` has their names and options."""
