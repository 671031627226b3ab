"""The first start: the servers that come with us, and those that the original had.

Each is added once. What was deleted stays deleted, and a file is read and never written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pydantic_core
import structlog
from anyio import to_thread

from open_agent.core.clock import Clock
from open_agent.core.errors import Invalid
from open_agent.core.ids import DEFAULT_OWNER, is_uuid, new_uuid
from open_agent.core.mcp import McpSecret, McpServer
from open_agent.mcp.client.presets import HOST, PRESETS, missing
from open_agent.services.mcp.directory import McpDirectory
from open_agent.services.mcp.drafts import checked_transport
from open_agent.services.mcp.importing import Entry, read_servers

FOLDERS = (".openagent", ".open_agent")
"""Below `WORKING_DIR`: where the original keeps its servers, and where it once did."""
MOST_BYTES = 4 * 1024 * 1024
_ORIGINAL = "original"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Seeds:
    """What is added at the first start.

    Args:
        directory: Where it is added.
        clock: Tells the time.
        working_dir: Below which the original kept its servers.
        search_path: Where programs are looked for.
    """

    directory: McpDirectory
    clock: Clock
    working_dir: Path
    search_path: str

    async def sow(self) -> None:
        """Add what was not added before. A file that cannot be read is named in the log."""
        await self.directory.refresh()
        seeded = self.directory.seeded
        taken: dict[str, Entry] = {}
        try:
            if _ORIGINAL not in seeded:
                taken = await self._take_over()
        except Invalid as error:
            log.warning("mcp.import_unreadable", problem=error.message)
        for preset in PRESETS:
            if preset.name in seeded or not await self.directory.rows.seed_for_system(preset.name):
                continue
            entry = taken.get(preset.name)
            transport, secrets = preset.transport, tuple[McpSecret, ...]()
            if entry is not None and entry.draft.transport is not None:
                secrets = checked_transport(entry.draft.transport, None, ()).put
            lacks = await to_thread.run_sync(
                missing, preset.name, transport.command, self.search_path
            )
            await self._add(
                McpServer(
                    id=_id_of(entry),
                    owner_id=DEFAULT_OWNER,
                    is_shared=True,
                    name=preset.name,
                    transport=transport,
                    created_at=self.clock.now(),
                    description=preset.description,
                    # Missions have the tools of the original's `host` without it.
                    is_enabled=bool(entry and entry.draft.is_enabled)
                    and not lacks
                    and preset.name != HOST,
                    preset=preset.name,
                    is_per_mission=preset.is_per_mission,
                ),
                secrets,
            )
        await self.directory.refresh()

    async def _take_over(self) -> dict[str, Entry]:
        """Add the original's servers; those that we have too are left to the caller."""
        read = await to_thread.run_sync(self._read)
        if read is None:
            return {}
        path, entries = read
        if not await self.directory.rows.seed_for_system(_ORIGINAL):
            return {}
        ours = {entry.preset: entry for entry in entries if entry.preset}
        for entry in entries:
            draft = entry.draft
            if entry.preset or draft.transport is None:
                continue
            checked = checked_transport(draft.transport, None, ())
            await self._add(
                McpServer(
                    id=_id_of(entry),
                    owner_id=DEFAULT_OWNER,
                    is_shared=True,
                    name=(draft.name or "").strip(),
                    transport=checked.transport,
                    created_at=self.clock.now(),
                    description=draft.description,
                    is_enabled=draft.is_enabled is not False,
                ),
                checked.put,
            )
        log.info("mcp.imported", path=str(path), servers=len(entries))
        return ours

    def _read(self) -> tuple[Path, list[Entry]] | None:
        for folder in FOLDERS:
            path = self.working_dir / folder / "mcp" / "config.json"
            if path.is_file():
                return path, read_servers(read_json(path), where=str(path))
        return None

    async def _add(self, server: McpServer, secrets: Sequence[McpSecret]) -> None:
        added = await self.directory.rows.add(server, secrets, owner=server.owner_id)
        if not added:
            log.info("mcp.name_taken", server=server.name)


def read_json(path: Path) -> object:
    """What a file says.

    Raises:
        Invalid: It cannot be read, or is no JSON (`mcp.import_unreadable`).
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ValueError("it is larger than 4 MB")
        return pydantic_core.from_json(data)
    except (OSError, ValueError) as error:
        raise Invalid(
            "mcp.import_unreadable",
            f"{path} cannot be read ({error}). It is left as it is; mend it, or move it away.",
        ) from error


def _id_of(entry: Entry | None) -> str:
    return entry.id if entry is not None and is_uuid(entry.id) else new_uuid()
