"""Signals as something to poll for."""

import os
import signal


class Alarm:
    """Signals as something to poll for. Handlers do nothing: `select` wakes up, and looks."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)

    def fileno(self) -> int:
        """What to poll."""
        return self._reading

    def take(self) -> bytes:
        """The numbers of the signals since the last time."""
        try:
            return os.read(self._reading, 4096)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Wake nobody any more."""
        signal.set_wakeup_fd(-1)
        os.close(self._reading)
        os.close(self._writing)
