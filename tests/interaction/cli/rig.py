"""The installed command as a process: on pipes, or on a terminal of its own."""

import json
import os
import select
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from open_agent.scripted.faults import Refusal
from open_agent.scripted.script import Asked, Call, Style, Turn

COMMAND = str(Path(sysconfig.get_path("scripts")) / "open-agent")
ON_A_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
SECONDS = 20.0
"""How long anything may take on a busy machine."""
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31mwords\x08"


def play(asked: Asked) -> Turn:
    """What the model does is in the first word of the task; further words are for `run_command`."""
    task = next(str(m["content"]) for m in asked.messages if m["role"] == "user")
    word, _, command = task.partition(" ")
    match word:
        case "fail":
            return Turn(fault=Refusal(400, "no such thing"))
        case "exhaust":
            return Turn(calls=(Call("run_command", {"command": f"echo {asked.turn}"}),))
        case "say":
            return Turn(text=command)
        case "evil":
            return Turn(text=f"before {EVIL} after")
        case "slowly":
            return Turn(text="word " * 100, style=Style(chunk_chars=5, delay=0.05))
        case _ if asked.turn == 0:
            return Turn(text="I look.", calls=(Call("run_command", {"command": command}),))
        case _:
            return Turn(text="All done.")


@dataclass(frozen=True)
class Cli:
    """The command with the settings of one test.

    Attributes:
        home: Holds the data directory, the working directory and nothing else.
        model_url: The endpoint of a scripted model.
        settings: Further environment.
    """

    home: Path
    model_url: str
    settings: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def data_dir(self) -> Path:
        return self.home / "data"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "DATA_DIR": str(self.data_dir),
            "WORKING_DIR": str(self.home / "work"),
            "OPENROUTER_BASE_URL": self.model_url,
            "DEFAULT_MODEL": "scripted",
            "MAX_ITERATIONS": "3",
            "PORT": "0",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            **self.settings,
        }

    def call(
        self, *args: str, stdin: str = "", code: int | None = 0
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, which must come with exit code `code`."""
        ended = subprocess.run(
            [COMMAND, *args],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert code is None or ended.returncode == code, ended
        return ended

    def call_line(self, *args: str) -> list[str]:
        """The command as a shell has it."""
        return [COMMAND, *args]

    def json(self, *args: str) -> Any:
        """What a command prints as JSON."""
        return json.loads(self.call(*args, "--json", code=None).stdout)

    def task_ids(self) -> list[str]:
        """All tasks, newest first."""
        return [task["id"] for task in self.json("tasks")]

    @contextmanager
    def started(self, *args: str, on_terminal: bool = False) -> Generator["Running"]:
        """A command at work; whatever it comes to, it is over in the end."""
        if on_terminal:
            reader, theirs = os.openpty()
            argv = [sys.executable, "-c", ON_A_TERMINAL, COMMAND, *args]
        else:
            reader, theirs = os.pipe()
            argv = [COMMAND, *args]
        process = subprocess.Popen(
            argv,
            env=self.environment,
            stdin=theirs if on_terminal else subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        running = Running(process, reader)
        try:
            yield running
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait(SECONDS)
            os.close(reader)

    @contextmanager
    def server(self) -> Generator["Running"]:
        """A server at work."""
        with self.started("serve") as running:
            running.until("Ctrl-C stops the server")
            yield running


@dataclass
class Running:
    """A command at work, and what it has said so far."""

    process: "subprocess.Popen[bytes]"
    reader: int
    output: str = ""

    def until(self, text: str, seconds: float = SECONDS) -> str:
        """Wait until it has said `text`; everything it has said."""
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert self._read(deadline), f"never said {text!r}: {self.output}"
        return self.output

    def ended(self, seconds: float = SECONDS) -> int:
        """Wait until it ends; its exit code."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def press(self, keys: bytes) -> None:
        """Type on its terminal."""
        os.write(self.reader, keys)

    def _read(self, deadline: float) -> bool:
        """Take what comes; false when nothing more will."""
        ready, _, _ = select.select([self.reader], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"too late: {self.output}"
        try:
            data = os.read(self.reader, 65536)
        except OSError:  # how Linux says that nobody has the terminal any more
            return False
        self.output += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)
