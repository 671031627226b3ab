"""Content too large for an event: written once, named by its digest, deleted with its mission.

`store/blobs.py` keeps it as files under `DATA_DIR`.
"""

from pathlib import Path
from typing import Protocol

from open_agent.core.ids import MissionId
from open_agent.events.model.base import BlobRef


class BlobWriter(Protocol):
    """One blob being written. Nothing exists under its digest until `finish`."""

    async def write(self, data: bytes) -> None:
        """Add bytes; those beyond the cap are dropped and counted in `dropped`."""
        ...

    @property
    def dropped(self) -> int:
        """Bytes that did not fit the cap."""
        ...

    async def finish(self) -> BlobRef:
        """Make it durable and name it."""
        ...

    async def discard(self) -> None:
        """Forget it; safe after `finish`, which it does not undo."""
        ...


class BlobStore(Protocol):
    """Where blobs are."""

    def writer(
        self, mission_id: MissionId, *, cap: int, media_type: str = "text/plain; charset=utf-8"
    ) -> BlobWriter:
        """Begin a blob of at most `cap` bytes. Nothing touches the disk before the first write."""
        ...

    async def put(
        self, mission_id: MissionId, data: bytes, *, media_type: str = "text/plain; charset=utf-8"
    ) -> BlobRef:
        """Keep `data` and name it. Putting the same content twice keeps it once."""
        ...

    async def get(self, mission_id: MissionId, ref: BlobRef) -> bytes:
        """The content.

        Raises:
            NotFound: It was deleted, or never belonged to this mission (`blob.not_found`).
        """
        ...

    def path(self, mission_id: MissionId, ref: BlobRef) -> Path:
        """Where the content lies, for tools that read files."""
        ...

    async def delete_all(self, mission_id: MissionId) -> None:
        """Delete everything that belongs to the mission."""
        ...

    async def total_bytes(self, mission_id: MissionId) -> int:
        """What the mission's blobs occupy."""
        ...
