"""One process, as its keeper tells of it."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable
from typing import Any, TypedDict

import anyio

from open_agent.events.model.tool import BackgroundProcess
from open_agent.workspaces.pipes import PipeReader, PipeWriter
from open_agent.workspaces.processes import TERM_GRACE, ProcessLost, ProcessOwner

GIVE_UP = 12.0
"""Seconds after the grace in which the keeper must have said that all is gone."""
ANSWER_DEADLINE = 5.0


class Order(TypedDict):
    """What a keeper is to start."""

    argv: list[str]
    cwd: str
    env: dict[str, str]


class SupervisedProcess:
    """A program below a keeper; see `Process`. Made by `prepare`."""

    def __init__(
        self, owner: ProcessOwner, control: socket.socket, readers: tuple[int, int], stdin: int
    ) -> None:
        self.owner = owner
        self.is_kept = False
        self.pid = 0
        self.exit_code: int | None = None
        self.stdout = PipeReader(readers[0])
        self.stderr = PipeReader(readers[1])
        self.stdin = PipeWriter(stdin) if stdin >= 0 else None
        self._control = control
        self._buffer = b""
        self._started = anyio.Event()
        self._exited = anyio.Event()
        self._gone = anyio.Event()
        self._failure: OSError | None = None
        self._is_lost = False
        self._answers: dict[int, asyncio.Future[list[BackgroundProcess]]] = {}
        self._asked = 0
        self._on_gone: list[Callable[[], None]] = []
        control.setblocking(False)
        asyncio.get_running_loop().add_reader(control.fileno(), self._hear)

    @classmethod
    def prepare(
        cls, owner: ProcessOwner, *, with_stdin: bool
    ) -> tuple["SupervisedProcess", list[int]]:
        """A process yet to begin, and the descriptors that its keeper needs, to be closed after."""
        ours: list[int] = []
        theirs: list[int] = []
        try:
            for end in socket.socketpair():
                (theirs if ours else ours).append(end.detach())
            for _ in range(2):
                _add(os.pipe2(os.O_CLOEXEC), ours, theirs)
            if with_stdin:
                reading, writing = os.pipe2(os.O_CLOEXEC)
                _add((writing, reading), ours, theirs)
                theirs.insert(1, theirs.pop())
        except OSError:
            for fd in [*ours, *theirs]:
                os.close(fd)
            raise
        control = socket.socket(fileno=ours[0])
        stdin = ours[3] if with_stdin else -1
        return cls(owner, control, (ours[1], ours[2]), stdin), theirs

    @property
    def is_gone(self) -> bool:
        """The program and everything that it started have ended."""
        return self._gone.is_set()

    def when_gone(self, callback: Callable[[], None]) -> None:
        """Call when nothing of it is left."""
        self._on_gone.append(callback)

    async def begin(self, order: Order) -> None:
        """Have the keeper start it.

        Raises:
            OSError: It could not be started.
            ProcessLost: There is no keeper.
        """
        message = json.dumps(order).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError, ConnectionError):
            await asyncio.get_running_loop().sock_sendall(self._control, message)
        await self._started.wait()
        if self._failure:
            raise self._failure
        if not self.pid:
            raise ProcessLost("The command could not be started.")

    async def wait(self) -> int:
        """The program's exit code; see `Process`."""
        await self._exited.wait()
        if self.exit_code is None or self._is_lost:
            raise ProcessLost("What watched over the command was ended.")
        return self.exit_code

    async def wait_gone(self) -> None:
        """Return when the program and everything that it started have ended."""
        await self._gone.wait()

    async def background(self) -> list[BackgroundProcess]:
        """What of it is running now, the program included; at most 100."""
        if self.is_gone:
            return []
        self._asked += 1
        number = self._asked
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            self._say(do="list", id=number)
            with anyio.move_on_after(ANSWER_DEADLINE):
                return await answer
            return []
        finally:
            del self._answers[number]

    def keep(self) -> None:
        """Let it outlive its run."""
        self.is_kept = True

    def release(self) -> None:
        """Read no more; output is thrown away from here on."""
        if self.stdin:
            self.stdin.close()
        for reader in (self.stdout, self.stderr):
            if self.is_gone:
                reader.close()
            else:
                reader.discard()

    async def terminate(self, grace: float = TERM_GRACE) -> None:
        """End the program and everything it started; see `Process`."""
        self._say(do="end", grace=grace)
        with anyio.CancelScope(shield=True), anyio.move_on_after(grace + GIVE_UP):
            await self._gone.wait()
            return
        self.abandon()

    def abandon(self) -> None:
        """Let go of it: without a control socket its keeper ends it, within a second."""
        self.release()
        self._finish()

    def _say(self, **what: Any) -> None:
        if not self.is_gone:
            # Some bytes into an empty socket: it does not block, unless the keeper is stopped.
            with contextlib.suppress(OSError):
                self._control.send(json.dumps(what).encode() + b"\n")

    def _hear(self) -> None:
        try:
            data = self._control.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._finish()
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._understand(json.loads(line))

    def _understand(self, said: dict[str, Any]) -> None:
        if "started" in said:
            self.pid = said["started"]
            self._started.set()
        elif "failed" in said:
            number, what = said["failed"]
            self._failure = OSError(number, os.strerror(number), what)
            self._finish()
        elif "exited" in said:
            self.exit_code = said["exited"]
            self._exited.set()
        elif "listed" in said:
            answer = self._answers.get(said["listed"])
            if answer and not answer.done():
                answer.set_result(
                    [
                        BackgroundProcess(pid=pid, command=command, is_kept=self.is_kept)
                        for pid, command in said["processes"]
                    ]
                )
        elif "lost" in said:
            self._is_lost = not self._exited.is_set()
        elif "gone" in said:
            self._finish()

    def _finish(self) -> None:
        if self.is_gone:
            return
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._control.close()
        for event in (self._started, self._exited, self._gone):
            event.set()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result([])
        for callback in self._on_gone:
            callback()


def _add(pair: tuple[int, int], ours: list[int], theirs: list[int]) -> None:
    ours.append(pair[0])
    theirs.append(pair[1])
