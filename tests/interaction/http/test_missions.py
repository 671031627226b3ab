"""The event view in pages."""

import json
from pathlib import Path
from typing import Any

from tests.histories import begun
from tests.interaction.http.rig import served
from tests.interaction.requirements import requirement


@requirement("missions:events:paged")
async def test_events_are_read_in_pages_both_ways(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client)
        await rig.work(id_, begun().tool_step().asked().answered("Done.").finished())
        stored = [json.loads(record.json) for record in await rig.records(id_)]
        path = f"/api/missions/{id_}/events"

        async def page(**query: Any) -> tuple[list[Any], int | None]:
            body = (await client.get(path, params=query)).json()
            assert list(body) == ["items", "next"]
            return body["items"], body["next"]

        assert await page() == (stored, None)
        assert await page(limit=10) == (stored, None)
        assert await page(limit=4) == (stored[:4], 4)
        assert await page(limit=4, after=4) == (stored[4:8], 8)
        assert await page(limit=4, after=8) == (stored[8:], None)
        assert await page(after=10) == ([], None)
        assert await page(after=2**53 - 1) == ([], None)
        assert await page(before=1) == ([], None)
        assert await page(before=0) == ([], None)
        assert await page(before=5) == (stored[:4], None)
        assert await page(before=9, limit=3) == (stored[5:8], None)
        assert await page(before=2**53 - 1, limit=3) == (stored[7:], None)
        assert await page(after=2, before=9, limit=3) == (stored[2:5], 5)
        assert await page(after=5, before=9, limit=3) == (stored[5:8], None)
        assert await page(after=9, before=3) == ([], None)
        for query in ("after=-1", "after=x", "limit=0", "limit=1001", f"before={2**70}", "after="):
            reply = await client.get(f"{path}?{query}")
            assert reply.json()["error"]["code"] == "request.invalid"
