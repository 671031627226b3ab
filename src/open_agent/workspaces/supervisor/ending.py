"""Ending processes: ask them all, wait, then kill whatever is left."""

import contextlib
import os
import signal
import time

from open_agent.workspaces.supervisor.tree import Seen, children, descendants, look_at

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


def kill_groups(targets: list[Seen]) -> None:
    """Kill whole process groups at one stroke; a fork bomb is one.

    They hold nobody else's processes: each command is a session of its own, and a group does not
    reach across sessions.
    """
    members = {target.group: target for target in targets}
    for group, member in members.items():
        now = look_at(member.pid)
        # A number in use is not given to another group.
        if now and now.started == member.started and now.group == group != os.getpgrp():
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)


class Ending:
    """TERM for all that descends from us, then KILL in rounds, until nothing is left.

    KILL goes to our children alone: what they leave behind becomes ours the moment they die, and
    the id of a child is not given away before we have reaped it. So every round takes a layer off,
    and nothing that forks, however fast, gets away.

    Args:
        grace: Seconds between TERM and KILL.
        without: Children to be left alone, with what is below them.
    """

    def __init__(self, grace: float, without: set[int]) -> None:
        self._without = without
        self._kill_at = time.monotonic() + grace
        self._next = 0.0
        self._rounds = 0
        self._asked: set[int] | None = None

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

    def act(self) -> None:
        """Send what is due now."""
        now = time.monotonic()
        if now < self._next:
            return
        if now >= self._kill_at:
            self._kill()
        elif self._asked is None:
            self._next = self._kill_at
            targets = descendants(os.getpid(), without=self._without)
            self._asked = {process.pid for process in targets}
            for process in targets:
                # A stopped process takes TERM only once it goes on.
                send(process, signal.SIGTERM, signal.SIGCONT)

    def ask_orphans(self) -> None:
        """Send TERM to what was started since, and whose parent has ended.

        What is started by a process that still tidies up belongs to its tidying up.
        """
        if self._asked is None or time.monotonic() >= self._kill_at:
            return
        for pid in children() - self._asked - self._without:
            self._asked.add(pid)
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)

    def _kill(self) -> None:
        if self._rounds == 0:
            kill_groups(descendants(os.getpid(), without=self._without))
        for pid in children() - self._without:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self._rounds += 1
        self._next = time.monotonic() + (0.001 if self._rounds < 200 else 0.1)
