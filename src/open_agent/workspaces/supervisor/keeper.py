"""The keeper: the ancestor of one command, which ends all that the command started."""

import json
import os
import select
import signal
import socket
from typing import Any

from open_agent.workspaces.supervisor.alarm import Alarm
from open_agent.workspaces.supervisor.ending import FAREWELL_GRACE, Ending
from open_agent.workspaces.supervisor.spawn import first_to_be_killed, spawn
from open_agent.workspaces.supervisor.tree import Seen, command_of, descendants

MAX_LISTED = 100


class Keeper:
    """The ancestor of one command and of all that it starts."""

    def __init__(self, supervisor: int, control: socket.socket, pipes: list[int]) -> None:
        self._supervisor = supervisor
        self._control = control
        self._pipes = pipes
        self._buffer = b""
        self._is_heard = True
        self._shell = 0
        self._alarm = Alarm()
        self._ending: Ending | None = None

    def run(self) -> None:
        """Start the command and stay until nothing of it is left."""
        order = self._read_order()
        if order is None or not self._start(order):
            return
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._alarm, select.POLLIN)
        while self._reap():
            if self._ending:
                self._ending.ask_orphans()
                self._ending.act()
                if self._ending.is_hopeless:
                    self._tell(gone=[process.pid for process in self._below()])
                    return
            wait = None if self._ending is None else self._ending.due_in() * 1000
            for fd, _ in poll.poll(wait):
                if fd != self._alarm.fileno():
                    if not self._obey():
                        poll.unregister(self._control)
                elif signal.SIGTERM in self._alarm.take() and os.getppid() != self._supervisor:
                    # The supervisor has died. Any other TERM, `pkill python`, is not meant for us.
                    self._tell(lost=True)
                    self._end(FAREWELL_GRACE)
        self._tell(gone=[])

    def _read_order(self) -> dict[str, Any] | None:
        while b"\n" not in self._buffer:
            data = self._control.recv(1 << 16)
            if not data:
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)

    def _start(self, order: dict[str, Any]) -> bool:
        what = order["cwd"]
        try:
            os.chdir(what)
            what = order["argv"][0]
            with first_to_be_killed():
                self._shell = spawn(order["argv"], order["env"], self._pipes)
        except (OSError, ValueError) as error:
            number = error.errno if isinstance(error, OSError) else 0
            self._tell(failed=[number or 22, what])
            return False
        finally:
            os.chdir("/")
            for fd in self._pipes:
                os.close(fd)
        self._tell(started=self._shell)
        return True

    def _reap(self) -> bool:
        """Take what has ended; whether anything is left.

        Whatever lives below us has a chain of parents up to a child of ours, so without a child
        there is nothing.
        """
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._shell:
                self._shell = 0
                self._tell(exited=os.waitstatus_to_exitcode(status))

    def _below(self) -> list[Seen]:
        return [seen for seen in descendants(os.getpid(), without=set()) if not seen.is_zombie]

    def _obey(self) -> bool:
        """Do what the server says; whether it is still there."""
        try:
            data = self._control.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._is_heard = False
            self._end(FAREWELL_GRACE)
            return False
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if order["do"] == "end":
                self._end(order["grace"])
            elif order["do"] == "list":
                shown = [[seen.pid, command_of(seen.pid)] for seen in self._below()[:MAX_LISTED]]
                self._tell(listed=order["id"], processes=shown)
        return True

    def _end(self, grace: float) -> None:
        if self._ending is None:
            self._ending = Ending(grace, without=set())
        self._ending.hasten(grace)

    def _tell(self, **what: Any) -> None:
        if self._is_heard:
            try:
                self._control.sendall(json.dumps(what).encode() + b"\n")
            except OSError:
                self._is_heard = False
