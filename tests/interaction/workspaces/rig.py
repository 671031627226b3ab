"""A real server, real git, and repositories to make workspaces of."""

import base64
import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2

from open_agent.scripted.script import Asked, Call, Turn
from tests.crash.server_process import ServerProcess

SECONDS = 60.0
AUTHOR = {
    "GIT_AUTHOR_NAME": "Anna",
    "GIT_AUTHOR_EMAIL": "anna@example.com",
    "GIT_COMMITTER_NAME": "Anna",
    "GIT_COMMITTER_EMAIL": "anna@example.com",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


def play(asked: Asked) -> Turn:
    """A task is a command to run, after `run`; the last word is what the system says of the place."""
    texts = [str(m["content"]) for m in asked.messages if m["role"] == "user"]
    command = next((text for text in reversed(texts) if text.startswith("run ")), "")
    last = asked.messages[-1]
    if command and last["role"] == "user":
        return Turn("I do.", calls=(Call("run_command", {"command": command[4:]}),))
    if any("keep writing" in text for text in texts) and last["role"] == "tool":
        return Turn(
            "More.", calls=(Call("run_command", {"command": f"echo {asked.turn}; sleep 1"}),)
        )
    return Turn(f"All done: {str(asked.messages[0]['content'])[:4000]}")


def git(folder: Path, *arguments: str, check: bool = True) -> str:
    """What git says, as a person would use it."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **AUTHOR},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done
    return done.stdout.rstrip("\n")


def make_repository(folder: Path, **files: str) -> Path:
    """A repository with a commit on `main`."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    for name, content in ({"a.txt": "one\n", "AGENTS.md": "Be kind to a.txt.\n"} | files).items():
        (folder / name).write_text(content)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "One")
    return folder


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file that a repository's owner would call their own, byte for byte.

    What git keeps for worktrees, new objects and the branches made for them are not among them.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        ours = ("worktrees", "objects", "packed-refs", "refs/heads/open-agent")
        ours += ("logs/refs/heads/open-agent",)
        if name.startswith(tuple(f".git/{each}" for each in ours)) or not path.is_file():
            continue
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    found["status"] = git(folder, "--no-optional-locks", "status", "--porcelain", "--branch")
    refs = git(folder, "for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    found["refs"] = "\n".join(ref for ref in refs if "refs/heads/open-agent/" not in ref)
    return found


@dataclass
class GitServer:
    """Repositories of a folder over smart HTTP, behind a gate, and perhaps a password."""

    folder: Path
    url: str
    gate: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)
    password: str | None = None
    seen: list[str] = field(default_factory=list[str])


@contextmanager
def serving(folder: Path) -> Generator[GitServer]:
    """Serve the repositories in a folder."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def _answer(self, body: bytes) -> None:
            served.seen.append(self.path)
            served.asked.set()
            if not served.gate.wait(SECONDS):
                return
            if served.password is not None:
                pair = base64.b64encode(f"anna:{served.password}".encode()).decode()
                if self.headers.get("Authorization") != f"Basic {pair}":
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="git"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
            self._ask_git(body)

        def _ask_git(self, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            env = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            }
            done = subprocess.run(
                ["git", "http-backend"], env=env, input=body, capture_output=True, check=False
            )
            head, _, rest = done.stdout.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
            self.send_response(int(fields.pop("Status", "200").split()[0]))
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = GitServer(folder, f"http://127.0.0.1:{server.server_address[1]}")
    served.gate.set()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield served
    finally:
        served.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Place:
    """The server as a client sees it."""

    server: ServerProcess
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The status and the JSON of an answer."""
        reply = httpx2.request(
            method, f"{self.server.url}{path}", json=body, headers=self.headers, timeout=SECONDS
        )
        return reply.status_code, reply.json() if reply.content else None

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        status, value = self.ask("GET", path)
        assert status == 200, value
        return value

    def task(self, instruction: str, **workspace: Any) -> str:
        """Submit a task with a workspace; its id."""
        status, made = self.ask("POST", "/api/task", {"task": instruction, "workspace": workspace})
        assert status == 200, made
        return made["id"]

    def done(self, task: str) -> dict[str, Any]:
        """A task, once it has ended."""
        return self.until(
            lambda: self.get(f"/api/task/{task}"),
            lambda it: it["status"] in ("completed", "failed", "cancelled"),
        )

    def work(self, instruction: str, **workspace: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """A task that has succeeded, and its workspace."""
        task = self.done(self.task(instruction, **workspace))
        assert task["status"] == "completed", task
        return task, self.workspace(task)

    def mission(self, **workspace: Any) -> dict[str, Any]:
        """A new mission."""
        status, made = self.ask("POST", "/api/control/missions", {"workspace": workspace})
        assert status == 200, made
        return made

    def say(self, mission: str, content: str) -> dict[str, Any]:
        """Say something to a mission, and wait until its run has ended; the mission as it is."""
        before = self.get(f"/api/control/missions/{mission}")["messages"]
        body = {"content": content, "mission_id": mission}
        status, sent = self.ask("POST", "/api/control/message", body)
        assert status == 200, sent
        return self.until(
            lambda: self.get(f"/api/control/missions/{mission}"),
            lambda it: it["messages"] > before and it["state"] == "finished",
        )

    def workspace(self, work: dict[str, Any]) -> dict[str, Any]:
        """The workspace of a task or mission."""
        return self.get(f"/api/workspaces/{work['workspace_id']}")

    def events(self, mission: str, type_: str) -> list[dict[str, Any]]:
        """What happened to a mission, of one type."""
        records = self.get(f"/api/missions/{mission}/events?after=0&limit=1000")["items"]
        return [record["event"] for record in records if record["event"]["type"] == type_]

    def until(self, look: Callable[[], Any], is_it: Callable[[Any], bool]) -> Any:
        """What is seen, once it is as it should be."""
        deadline = time.monotonic() + SECONDS
        while True:
            seen = look()
            if is_it(seen):
                return seen
            assert time.monotonic() < deadline, (seen, self.server.output())
            time.sleep(0.02)
