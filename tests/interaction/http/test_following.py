"""How much of a log is in memory for a reader who takes nothing of it."""

from pathlib import Path

import pytest

from open_agent.core.actor import Actor
from open_agent.services.missions import READ_BYTES
from tests.histories import begun
from tests.interaction.http.rig import OWNER, served
from tests.interaction.requirements import requirement


@requirement("missions:stream:slow-client")
@pytest.mark.parametrize("is_watched", [True, False])
async def test_a_reader_holds_little_however_large_events_are(
    tmp_path: Path, is_watched: bool
) -> None:
    large = begun().asked().answered("x" * 100_000).records[-1].event
    async with served(tmp_path, is_durable=False) as (rig, client):
        id_ = await rig.submit(client)
        missions = rig.services.missions
        mission = await missions.get(Actor(OWNER), id_)
        with missions.follow(mission) as early:
            await rig.work(id_, begun())
            for _ in range(20):
                await rig.append(id_, large)
            with missions.follow(mission) as late:
                follower = early if is_watched else late
                seen: list[int] = []
                while records := await follower.records():
                    size = sum(len(record.json) for record in records)
                    assert size <= READ_BYTES or len(records) == 1
                    seen += [record.seq for record in records]
        assert seen == list(range(1, 24))
