"""What several tests of the server share."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.interaction.http.rig import served


@pytest.fixture
async def unchanging(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an empty server."""
    async with served(tmp_path, is_durable=False) as (_, client):
        yield client
