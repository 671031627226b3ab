"""An OpenCode that nobody of ours starts or ends, and that can be killed and started again."""

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.programs import opencode


@dataclass
class StandingOpenCode:
    """The real one, as a person would start it, with one scripted model."""

    folder: Path
    model_url: str
    url: str = ""
    process: "subprocess.Popen[bytes] | None" = None

    def __enter__(self) -> Self:
        self.folder.mkdir()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, always at the same address, and return when it listens."""
        port = self.url.rpartition(":")[2] or "0"
        self.process = subprocess.Popen(
            [opencode(), "serve", "--port", port, "--hostname", "127.0.0.1"],
            env=self._environment(),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        line = next(line for line in self.process.stdout if b"listening on" in line)
        self.url = line.split()[-1].decode()

    def kill(self) -> None:
        """End it at once with all that it runs, as a power cut would."""
        process, self.process = self.process, None
        if process is None:
            return
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

    def _environment(self) -> dict[str, str]:
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": self.model_url, "apiKey": "none"},
            "models": {
                "model": {
                    "tool_call": True,
                    "limit": {"context": 100_000, "output": 8_000},
                    "cost": {"input": 10, "output": 10},
                }
            },
        }
        config = {
            "autoupdate": False,
            "share": "disabled",
            "model": "scripted/model",
            "enabled_providers": ["scripted"],
            "provider": {"scripted": provider},
        }
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_CONFIG_CONTENT": json.dumps(config),
        }
