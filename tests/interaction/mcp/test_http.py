"""A server at an address, spoken to by streamable HTTP."""

import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import pytest

from open_agent.core.mcp import HttpTransport, McpSecret, SecretKind
from open_agent.mcp.client.failures import ServerFailed
from open_agent.mcp.client.ports import Place
from tests.interaction.mcp.rig import ANNA, configured, rig
from tests.interaction.requirements import requirement

pytestmark = [pytest.mark.timeout(60), pytest.mark.slow]
HERE = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


@contextmanager
def listening(program: str, *args: str, port: int) -> Generator[None]:
    """A program that listens on a port for as long as the context lasts."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / f"{program}.py"), *args], stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 20
        while True:
            with socket.socket() as trying:
                if trying.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()


@requirement("mcp:client:http")
async def test_a_server_at_an_address_is_called_and_reached_again_when_it_comes_back(
    tmp_path: Path,
) -> None:
    port = free_port()
    server = configured(HttpTransport(f"http://127.0.0.1:{port}/mcp"), call_seconds=5)
    async with rig(tmp_path) as made:
        assert await made.refused(server, "add", a=1, b=2)
        with listening("small_server", "http", str(port), port=port):
            assert (await made.call(server, "add", a=1, b=2)).text == "3"
            assert made.pool.state(server.id, ANNA).protocol == "2026-07-28"
            said: list[str] = []
            with anyio.fail_after(10):
                assert (await made.call(server, "wait", seconds=0.3)).text == "waited"
            assert said == []
        assert await made.refused(server, "add", a=1, b=2)
        with listening("small_server", "http", str(port), port=port), anyio.fail_after(30):
            while not made.pool.state(server.id, ANNA).is_open:
                with suppress(ServerFailed):
                    await made.pool.connect(server, Place(ANNA))
                await anyio.sleep(0.05)
            assert (await made.call(server, "add", a=2, b=2)).text == "4"


@requirement("mcp:client:http")
async def test_headers_and_the_query_are_sent_and_what_goes_wrong_is_told(tmp_path: Path) -> None:
    port = free_port()
    transport = HttpTransport(f"http://127.0.0.1:{port}/mcp?key=")
    server = configured(transport, call_seconds=3)
    async with rig(tmp_path) as made:
        made.keeper.held += [
            McpSecret(SecretKind.HEADER, "Authorization", "Bearer canary"),
            McpSecret(SecretKind.QUERY, "key", "another canary"),
        ]
        with listening("hostile_http", str(port), port=port):
            shown = await made.call(server, "seen")
            assert shown.text[::-1] == "Bearer canary key=another+canary"
            assert (await made.call(server, "repeats")).text == "**** key=****"
            assert "8,388,608 bytes" in await made.refused(server, "long")
            assert "within 3 seconds" in await made.refused(server, "hangs")
            assert "HTTP 500. That is the server's own failure" in await made.refused(
                server, "fails"
            )
            assert "HTTP 401. It does not take our" in await made.refused(server, "forbids")
            assert "It refused: not today" in await made.refused(server, "refuses")
            assert (await made.call(server, "session")).text == "begun anew"
