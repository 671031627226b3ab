"""A client that behaves as the original's web client, and no better.

It knows the original's events and fields alone, drops what it does not know, splits the stream at
empty lines and reads `event:` and `data:` lines, and sends messages without a mission.
"""

import json
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import httpx2

SECONDS = 20.0

KNOWN = frozenset({
    "status", "user_message", "assistant_message", "thinking", "tool_call", "tool_result", "error",
    "mission_status_changed", "agent_phase", "agent_tree", "progress",
})  # fmt: skip
FIELDS = {
    "status": {"state", "queue_len"},
    "user_message": {"id", "content"},
    "assistant_message": {"id", "content", "success", "cost_cents", "model"},
    "thinking": {"content", "done"},
    "tool_call": {"tool_call_id", "name", "args"},
    "tool_result": {"tool_call_id", "name", "result"},
    "error": {"message"},
    "mission_status_changed": {"mission_id", "status", "summary"},
    "agent_phase": {"phase", "detail", "agent"},
    "agent_tree": {"tree"},
    "progress": {"total_subtasks", "completed_subtasks", "current_subtask", "depth"},
}

Event = dict[str, Any]


class WebClient:
    """Logs in if it has to, follows the stream, and does what people click."""

    def __init__(self, url: str, *, username: str | None = None, password: str = "") -> None:
        self._http = httpx2.Client(base_url=url, timeout=SECONDS)
        self._said = threading.Condition()
        self.events: list[Event] = []
        self._taken = 0
        self._is_over = False
        health = self.get("/api/health")
        self.mode: str = health["auth_mode"]
        if health["auth_required"]:
            token = self.post("/api/auth/login", {"username": username, "password": password})[
                "token"
            ]
            self._http.headers["Authorization"] = f"Bearer {token}"
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait("status")
        return self

    def __exit__(self, *_: object) -> None:
        # Where nothing runs this only makes the stream say something, and its reader look up.
        self._is_over = True
        self._http.post("/api/control/cancel")
        self._thread.join(SECONDS)
        self._http.close()

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        reply = self._http.get(path)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def post(self, path: str, body: Any = None) -> Any:
        """What a click is answered with; a click without a body sends none."""
        reply = self._http.post(path) if body is None else self._http.post(path, json=body)
        assert reply.status_code == 200, (path, reply.text)
        return reply.json()

    def status(self, method: str, path: str, body: Any = None) -> int:
        """The status of a click that may fail."""
        return self._http.request(method, path, json=body).status_code

    def send(self, content: str) -> str:
        """Type a message; its bubble has the id that the stream shows."""
        id_ = self.post("/api/control/message", {"content": content})["id"]
        shown = self.wait("user_message", id=id_)
        assert shown["content"] == content
        return id_

    def wait(self, type_: str, **fields: Any) -> Event:
        """The next event like this, in what was not waited for yet."""
        return self.wait_for(
            lambda event: (
                event["type"] == type_
                and all(event.get(name) == value for name, value in fields.items())
            ),
            f"{type_} {fields}",
        )

    def wait_for(self, is_wanted: Callable[[Event], bool], what: str) -> Event:
        """The next event that is wanted."""
        deadline = time.monotonic() + SECONDS
        with self._said:
            while True:
                while self._taken < len(self.events):
                    event = self.events[self._taken]
                    self._taken += 1
                    if is_wanted(event):
                        return event
                left = deadline - time.monotonic()
                assert left > 0, (what, self.events[-20:])
                self._said.wait(left)

    def _follow(self) -> None:
        rest = ""
        try:
            with self._http.stream("GET", "/api/control/stream", timeout=None) as reply:
                for piece in reply.iter_text():
                    *blocks, rest = (rest + piece).split("\n\n")
                    for block in blocks:
                        self._take(block)
                    if self._is_over:
                        return
        except httpx2.HTTPError:
            return

    def _take(self, block: str) -> None:
        name, data = "message", ""
        for line in block.split("\n"):
            if line.startswith("event:"):
                name = line[6:].strip()
            elif line.startswith("data:"):
                data += line[5:].strip()
        if not data or name not in KNOWN:
            return
        event = json.loads(data)
        assert event["type"] == name
        assert FIELDS[name] <= set(event), event
        with self._said:
            self.events.append(event)
            self._said.notify_all()
