"""The control session as clients of the original see it: one stream of all missions of a user."""
