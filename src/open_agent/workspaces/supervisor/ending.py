"""Ending processes: ask them all, wait, then kill whatever is left."""

import contextlib
import os
import signal
import time

from open_agent.workspaces.supervisor.tree import Seen, look_at

FAREWELL_GRACE = 0.5
"""Seconds between TERM and KILL when nobody is left to wait for a polite end."""
GIVE_UP = 10.0
"""Seconds of KILL after which what is left cannot be ended: another user's, or stuck in the kernel."""


def send(process: Seen, *signals: signal.Signals) -> None:
    """Send signals to exactly the process that was seen, if it still is and if we may."""
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(process.pid)
        try:
            now = look_at(process.pid)
            if now and now.started == process.started:
                for number in signals:
                    signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


class Ending:
    """TERM for all, then KILL in rounds, until the caller finds nothing left."""

    def __init__(self, grace: float) -> None:
        self._kill_at = time.monotonic() + grace
        self._next = 0.0
        self._rounds = 0
        self._is_asked = False

    def hasten(self, grace: float) -> None:
        """Leave at most `grace` more seconds before KILL."""
        self._kill_at = min(self._kill_at, time.monotonic() + grace)
        self._next = min(self._next, self._kill_at)

    @property
    def is_hopeless(self) -> bool:
        """It has been tried for long enough."""
        return time.monotonic() > self._kill_at + GIVE_UP

    def due_in(self) -> float:
        """Seconds until `act` has something to do."""
        return max(0.0, self._next - time.monotonic())

    def act(self, targets: list[Seen]) -> None:
        """Send what is due now."""
        now = time.monotonic()
        if now < self._next:
            return
        if now < self._kill_at:
            if not self._is_asked:
                self._is_asked = True
                for target in targets:
                    # A stopped process takes TERM only once it goes on.
                    send(target, signal.SIGTERM, signal.SIGCONT)
            self._next = self._kill_at
            return
        for target in targets:
            send(target, signal.SIGKILL)
        self._rounds += 1
        if self._rounds > 2:
            self._kill_groups(targets)
        self._next = now + min(0.02 * self._rounds, 0.25)

    def _kill_groups(self, targets: list[Seen]) -> None:
        # They fork faster than we look. A group is killed at one stroke, and theirs are all their
        # own: each command is a session, and groups do not reach across sessions.
        for group in {target.group for target in targets} - {0, 1, os.getpgrp()}:
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)
