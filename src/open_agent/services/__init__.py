"""Use cases: check the actor, change what is remembered, tell the engine."""
