"""A model that plays a script over the real wire, faults included."""
