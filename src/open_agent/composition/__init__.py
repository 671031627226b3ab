"""The composition root: settings in, a working application out. Nothing here decides anything."""
