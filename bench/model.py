"""A scripted model for measuring, as a program: `python -m bench.model`.

The first line it writes is JSON with its `base_url`. Then it reads commands, one to a line, and
answers each with a line: `watch PID` notes that process's CPU time at every request from now on;
`requests` gives the notes and forgets them.

What the model says follows from its name, `bench/<kind>/<anything>`.
"""

import json
import sys
import time
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bench.processes import cpu_seconds
from open_agent.scripted.faults import KeepAlives
from open_agent.scripted.model import ScriptedModel
from open_agent.scripted.script import Asked, Call, Style, Turn
from open_agent.scripted.server import ScriptedServer

FILE = "notes.txt"
FILE_LINES = 30
CHUNK = "sixteen letters "
STEP_CHUNKS = 32
LONG_CHUNKS = 2_000
TURNS = 20
"""Commands of a task that both backends carry out."""
SLOW_SECONDS = 1.0
"""On average. Were it always the same, runs that once fell into step would stay so."""
CHUNKS_OF_THE_REST = 7
"""The role, the call and its arguments, the end, the usage."""


def text_of(chunks: int) -> str:
    """Text that makes so many chunks of a reply, the rest of it counted."""
    return CHUNK * (chunks - CHUNKS_OF_THE_REST)


def command(asked: Asked) -> Turn:
    """A command each time, by whichever tool the backend has for it."""
    if asked.turn >= TURNS:
        return Turn("Done.")
    names = {tool["function"]["name"] for tool in asked.body.get("tools", [])}
    line = f"echo {asked.turn}"
    if "bash" in names:
        call = Call("bash", {"command": line, "description": "Say a number"})
    else:
        call = Call("run_command", {"command": line})
    return Turn(text_of(STEP_CHUNKS), calls=(call,))


@dataclass
class Notes:
    """Plays the scripts, and notes every request."""

    watched: int | None = None
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    random: Random = field(default_factory=lambda: Random(1))

    def play(self, asked: Asked) -> Turn:
        """What to say."""
        cpu = None if self.watched is None else cpu_seconds(self.watched)
        self.requests.append(
            {"model": asked.model, "turn": asked.turn, "at": time.monotonic(), "cpu": cpu}
        )
        # Another line every time, or the loop takes it for going round in circles.
        call = Call("read_file", {"path": FILE, "start_line": asked.turn % FILE_LINES + 1})
        match asked.model.split("/")[1]:
            case "step":
                return Turn(text_of(STEP_CHUNKS), calls=(call,))
            case "command":
                return command(asked)
            case "slow":
                wait = self.random.uniform(0.5, 1.5) * SLOW_SECONDS
                pause = KeepAlives(interval=wait, seconds=wait)
                return Turn(text_of(STEP_CHUNKS), calls=(call,), fault=pause)
            case "long":
                return Turn(text_of(LONG_CHUNKS), calls=(call,))
            case "paced":
                return Turn(text_of(LONG_CHUNKS), calls=(call,), style=Style(delay=0.001))
            case _:
                return Turn("There is nothing to do.")


def main() -> None:
    """Serve until the end of standard input."""
    notes = Notes()
    with ScriptedServer(ScriptedModel(notes.play, remember=0)) as server:
        _say({"base_url": server.base_url})
        for line in sys.stdin:
            match line.split():
                case ["watch", pid]:
                    notes.watched = int(pid)
                    _say(None)
                case ["requests"]:
                    requests, notes.requests = notes.requests, []
                    _say(requests)
                case _:
                    _say({"error": "no such command"})


def _say(value: Any) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
