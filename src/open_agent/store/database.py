"""Opening what we remember: one call in, everything that reads and writes it out."""

from pathlib import Path

import anyio.to_thread

from open_agent.core.clock import Clock
from open_agent.store.base import Database
from open_agent.store.data_dir import DataDir
from open_agent.store.sqlite.database import open_sqlite
from open_agent.store.sqlite.writer import OnStage


async def open_database(
    data_dir: Path,
    clock: Clock,
    *,
    url: str | None = None,
    on_stage: OnStage | None = None,
) -> Database:
    """Open the database of `data_dir`, or the PostgreSQL at `url` with `data_dir` beside it.

    Belongs to the running event loop. `on_stage` watches SQLite's commits.

    Raises:
        Conflict: Another server has the directory, or the database is newer or not ours.
        Unavailable: The directory or the database cannot be used.
    """
    directory = await anyio.to_thread.run_sync(lambda: DataDir.open(data_dir, is_shared=bool(url)))
    try:
        if url:
            # Of no use to those who stay on SQLite.
            from open_agent.store.postgres.database import open_postgres  # 90 ms

            return await open_postgres(directory, clock, url)
        return await open_sqlite(directory, clock, on_stage)
    except BaseException:
        directory.close()
        raise
