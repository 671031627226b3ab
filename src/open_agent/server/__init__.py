"""HTTP: the task API, the event view, their streams, and who may use them. Knows no SQL."""
