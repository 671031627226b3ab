"""Processes as descendants of the supervisor, which ends them when this server ends.

The client's half of `workspaces/supervisor`: one socket to the supervisor that only ever asks for
another keeper, and one socket to each keeper. There is no task in the background: the event loop
calls when a keeper says something.
"""

import asyncio
import contextlib
import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import anyio
from anyio import to_thread

from open_agent.core.errors import Unavailable
from open_agent.core.ids import MissionId, RunId
from open_agent.workspaces.keeping import Order, SupervisedProcess
from open_agent.workspaces.processes import SERVER, KeptTree, ProcessLost, ProcessOwner

START_DEADLINE = 30.0
CLOSE_DEADLINE = 15.0

_PACKAGES = Path(__file__).resolve().parents[2]
_BOOT = (
    "import sys; sys.path.append(sys.argv[1]);"
    "from open_agent.workspaces.supervisor.main import main;"
    "main(int(sys.argv[2]), sys.argv[3])"
)


async def wait_for_predecessor(lock_path: Path, *, seconds: float) -> None:
    """Return when nothing runs any more that an earlier server on `lock_path` had started.

    Raises:
        Unavailable: Something still does after so many seconds (`processes.still_running`).
    """
    with anyio.move_on_after(seconds):
        while not _is_free(lock_path):  # noqa: ASYNC110  # another process's lock; nothing tells us
            await anyio.sleep(0.02)
        return
    raise Unavailable(
        "processes.still_running",
        "Commands of the server that ran here before have not ended. Find them with"
        f" `fuser {lock_path}`, end them, and start again.",
    )


def _is_free(lock_path: Path) -> bool:
    try:
        lock = os.open(lock_path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


class SupervisedProcesses:
    """Starts processes below one supervisor, which starts with the first of them.

    Args:
        lock_path: The file whose lock says that something still runs; see
            `wait_for_predecessor`. Its folder exists.
    """

    def __init__(self, lock_path: Path) -> None:
        self._lock_path = lock_path
        self._supervisor: _Supervisor | None = None
        self._starting: asyncio.Future[_Supervisor] | None = None
        self._sending = anyio.Lock()
        self._processes: set[SupervisedProcess] = set()

    async def __aenter__(self) -> "SupervisedProcesses":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def supervisor_pid(self) -> int | None:
        """The supervisor's, while there is one."""
        return self._supervisor.pid if self._supervisor else None

    async def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        owner: ProcessOwner = SERVER,
        stdin: bool = False,
    ) -> SupervisedProcess:
        """Start a program; see `ProcessPort`."""
        process, theirs = SupervisedProcess.prepare(owner, with_stdin=stdin)
        self._processes.add(process)
        process.when_gone(lambda: self._processes.discard(process))
        try:
            await self._hand_over(theirs)
            with anyio.fail_after(START_DEADLINE):
                await process.begin(Order(argv=list(argv), cwd=str(cwd), env=dict(env)))
        except BaseException as error:
            # Whatever began ends with its control socket, cancellation included.
            process.abandon()
            if isinstance(error, TimeoutError):
                raise ProcessLost("The command did not start in time.") from None
            raise
        finally:
            _close(theirs)
        return process

    async def end_run(self, run_id: RunId) -> None:
        """End every process of the run that is not kept."""
        await _end(
            process
            for process in self._processes
            if process.owner.run_id == run_id and not process.is_kept
        )

    async def end_mission(self, mission_id: MissionId) -> None:
        """End every process of the mission, kept ones too."""
        await _end(process for process in self._processes if process.owner.mission_id == mission_id)

    async def list_kept(self, mission_id: MissionId | None = None) -> list[KeptTree]:
        """What is kept and still runs; of one mission, or of all."""
        return [
            KeptTree(process.owner, tuple(running))
            for process in self._kept(mission_id)
            if (running := await process.background())
        ]

    async def end_kept(self, mission_id: MissionId, pid: int) -> bool:
        """End the mission's kept tree that has the process `pid`; whether there was one."""
        for process in self._kept(mission_id):
            if pid in {running.pid for running in await process.background()}:
                await process.terminate()
                return True
        return False

    async def close(self) -> None:
        """End everything that was started here, and the supervisor."""
        if self._starting is not None:
            with anyio.CancelScope(shield=True):
                await self._start_supervisor()
        supervisor, self._supervisor = self._supervisor, None
        for process in list(self._processes):
            process.abandon()
        if supervisor:
            with anyio.CancelScope(shield=True):
                await supervisor.close()

    def _kept(self, mission_id: MissionId | None) -> list[SupervisedProcess]:
        return [
            process
            for process in self._processes
            if process.is_kept and mission_id in (None, process.owner.mission_id)
        ]

    async def _hand_over(self, fds: list[int]) -> None:
        """Ask for a keeper that has these descriptors."""
        async with self._sending:
            for _ in range(2):
                if self._supervisor is None:
                    await self._start_supervisor()
                assert self._supervisor is not None
                if not self._supervisor.has_ended():
                    with contextlib.suppress(ConnectionError):
                        await self._supervisor.send(fds)
                        return
                await self._supervisor.close()
                self._supervisor = None
            raise ProcessLost("The supervisor of commands does not start.")

    async def _start_supervisor(self) -> None:
        """Start one; a caller who is cancelled leaves it to the next."""
        if self._starting is None:
            # 25 ms, of which the event loop sees nothing.
            start = to_thread.run_sync(_Supervisor, self._lock_path)
            self._starting = asyncio.ensure_future(start)
        starting = self._starting
        try:
            await asyncio.shield(starting)
        finally:
            if starting.done():
                self._starting = None
                if starting.exception() is None:
                    self._supervisor = starting.result()


class _Supervisor:
    """The supervisor as a child of ours."""

    def __init__(self, lock_path: Path) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        with theirs:
            arguments = [str(_PACKAGES), str(theirs.fileno()), str(lock_path.absolute())]
            self._program = subprocess.Popen(
                [sys.executable, "-I", "-S", "-E", "-X", "utf8", "-c", _BOOT, *arguments],
                env={},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._program.pid

    def has_ended(self) -> bool:
        return self._program.poll() is not None

    async def send(self, fds: list[int]) -> None:
        while True:
            try:
                socket.send_fds(self._socket, [b"\0"], fds)
                return
            except BlockingIOError:
                await anyio.wait_writable(self._socket)

    async def close(self) -> None:
        self._socket.close()
        try:
            await to_thread.run_sync(self._program.wait, CLOSE_DEADLINE)
        except subprocess.TimeoutExpired:
            self._program.kill()
            await to_thread.run_sync(self._program.wait)


async def _end(processes: Iterable[SupervisedProcess]) -> None:
    async with anyio.create_task_group() as group:
        for process in list(processes):
            group.start_soon(process.terminate)


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
