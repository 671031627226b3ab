"""The supervisor's own loop: fork a keeper per command, end what a keeper could not."""

import array
import contextlib
import ctypes
import fcntl
import gc
import os
import select
import signal
import socket
import time
from typing import NoReturn

from open_agent.workspaces.supervisor.alarm import Alarm
from open_agent.workspaces.supervisor.ending import FAREWELL_GRACE, GIVE_UP, Ending
from open_agent.workspaces.supervisor.keeper import Keeper
from open_agent.workspaces.supervisor.tree import children

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36

KEEPER_PATIENCE = 1.5
"""Seconds that keepers have for their trees after the server has gone."""


class Supervisor:
    """Forks keepers, and ends what a keeper could not."""

    def __init__(self, server: socket.socket, system: ctypes.CDLL) -> None:
        self._server = server
        self._system = system
        self._alarm = Alarm()
        self._keepers: set[int] = set()
        self._orphans: Ending | None = None
        self._impatient_at = 0.0

    def run(self) -> None:
        """Serve until the server has gone and nothing is left."""
        poll = select.poll()
        poll.register(self._server, select.POLLIN)
        poll.register(self._alarm, select.POLLIN)
        while self._reap() or not self._impatient_at:
            if self._orphans:
                self._end_orphans()
            if self._impatient_at and not self._be_impatient():
                return
            for fd, _ in poll.poll(self._wait()):
                if fd == self._alarm.fileno():
                    self._alarm.take()
                elif not self._fork():
                    poll.unregister(self._server)
                    self._impatient_at = time.monotonic() + KEEPER_PATIENCE

    def _wait(self) -> float | None:
        if self._orphans:
            return self._orphans.due_in() * 1000
        return 100 if self._impatient_at else None

    def _fork(self) -> bool:
        """Fork a keeper for the next command; whether the server is still there."""
        data, fds = receive(self._server)
        # Without descriptors or without a fork the server finds its control socket closed.
        with contextlib.suppress(OSError):
            if fds:
                pid = os.fork()
                if pid == 0:
                    self._become_keeper(fds)
                self._keepers.add(pid)
        for fd in fds:
            os.close(fd)
        return bool(data)

    def _become_keeper(self, fds: list[int]) -> NoReturn:
        code = 1
        try:
            supervisor = os.getppid()
            os.setsid()
            self._system.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            self._system.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
            if os.getppid() == supervisor:
                self._alarm.close()
                self._server.close()
                os.dup2(0, 2)
                Keeper(supervisor, socket.socket(fileno=fds[0]), fds[1:]).run()
            code = 0
        finally:
            # Never back into the supervisor's loop.
            os._exit(code)

    def _reap(self) -> bool:
        """Take what has ended; whether anything is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._orphans = None
                return False
            if pid == 0:
                return True
            if pid in self._keepers:
                self._keepers.discard(pid)
                if status and self._orphans is None:
                    self._orphans = Ending(FAREWELL_GRACE, without=self._keepers)

    def _end_orphans(self) -> None:
        assert self._orphans
        if not children() - self._keepers or self._orphans.is_hopeless:
            self._orphans = None
            return
        self._orphans.act()

    def _be_impatient(self) -> bool:
        """Once keepers have had their time, do it ourselves; whether to go on."""
        now = time.monotonic()
        if now < self._impatient_at:
            return True
        for pid in self._keepers:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if self._orphans is None:
            self._orphans = Ending(0, without=self._keepers)
        return now < self._impatient_at + GIVE_UP


def _do_nothing(_number: int, _frame: object) -> None:
    """A handler that is there, so that the alarm hears of the signal."""


def receive(server: socket.socket) -> tuple[bytes, list[int]]:
    """The next message with its descriptors; empty when the server has gone."""
    # `socket.recv_fds` leaves out its flags, and the commands would inherit all of these.
    try:
        data, ancillary, _, _ = server.recvmsg(
            16, socket.CMSG_SPACE(4 * 4), socket.MSG_CMSG_CLOEXEC
        )
    except OSError:
        return b"", []
    fds = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return data, list(fds)


def main(server_fd: int, lock_path: str) -> None:
    """Run as the supervisor of the server at the other end of `server_fd`."""
    system = ctypes.CDLL(None)
    system.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # `killall python3` is not meant for us.
    system.prctl(PR_SET_NAME, b"open-agent-keep", 0, 0, 0)
    # A terminal's Ctrl-C and a service manager's TERM are the server's business: it closes us.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, _do_nothing)
    os.chdir("/")
    # Keepers inherit the lock by forking, commands do not: it says "something still runs".
    lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_SH)
    # What is never collected is never written to, and stays shared with the keepers.
    gc.disable()
    gc.freeze()
    server = socket.socket(fileno=server_fd)
    server.set_inheritable(False)
    Supervisor(server, system).run()
