"""Blobs as files under `DATA_DIR/blobs/<mission>/<digest>`.

A file gets its name only when its content is safely on the disk, so a name that exists is whole.
Every touch of the disk happens in a thread.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import anyio.to_thread

from open_agent.core.errors import Invalid, NotFound, Unavailable
from open_agent.core.ids import MissionId, new_uuid
from open_agent.events.model.base import BlobRef

T = TypeVar("T")


class FileBlobs:
    """`BlobStore` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def writer(
        self, mission_id: MissionId, *, cap: int, media_type: str = "text/plain; charset=utf-8"
    ) -> "FileBlobWriter":
        """Begin a blob of at most `cap` bytes. Nothing touches the disk before the first write."""
        return FileBlobWriter(self._of(mission_id), cap, media_type)

    async def put(
        self, mission_id: MissionId, data: bytes, *, media_type: str = "text/plain; charset=utf-8"
    ) -> BlobRef:
        """Keep `data` and name it. Putting the same content twice keeps it once."""
        writer = self.writer(mission_id, cap=len(data), media_type=media_type)
        try:
            await writer.write(data)
            return await writer.finish()
        finally:
            await writer.discard()

    async def get(self, mission_id: MissionId, ref: BlobRef) -> bytes:
        """The content."""
        try:
            return await _in_thread(self.path(mission_id, ref).read_bytes)
        except FileNotFoundError as error:
            raise NotFound(
                "blob.not_found", f"The content {ref.digest} was deleted, or is not this mission's."
            ) from error

    def path(self, mission_id: MissionId, ref: BlobRef) -> Path:
        """Where the content lies, for tools that read files."""
        return self._of(mission_id) / ref.digest

    async def delete_all(self, mission_id: MissionId) -> None:
        """Delete everything that belongs to the mission."""
        folder = self._of(mission_id)
        await _in_thread(lambda: shutil.rmtree(folder) if folder.exists() else None)

    async def total_bytes(self, mission_id: MissionId) -> int:
        """What the mission's blobs occupy, those being written included."""
        folder = self._of(mission_id)
        return await _in_thread(lambda: _size(folder))

    def _of(self, mission_id: MissionId) -> Path:
        name = mission_id.replace("-", "").replace("_", "")
        if not (name.isascii() and name.isalnum()):
            raise Invalid("mission.id_invalid", f"{mission_id!r} is not the id of a mission.")
        return self._folder / mission_id


class FileBlobWriter:
    """One blob being written; see `BlobWriter`."""

    def __init__(self, folder: Path, cap: int, media_type: str) -> None:
        self._folder = folder
        self._left = cap
        self._media_type = media_type
        self._digest = hashlib.sha256()
        self._size = 0
        self._dropped = 0
        self._draft: Path | None = None
        self._file: BinaryIO | None = None

    @property
    def dropped(self) -> int:
        """Bytes that did not fit the cap."""
        return self._dropped

    async def write(self, data: bytes) -> None:
        """Add bytes; those beyond the cap are dropped and counted in `dropped`."""
        fitting = data[: self._left]
        self._left -= len(fitting)
        self._dropped += len(data) - len(fitting)
        if fitting:
            await _in_thread(lambda: self._write(fitting))

    async def finish(self) -> BlobRef:
        """Make it durable and name it."""
        await _in_thread(self._finish)
        return BlobRef(
            digest=self._digest.hexdigest(), size=self._size, media_type=self._media_type
        )

    async def discard(self) -> None:
        """Forget it; safe after `finish`, which it does not undo."""
        await _in_thread(self._discard)

    def _write(self, data: bytes) -> None:
        self._opened().write(data)
        self._digest.update(data)
        self._size += len(data)

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._folder.parent.mkdir(mode=0o700, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._draft = self._folder / f".draft-{new_uuid()}"
            descriptor = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._file = os.fdopen(descriptor, "wb")
        return self._file

    def _finish(self) -> None:
        file = self._opened()
        file.flush()
        os.fsync(file.fileno())
        file.close()
        if self._draft is not None:
            self._draft.replace(self._folder / self._digest.hexdigest())
            self._draft = None
        _sync_folder(self._folder)

    def _discard(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._draft is not None:
            self._draft.unlink(missing_ok=True)
            self._draft = None


async def _in_thread(work: Callable[[], T]) -> T:
    try:
        return await anyio.to_thread.run_sync(work)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable(
            "storage.failed",
            f"A file under DATA_DIR cannot be used: {error}. Make room on the disk or look after"
            " it, then try again.",
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make a new name durable: that of a file is its folder's data."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _size(folder: Path) -> int:
    if not folder.exists():
        return 0
    return sum(entry.stat().st_size for entry in os.scandir(folder) if entry.is_file())
