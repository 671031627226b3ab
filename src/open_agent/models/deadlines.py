"""How long to wait for a model, each kind of waiting on its own.

One timeout cannot do: providers keep a dead stream alive with comments for half an hour, and a
healthy reply may take that long.
"""

import time
from dataclasses import dataclass
from datetime import timedelta

import anyio

from open_agent.models.reply import ModelError, ModelErrorCode


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
    ending: timedelta = timedelta(seconds=5)
    """For usage and the end mark, once the reply itself is complete; it is not lost without them."""


class Watch:
    """The deadlines of one running call, as a single cancel scope that moves with the reply.

    A scope for each chunk would cost as much as reading it; this moves one deadline, and only when
    it has become worth moving, so that silence is noticed up to 2 % late and never early.
    """

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        now = anyio.current_time()
        self._shift = now - time.monotonic()
        self._total_at = now + deadlines.total.total_seconds()
        self._first_at = now + deadlines.first_token.total_seconds()
        self._silence = deadlines.silence.total_seconds()
        self._moves_at = 0.0
        self._has_begun = False
        self._is_ending = False
        self.scope = anyio.CancelScope(deadline=min(self._total_at, self._first_at))

    def saw_life(self) -> None:
        """A piece of the reply has come."""
        now = time.monotonic() + self._shift
        if now < self._moves_at or self._is_ending:
            return
        self._has_begun = True
        slack = self._silence / 64
        self._moves_at = now + slack
        self.scope.deadline = min(self._total_at, now + self._silence + slack)

    def saw_end(self) -> None:
        """The reply is complete; what may still follow is not waited for long."""
        if not self._is_ending:
            self._is_ending = True
            wait = self._deadlines.ending.total_seconds()
            self.scope.deadline = min(self._total_at, anyio.current_time() + wait)

    def verdict(self) -> ModelError:
        """Why the scope was cancelled."""
        deadlines = self._deadlines
        if anyio.current_time() >= self._total_at:
            return _late("provider.too_slow", "took longer in all than", deadlines.total)
        if self._has_begun:
            return _late("provider.silent", "sent nothing more for", deadlines.silence)
        return _late("provider.no_first_token", "did not begin within", deadlines.first_token)


def _late(code: ModelErrorCode, what: str, limit: timedelta) -> ModelError:
    seconds = limit.total_seconds()
    return ModelError(
        code,
        f"The reply {what} {seconds:g} s, and was given up. It is asked for again by itself;"
        " if that happens often, use another model or provider.",
        is_retryable=True,
    )
