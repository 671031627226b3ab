"""The real server as a process that can be killed, and a client of it that keeps count."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx2

START_SECONDS = 60.0


@dataclass
class ServerProcess:
    """A server on a data directory; started, killed and started again as often as one likes."""

    data_dir: Path
    working_dir: Path
    model_url: str
    settings: dict[str, str] = field(default_factory=dict[str, str])
    through: tuple[str, ...] = ()
    """A command that runs the server in its own place, if any."""
    process: "subprocess.Popen[bytes] | None" = None
    url: str = ""
    starts: int = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.kill()

    def environment(self) -> dict[str, str]:
        """Exactly what the server is given."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.data_dir.parent),
            "DATA_DIR": str(self.data_dir),
            "WORKING_DIR": str(self.working_dir),
            "OPENROUTER_BASE_URL": self.model_url,
            "DEFAULT_MODEL": "scripted/model",
            "PORT": "0",
            "DEV_MODE": "true",
            **self.settings,
        }

    def start(self) -> None:
        """Start it, and return when it answers."""
        (self.data_dir / "server.json").unlink(missing_ok=True)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.starts += 1
        with (self.data_dir / f"server-{self.starts}.log").open("wb") as log:
            self.process = subprocess.Popen(
                [*self.through, str(Path(sys.executable).with_name("open-agent")), "serve"],
                env=self.environment(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.005)

    def _answers(self) -> bool:
        try:
            self.url = json.loads((self.data_dir / "server.json").read_text())["url"]
            return httpx2.get(f"{self.url}/api/ready", timeout=5).status_code == 200
        except (OSError, ValueError, KeyError, httpx2.TransportError):
            return False

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def terminate(self, *, seconds: float) -> int:
        """Ask it to stop; its exit code, within so many seconds."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        self.process = None
        return code

    def output(self) -> str:
        """What the newest start printed."""
        return (self.data_dir / f"server-{self.starts}.log").read_text(errors="replace")

    def submit(self, task: str, key: str, **fields: Any) -> str:
        """Submit a task and return its id, once it was acknowledged."""
        answer = httpx2.post(
            f"{self.url}/api/task",
            json={"task": task, **fields},
            headers={"Idempotency-Key": key},
            timeout=20,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        answer = httpx2.get(f"{self.url}{path}", timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def records(self, mission_id: str) -> list[dict[str, Any]]:
        """The whole log of a mission."""
        records: list[dict[str, Any]] = []
        after = 0
        while True:
            page = self.get(f"/api/missions/{mission_id}/events?after={after}&limit=500")["items"]
            if not page:
                return records
            records += page
            after = page[-1]["seq"]

    def wait_for(self, mission_id: str, *, seconds: float = 60) -> dict[str, Any]:
        """The task, once it has ended."""
        deadline = time.monotonic() + seconds
        while True:
            task = self.get(f"/api/task/{mission_id}")
            if task["status"] in ("completed", "failed", "cancelled"):
                return task
            assert time.monotonic() < deadline, (task, self.output())
            time.sleep(0.02)

    def follow(self, mission_id: str, after: int) -> Iterator[dict[str, Any]]:
        """Records of the mission's stream after a cursor, until the connection ends."""
        path = f"{self.url}/api/missions/{mission_id}/stream?after={after}"
        with httpx2.stream("GET", path, timeout=30) as answer:
            for event in httpx2.EventSource(answer):
                if event.data and event.event not in ("delta", "snapshot", "reset"):
                    yield json.loads(event.data)
