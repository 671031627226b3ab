"""A workspace on the host itself: the agent can do whatever our user can.

Blocking work runs in threads that are left behind when a call is cancelled, so that a dead network
drive costs some threads of this workspace and nothing else.
"""

import contextlib
import errno
import io
import itertools
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from open_agent.core.ids import new_uuid
from open_agent.workspaces.base import Entries, Entry, kind_of
from open_agent.workspaces.environment import process_environment
from open_agent.workspaces.processes import Process, ProcessOwner, ProcessPort

T = TypeVar("T")

THREADS = 8
"""At once for one workspace."""


class LocalWorkspace:
    """A directory of this machine, without isolation; see `Workspace`.

    Args:
        root: The working directory; it exists.
        processes: What starts processes.
        environment: What processes may know; see `process_environment`.
        programs: Where programs that come with us are, by name.
    """

    def __init__(
        self,
        root: Path,
        processes: ProcessPort,
        environment: Mapping[str, str],
        programs: Mapping[str, str] | None = None,
    ) -> None:
        self.root = Path(os.path.abspath(root))  # noqa: PTH100
        self._processes = processes
        self._environment = process_environment(environment)
        self._programs = dict(programs or {})
        self._threads = CapacityLimiter(THREADS)

    def resolve(self, path: str) -> Path:
        """An absolute path; see `Workspace`."""
        if "\0" in path:
            raise OSError(errno.EINVAL, "A path cannot contain a NUL character")
        try:
            os.fsencode(path)
        except UnicodeEncodeError:
            raise OSError(errno.EINVAL, "The path is not valid text") from None
        if path == "~" or path.startswith("~/"):
            path = self._environment.get("HOME", "~") + path[1:]
        # Not resolved: a link's name is what the model knows, and what `..` means the system knows.
        return self.root / path

    def environment(self) -> dict[str, str]:
        """What processes get as their environment."""
        return dict(self._environment)

    def program(self, name: str) -> str:
        """How to call a program."""
        return self._programs.get(name, name)

    async def start(
        self,
        argv: Sequence[str],
        *,
        owner: ProcessOwner,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bool = False,
    ) -> Process:
        """Start a program; see `Workspace`."""
        return await self._processes.start(
            argv,
            cwd=cwd or self.root,
            env={**self._environment, **(env or {})},
            owner=owner,
            stdin=stdin,
        )

    async def stat(self, path: Path) -> os.stat_result:
        """What is known of a file."""
        return await self._in_thread(os.stat, path)

    async def read_with(self, path: Path, reader: Callable[[io.FileIO], T]) -> T:
        """Read a regular file; see `Workspace`."""

        def read() -> T:
            with open_regular(path) as file:
                return reader(file)

        return await self._in_thread(read)

    async def write(self, path: Path, data: bytes) -> None:
        """Replace a file's content; see `Workspace`."""
        await self._in_thread(write_whole, path, data)

    async def delete(self, path: Path) -> None:
        """Delete a file or a link."""
        await self._in_thread(os.unlink, path)

    async def list(self, path: Path, *, limit: int) -> Entries:
        """What is in a directory."""
        return await self._in_thread(_list, path, limit)

    async def _in_thread(self, function: Callable[..., T], *args: object) -> T:
        return await to_thread.run_sync(
            function, *args, abandon_on_cancel=True, limiter=self._threads
        )


def open_regular(path: Path) -> io.FileIO:
    """Open a regular file for reading, without waiting for anything.

    Raises:
        OSError: It cannot be opened, or is a directory, a pipe, a socket or a device.
    """
    # Opening a pipe waits for a writer, reading a device may never end.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        _refuse_irregular(os.fstat(fd), path)
    except OSError:
        os.close(fd)
        raise
    return _Regular(fd, "r")


class _Regular(io.FileIO):
    """A file of which nothing comes where others would have to wait (some of `/proc`)."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(-1 if size is None else size) or b""


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file's content so that no reader, and no crash, ever sees half of it."""
    # Through a link: it is the file that changes, not the link.
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    before: os.stat_result | None = None
    with contextlib.suppress(FileNotFoundError):
        before = target.stat()
    if before:
        _refuse_irregular(before, path)
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "The file is read-only", str(path))
    # Short, for names may be 255 bytes long.
    temporary = target.with_name(f".open-agent-{new_uuid()}.tmp")
    try:
        _write_new(temporary, data, before)
    except PermissionError:
        if before is None:
            raise
        # The file may be changed though its directory may not: then it is changed in place.
        target.write_bytes(data)
        return
    try:
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(target.parent)


def _write_new(path: Path, data: bytes, like: os.stat_result | None) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with io.FileIO(fd, "w") as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            if like:
                if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                    with contextlib.suppress(PermissionError):
                        os.fchown(fd, like.st_uid, like.st_gid)
                os.fchmod(fd, stat.S_IMODE(like.st_mode))
            os.fsync(fd)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _sync_directory(path: Path) -> None:
    # Some file systems cannot: then the new name lasts when they say so.
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _refuse_irregular(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(
            errno.EINVAL, f"It is {kind_of(found.st_mode)}, not a regular file", str(path)
        )


def _list(path: Path, limit: int) -> Entries:
    with os.scandir(path) as scan:
        found = [_entry(item) for item in itertools.islice(scan, limit + 1)]
    kept = sorted(found[:limit], key=lambda entry: entry.name)
    return Entries(tuple(kept), is_cut=len(found) > limit)


def _entry(item: os.DirEntry[str]) -> Entry:
    target: str | None = None
    is_directory = False
    with contextlib.suppress(OSError):
        if item.is_symlink():
            target = str(Path(item.path).readlink())
        is_directory = item.is_dir(follow_symlinks=False)
    return Entry(item.name, is_directory, target)
