"""Who works on which mission, where, and how many at once."""
