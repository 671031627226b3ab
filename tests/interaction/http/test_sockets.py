"""The server on real sockets: what only they can do to it."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from open_agent.core.ids import MissionId
from open_agent.server.connection import Connection
from open_agent.server.serving import bind, serve
from tests.histories import begun
from tests.interaction.http.rig import TOKEN, Rig, Stream, server
from tests.interaction.requirements import requirement

pytestmark = pytest.mark.slow

SEND_BUFFER = 32 * 1024
"""Small, so that a reader that does not read is felt soon."""


@pytest.fixture(
    scope="module",
    params=[("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})],
    ids=["asyncio", "uvloop"],
)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both event loops: the server runs on uvloop where there is one."""
    return request.param


class Impatient(Connection):
    """Waits a moment where the real one waits half a minute."""

    look = 0.05
    patience = 0.3


@asynccontextmanager
async def listening(folder: Path) -> AsyncGenerator[tuple[Rig, int]]:
    """A server on a free port, and the port."""
    async with server(folder, is_durable=False) as rig:
        listener = bind("127.0.0.1", 0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        port: int = listener.getsockname()[1]
        stop = asyncio.Event()

        async def drain() -> None:
            rig.feed.close()

        async with anyio.create_task_group() as group:

            async def run() -> None:
                await serve(rig.app, listener, drain=drain, stop=stop, connection=Impatient)

            group.start_soon(run)
            yield rig, port
            stop.set()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[tuple[Rig, int]]:
    async with listening(tmp_path) as pair:
        yield pair


async def ask(port: int, request: bytes) -> bytes:
    """Send bytes, and return all that comes back until the server closes or is silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = b""
    with contextlib.suppress(TimeoutError):
        while piece := await asyncio.wait_for(reader.read(65536), 0.3):
            answer += piece
    writer.close()
    return answer


def head(port: int, *lines: str, line: str = "GET /api/health HTTP/1.1") -> bytes:
    text = "\r\n".join([line, *lines, "", ""])
    return text.replace("PORT", str(port)).encode("latin-1")


@requirement("access:host:checked")
@pytest.mark.parametrize(
    ("status", "lines"),
    [
        (b"200", ["Host: 127.0.0.1:PORT"]),
        (b"200", ["Host: [::1]:PORT"]),
        (b"200", ["hOsT:LOCALHOST"]),
        (b"421", ["Host: evil.test"]),
        (b"400", ["Host: 127.0.0.1:PORT", "Host: evil.test"]),
        (b"400", ["Host: 127.0.0.1@evil.test"]),
        (b"400", ["Host:"]),
        (b"400", ["Host : 127.0.0.1:PORT"]),
        (b"400", []),
    ],
)
async def test_hosts_on_the_wire(running: tuple[Rig, int], status: bytes, lines: list[str]) -> None:
    answer = await ask(running[1], head(running[1], *lines))
    assert answer.startswith(b"HTTP/1.1 " + status), answer
    assert b"content-security-policy: default-src 'none'" in answer


@requirement("access:host:checked")
@pytest.mark.parametrize(
    "line",
    [
        "GET http://127.0.0.1:PORT/api/health HTTP/1.1",
        "GET http://evil.test/api/health HTTP/1.1",
        "GET https://evil.test HTTP/1.1",
        "GET evil.test/api/health HTTP/1.1",
        "CONNECT 127.0.0.1:PORT HTTP/1.1",
        "CONNECT evil.test:443 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET  HTTP/1.1",
        "nonsense",
        "GET /api/health HTTP/1.1 HTTP/1.1",
    ],
)
async def test_what_is_not_for_a_path_of_ours_is_refused(
    running: tuple[Rig, int], line: str
) -> None:
    answer = await ask(running[1], head(running[1], "Host: 127.0.0.1:PORT", line=line))
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert b'"code":"request.not_http"' in answer
    assert b"content-security-policy: default-src 'none'" in answer


@requirement("access:errors:shape")
@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: -1"],
        ["Transfer-Encoding: chunked, identity"],
    ],
)
async def test_a_body_of_two_lengths_is_refused(running: tuple[Rig, int], lines: list[str]) -> None:
    lines = ["Host: 127.0.0.1:PORT", f"Authorization: Bearer {TOKEN}", *lines]
    lines = [*lines, "Content-Type: application/json"]
    request = head(running[1], *lines, line="POST /api/task HTTP/1.1") + b"0\r\n\r\nGET /"
    assert (await ask(running[1], request)).startswith(b"HTTP/1.1 400")


@requirement("access:token:required")
async def test_a_websocket_is_refused_like_everything_else(running: tuple[Rig, int]) -> None:
    upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    lines = ["Host: 127.0.0.1:PORT", *upgrade, key]
    for path in ("/api/health", "/api/tasks", "/api/console/ws"):
        answer = await ask(running[1], head(running[1], *lines, line=f"GET {path} HTTP/1.1"))
        assert not answer.startswith(b"HTTP/1.1 101")
        assert answer.startswith(b"HTTP/1.1 401") or path == "/api/health"


@requirement("server:ready:draining")
@pytest.mark.timeout(20)
async def test_open_streams_do_not_hold_up_the_end(tmp_path: Path) -> None:
    streams: list[Stream] = []
    async with contextlib.AsyncExitStack() as stack:
        with anyio.fail_after(15):
            async with listening(tmp_path) as (rig, port):
                client = await stack.enter_async_context(client_at(port))
                id_ = await submit(client, rig)
                for number in range(50):
                    path = f"/api/{'task' if number % 2 else 'missions'}/{id_}/stream"
                    response = await stack.enter_async_context(client.stream("GET", path))
                    streams.append(Stream(response))
        for stream in streams:
            await stream.rest()
            assert any("stopping" in comment for comment in stream.reader.comments)


@requirement("missions:stream:slow-client")
@pytest.mark.timeout(40)
async def test_fifty_readers_that_never_read_cost_little_and_are_dropped(
    running: tuple[Rig, int],
) -> None:
    rig, port = running
    async with client_at(port) as client:
        id_ = await submit(client, rig)
        await rig.work(id_, begun())
        # There is little to send yet: none is dropped before the last of them has come.
        asleep = [never_reading(port, id_) for _ in range(50)]
        with anyio.fail_after(15):
            while rig.feed.watchers < 50:
                await anyio.sleep(0.01)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async with client.stream("GET", f"/api/missions/{id_}/stream") as response:
            awake = Stream(response)
            await fill(rig, id_, 600)
            await awake.take(604)
            with anyio.fail_after(15):
                while rig.feed.watchers > 1:
                    await anyio.sleep(0.02)
            await fill(rig, id_, 1)
            await awake.take(1)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert grown < 25, f"{grown} MB for 50 readers"
        assert all(is_cut(peer) for peer in asleep)
        for peer in asleep:
            peer.close()
        with anyio.fail_after(15):
            while rig.feed.watchers:
                await anyio.sleep(0.01)


@requirement("missions:stream:slow-client")
@pytest.mark.timeout(20)
async def test_a_slow_reader_that_reads_is_not_dropped(running: tuple[Rig, int]) -> None:
    rig, port = running
    async with client_at(port) as client:
        id_ = await submit(client, rig)
        await rig.work(id_, begun())
        await fill(rig, id_, 400)
        peer = asking(port, f"/api/missions/{id_}/events?limit=1000")
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        began = loop.time()
        seen = b""
        while not seen.endswith(b'"next":null}'):
            piece = await loop.sock_recv(peer, 4096)
            assert piece, "dropped though it reads"
            seen += piece
            await anyio.sleep(0.004)  # deliberate: a slow reader
        assert loop.time() - began > 1.5 * Impatient.patience
        peer.close()


@requirement("missions:stream:slow-client")
@pytest.mark.timeout(20)
async def test_readers_that_hang_up_leave_nothing(running: tuple[Rig, int]) -> None:
    rig, port = running
    async with client_at(port) as client:
        id_ = await submit(client, rig)
        for _ in range(20):
            peers = [never_reading(port, id_) for _ in range(10)]
            for number, peer in enumerate(peers):
                if number % 2:
                    linger = b"\1\0\0\0\0\0\0\0"
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                peer.close()
            await anyio.sleep(0)
        with anyio.fail_after(15):
            while rig.feed.watchers or len(asyncio.all_tasks()) > 12:
                await anyio.sleep(0.01)


@asynccontextmanager
async def client_at(port: int) -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        headers={"Authorization": f"Bearer {TOKEN}"},
        limits=httpx2.Limits(max_connections=200),
        timeout=10,
    ) as client:
        yield client


async def submit(client: httpx2.AsyncClient, rig: Rig) -> MissionId:
    with anyio.fail_after(15):
        while True:
            try:
                return await rig.submit(client)
            except httpx2.ConnectError:
                await anyio.sleep(0.01)


async def fill(rig: Rig, id_: MissionId, count: int) -> None:
    """Append so many events of a kilobyte each."""
    event = begun().asked().answered("x" * 1000).records[-1].event
    for _ in range(count):
        await rig.append(id_, event)


def never_reading(port: int, id_: MissionId) -> socket.socket:
    """A reader of a stream that takes nothing of it."""
    return asking(port, f"/api/missions/{id_}/stream")


def asking(port: int, path: str) -> socket.socket:
    """A connection with little room that has asked for `path` and read nothing."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.connect(("127.0.0.1", port))
    lines = [f"Host: 127.0.0.1:{port}", f"Authorization: Bearer {TOKEN}"]
    peer.sendall(head(port, *lines, line=f"GET {path} HTTP/1.1"))
    return peer


def is_cut(peer: socket.socket) -> bool:
    """Whether the server has let go of the connection."""
    peer.settimeout(1)
    try:
        while peer.recv(65536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True
