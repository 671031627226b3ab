"""A server at an address that tells what it sees, and does what one should not."""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OBJECT: dict[str, Any] = {"type": "object", "properties": {}}
sessions: list[str] = []


class Handler(BaseHTTPRequestHandler):
    """Answers each request by itself."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        method, id_ = body["method"], body.get("id")
        session = self.headers.get("mcp-session-id")
        if id_ is None:
            self.reply(202, None)
        elif method == "initialize":
            sessions.append(f"session-{len(sessions)}")
            info = {"name": "hostile", "version": "0"}
            capabilities: dict[str, Any] = {"tools": {}}
            result = {"protocolVersion": "2025-06-18", "capabilities": capabilities}
            self.answer(id_, {**result, "serverInfo": info}, session=sessions[-1])
        elif session is not None and session != sessions[-1]:
            self.reply(404, {"jsonrpc": "2.0", "id": None})
        elif method == "tools/list":
            names = ["seen", "repeats", "long", "hangs", "fails", "forbids", "refuses", "session"]
            self.answer(id_, {"tools": [{"name": n, "inputSchema": OBJECT} for n in names]})
        elif method == "tools/call":
            self.call(id_, body["params"]["name"], str(session))
        else:
            error = {"code": -32601, "message": "Method not found"}
            self.reply(200, {"jsonrpc": "2.0", "id": id_, "error": error})

    def call(self, id_: Any, name: str, session: str) -> None:
        """Do what is wrong."""
        match name:
            case "long":
                self.text(id_, "x" * 10_000_000)
            case "hangs":
                time.sleep(30)  # deliberate: it hangs
            case "fails":
                self.reply(500, None)
            case "forbids":
                self.reply(401, {"error": "unauthorized"})
            case "refuses":
                error = {"code": -32000, "message": "not today"}
                self.reply(400, {"jsonrpc": "2.0", "id": None, "error": error})
            case "session":
                # Forgets the session once, so that the client has to begin anew.
                if len(sessions) < 100:
                    sessions.extend(f"session-{number}" for number in range(100, 200))
                    self.reply(404, {"jsonrpc": "2.0", "id": None})
                else:
                    self.text(id_, "begun anew")
            case "repeats":
                self.text(id_, self.seen())
            case _:
                # Backwards, which nobody can mask.
                self.text(id_, self.seen()[::-1])

    def seen(self) -> str:
        return f"{self.headers['authorization']} {self.path.partition('?')[2]}"

    def text(self, id_: Any, said: str) -> None:
        self.answer(id_, {"content": [{"type": "text", "text": said}]})

    def answer(self, id_: Any, result: Any, session: str = "") -> None:
        self.reply(200, {"jsonrpc": "2.0", "id": id_, "result": result}, session)

    def reply(self, status: int, value: Any, session: str = "") -> None:
        data = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if session:
            self.send_header("mcp-session-id", session)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.reply(405, None)

    def do_DELETE(self) -> None:
        self.reply(200, None)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
