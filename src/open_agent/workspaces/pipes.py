"""Our ends of the pipes to a process, without a thread or a buffer of our own."""

import asyncio
import contextlib
import os

import anyio
import anyio.lowlevel

READ_SIZE = 256 * 1024


class PipeReader:
    """Reads what a process writes."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._is_discarding = False

    async def read(self) -> bytes:
        """The next bytes, as they come; empty at the end."""
        while self._fd >= 0 and not self._is_discarding:
            try:
                data = os.read(self._fd, READ_SIZE)
            except BlockingIOError:
                with contextlib.suppress(anyio.ClosedResourceError):
                    await anyio.wait_readable(self._fd)
                continue
            if not data:
                self.close()
            # Whoever writes fast must not keep everything else from running.
            await anyio.lowlevel.checkpoint()
            return data
        return b""

    def discard(self) -> None:
        """Throw away what comes from now on, until the end."""
        if self._fd >= 0 and not self._is_discarding:
            self._is_discarding = True
            # Whoever waits for more gets the end.
            anyio.notify_closing(self._fd)
            asyncio.get_running_loop().add_reader(self._fd, self._drop)

    def close(self) -> None:
        """Read no more; a process that still writes gets a broken pipe."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            if self._is_discarding:
                asyncio.get_running_loop().remove_reader(fd)
            else:
                anyio.notify_closing(fd)
            os.close(fd)

    def _drop(self) -> None:
        try:
            if not os.read(self._fd, READ_SIZE):
                self.close()
        except BlockingIOError:
            pass


class PipeWriter:
    """Writes what a process reads."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd

    async def write(self, data: bytes) -> None:
        """Write all of it; see `ByteWriter`."""
        rest = memoryview(data)
        while rest:
            if self._fd < 0:
                raise BrokenPipeError
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                with contextlib.suppress(anyio.ClosedResourceError):
                    await anyio.wait_writable(self._fd)

    def close(self) -> None:
        """Tell the reader that this was all."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            anyio.notify_closing(fd)
            os.close(fd)
