"""How long to wait for a model, each kind of waiting on its own.

One timeout cannot do: providers keep a dead stream alive with comments for half an hour, and a
healthy reply may take that long.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The waits of one call. Comments and empty chunks do not count as life."""

    connect: timedelta = timedelta(seconds=15)
    """Until the connection stands, TLS included."""
    first_token: timedelta = timedelta(minutes=5)
    """Until the reply begins. Hidden reasoning and long prompts take minutes."""
    silence: timedelta = timedelta(minutes=2)
    """Between two pieces of the reply once it has begun."""
    total: timedelta = timedelta(minutes=30)
    """For the whole call."""
