"""One port for the scripted models of all these tests, and clients that are in a hurry."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta

import pytest

from open_agent.core.clock import SystemClock
from open_agent.models.client import ModelClient
from open_agent.models.deadlines import Deadlines
from open_agent.models.encoding import Conversation
from open_agent.models.reply import ModelRequest
from open_agent.scripted.model import ScriptedModel
from open_agent.scripted.script import Script, Turn, always
from open_agent.scripted.server import ScriptedServer
from tests.histories import begun

KEY = "sk-secret-0123456789"

Connect = Callable[..., tuple[ModelClient, ScriptedModel]]


def quick(
    first_token: float = 30, silence: float = 30, total: float = 60, ending: float = 5
) -> Deadlines:
    """Deadlines in seconds; those that a test is not about are long."""
    return Deadlines(
        connect=timedelta(seconds=5),
        first_token=timedelta(seconds=first_token),
        silence=timedelta(seconds=silence),
        total=timedelta(seconds=total),
        ending=timedelta(seconds=ending),
    )


@pytest.fixture(scope="session")
def scripted() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
async def connect(scripted: ScriptedServer) -> AsyncIterator[Connect]:
    """Puts a script on the port and gives a client for it."""
    clients: list[ModelClient] = []

    def make(
        script: Script | Turn, deadlines: Deadlines | None = None
    ) -> tuple[ModelClient, ScriptedModel]:
        script = always(script) if isinstance(script, Turn) else script
        model, base_url = scripted.add(script)
        clients.append(ModelClient(base_url, KEY, SystemClock(), deadlines or quick()))
        return clients[-1], model

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
def request_() -> ModelRequest:
    """What a conversation that has just begun asks."""
    conversation = Conversation()
    for record in begun().records:
        conversation.apply(record)
    return conversation.encode_request("test/model", 100)
