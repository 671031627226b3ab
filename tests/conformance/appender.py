"""A process that appends to a shared PostgreSQL, and prints what it was told is durable.

`python -m tests.conformance.appender URL DATA_DIR OWNER COUNT MISSION…`: says its slot, waits for a
line, then appends to the missions given, from several tasks at once, with external messages between.
"""

import json
import sys
from pathlib import Path

import anyio

from open_agent.core.clock import SystemClock
from open_agent.core.ids import MissionId, UserId, new_uuid
from open_agent.store.base import Database
from open_agent.store.database import open_database
from tests.conformance.making import message, note


async def append(db: Database, owner: UserId, mission_id: MissionId, count: int) -> None:
    """Append and say so, by what makes each event unlike any other."""
    for number in range(count):
        nonce = new_uuid()
        if number % 3:
            done = await db.log.append(mission_id, 0, [note(nonce)], run_id=None, known_seq=10**9)
        else:
            said = message(nonce, owner=owner)
            done = await db.log.append_external(mission_id, said, key=nonce, owner=owner)
        (record,) = done.records
        told = [mission_id, record.seq, record.owner_seq, nonce]
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


async def main(*arguments: str) -> None:
    """Append to every mission at once."""
    url, data_dir, owner, count, *missions = arguments
    async with await open_database(Path(data_dir), SystemClock(), url=url) as db:
        sys.stdout.write(json.dumps(db.slot) + "\n")
        sys.stdout.flush()
        await anyio.to_thread.run_sync(sys.stdin.readline)
        async with anyio.create_task_group() as group:
            for mission_id in missions:
                group.start_soon(append, db, UserId(owner), MissionId(mission_id), int(count))


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
