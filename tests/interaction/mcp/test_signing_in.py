"""Signing in to a server that wants it: the link, the way back, and what is kept of it."""

import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
import pytest

from open_agent.core.mcp import HttpTransport
from open_agent.mcp.client.ports import Place, SignInAnswer
from tests.interaction.mcp.rig import ANNA, configured, rig
from tests.interaction.requirements import requirement

pytestmark = [pytest.mark.timeout(60), pytest.mark.slow]
CALLBACK = "http://127.0.0.1:3000/api/mcp/oauth/callback"
OBJECT: dict[str, Any] = {"type": "object", "properties": {}}


@dataclass
class Authority:
    """A server that only lets in whoever has signed in with it, and what it was asked."""

    url: str = ""
    tokens: list[str] = field(default_factory=list[str])
    grants: list[str] = field(default_factory=list[str])
    registered: int = 0
    lifetime: int = 3600

    def token(self, form: dict[str, list[str]]) -> dict[str, Any]:
        self.grants.append(form["grant_type"][0])
        self.tokens.append(f"token-{len(self.tokens)}-canary")
        return {
            "access_token": self.tokens[-1],
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "refresh_token": "refresh-canary",
        }

    def rpc(self, body: dict[str, Any]) -> Any:
        match body["method"]:
            case "initialize":
                return {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "safe", "version": "0"},
                }
            case "tools/list":
                return {"tools": [{"name": "look", "inputSchema": OBJECT}]}
            case "tools/call":
                return {"content": [{"type": "text", "text": "let in"}]}
            case _:
                return None


@contextmanager
def authority() -> Generator[Authority]:  # noqa: C901 - the whole of a server
    """A server with its own authorisation server."""
    it = Authority()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if "oauth-protected-resource" in self.path:
                self.reply(200, {"resource": f"{it.url}/mcp", "authorization_servers": [it.url]})
            elif "oauth-authorization-server" in self.path:
                self.reply(
                    200,
                    {
                        "issuer": it.url,
                        "authorization_endpoint": f"{it.url}/authorize",
                        "token_endpoint": f"{it.url}/elsewhere/token",
                        "registration_endpoint": f"{it.url}/register",
                        "response_types_supported": ["code"],
                        "code_challenge_methods_supported": ["S256"],
                    },
                )
            else:
                self.reply(404, {})

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"] or 0))
            if self.path == "/register":
                it.registered += 1
                asked = json.loads(data)
                self.reply(201, {**asked, "client_id": "us"})
            elif self.path == "/elsewhere/token":
                self.reply(200, it.token(parse_qs(data.decode())))
            elif self.headers["authorization"] not in [f"Bearer {t}" for t in it.tokens[-1:]]:
                self.reply(401, {})
            else:
                body = json.loads(data)
                result = it.rpc(body)
                if result is None and body.get("id") is not None:
                    error = {"code": -32601, "message": "Method not found"}
                    self.reply(200, {"jsonrpc": "2.0", "id": body["id"], "error": error})
                elif body.get("id") is None:
                    self.reply(202, None)
                else:
                    self.reply(200, {"jsonrpc": "2.0", "id": body["id"], "result": result})

        def reply(self, status: int, value: Any) -> None:
            text = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            if status == 401:
                where = f"{it.url}/.well-known/oauth-protected-resource"
                self.send_header("www-authenticate", f'Bearer resource_metadata="{where}"')
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        it.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield it
        finally:
            server.shutdown()


@requirement("mcp:client:sign-in")
async def test_a_person_signs_in_once_and_runs_go_on_with_that(tmp_path: Path) -> None:
    with authority() as it:
        server = configured(HttpTransport(f"{it.url}/mcp"))
        async with rig(tmp_path) as made:
            assert "sign in to it first" in await made.refused(server, "look")
            async with anyio.create_task_group() as group:
                group.start_soon(made.pool.connect, server, Place(ANNA), CALLBACK)
                with anyio.fail_after(20):
                    while (url := made.pool.state(server.id, ANNA).sign_in_url) is None:
                        await anyio.sleep(0.01)
                query = parse_qs(urlsplit(url).query)
                assert query["redirect_uri"] == [CALLBACK]
                assert query["code_challenge_method"] == ["S256"]
                [state] = query["state"]
                assert not made.pool.sign_ins.come_back("another state", SignInAnswer("x"))
                assert made.pool.sign_ins.come_back(state, SignInAnswer("a code"))
                assert not made.pool.sign_ins.come_back(state, SignInAnswer("again"))
            assert made.pool.state(server.id, ANNA).sign_in_url is None
            assert (await made.call(server, "look")).text == "let in"
            kept = dict(made.keeper.oauth)
            assert "token-0-canary" in kept["tokens"]
        async with rig(tmp_path) as made:
            made.keeper.oauth.update(kept)
            assert (await made.call(server, "look")).text == "let in"
            assert it.grants == ["authorization_code"]
        async with rig(tmp_path) as made:
            made.keeper.oauth.update({**kept, "expires_at": str(time.time() - 10)})
            assert (await made.call(server, "look")).text == "let in"
            assert it.grants == ["authorization_code", "refresh_token"]
            assert "token-1-canary" in made.keeper.oauth["tokens"]
        assert it.registered >= 1
        assert httpx2.get(f"{it.url}/nothing").status_code == 404
