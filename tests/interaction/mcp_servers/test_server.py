"""`/mcp` of the real server as a process: raw sockets, and its end."""

import socket
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from open_agent.scripted.script import always
from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess
from tests.interaction.http.mcp_client import HEADERS, INITIALIZE, SESSION
from tests.interaction.requirements import requirement


@pytest.fixture
def server(tmp_path: Path) -> Generator[ServerProcess]:
    """A server that nobody else uses."""
    with (
        ScriptedServer(always("Hello.")) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url) as running,
    ):
        yield running


def ask(url: str, *lines: str, body: bytes = b"") -> bytes:
    """The head of what comes back for a request written by hand."""
    host, port = url.removeprefix("http://").split(":")
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "Connection: close", "", ""])
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.replace("PORT", port).encode("latin-1") + body)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


@requirement("mcp-servers:http:perimeter")
def test_evil_hosts_and_origins_on_the_wire(server: ServerProcess) -> None:
    hello = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    json = ["Content-Type: application/json", "Accept: application/json, text/event-stream"]
    cases = [
        ("POST /mcp HTTP/1.1", ["Host: 127.0.0.1:PORT"], b"400"),  # let in: there is no session
        ("POST /mcp HTTP/1.1", ["Host: evil.test"], b"421"),
        ("POST /mcp HTTP/1.1", ["Host: 127.0.0.1.evil.test"], b"421"),
        ("POST /mcp HTTP/1.1", ["Host: 127.0.0.1@evil.test"], b"400"),
        ("POST /mcp HTTP/1.1", ["Host:"], b"400"),
        ("POST /mcp HTTP/1.1", ["Host: 127.0.0.1:PORT", "Host: evil.test"], b"400"),
        ("POST http://evil.test/mcp HTTP/1.1", ["Host: 127.0.0.1:PORT"], b"400"),
        ("POST /mcp HTTP/1.1", ["Host: 127.0.0.1:PORT", "Origin: http://evil.test"], b"403"),
        ("POST /mcp HTTP/1.1", ["Host: 127.0.0.1:PORT", "Origin: null"], b"403"),
        ("GET /mcp HTTP/1.1", ["Host: evil.test"], b"421"),
    ]
    for line, headers, status in cases:
        body = hello if line.startswith("POST") else b""
        answer = ask(server.url, line, *headers, *json, body=body)
        assert answer.startswith(b"HTTP/1.1 " + status), (line, headers, answer)


@requirement("mcp-servers:http:drain")
def test_the_server_stops_while_clients_have_streams_open(server: ServerProcess) -> None:
    with httpx2.Client(base_url=server.url, headers=HEADERS, timeout=20) as client:
        session = client.post("/mcp", json=INITIALIZE).headers[SESSION]
        client.headers[SESSION] = session
        with client.stream("GET", "/mcp") as stream:
            assert stream.status_code == 200
            assert server.terminate(seconds=20) == 0
            assert stream.read() == b""
