"""A real OpenCode, with a scripted model behind it and MCP servers beside it."""

import json
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2

from tests.programs import opencode

PASSWORD = "a-password-that-only-tests-would-use"
READY = b"listening on "
VERSION = "1.18.33"


@dataclass(frozen=True)
class OpenCode:
    """A running OpenCode that works in one folder."""

    http: httpx2.AsyncClient
    folder: Path

    @property
    def _there(self) -> dict[str, str]:
        return {"directory": str(self.folder)}

    async def servers(self) -> dict[str, Any]:
        """The MCP servers that it knows, and how they are."""
        return (await self.http.get("/mcp", params=self._there)).json()

    async def carry_out(self, text: str) -> list[dict[str, Any]]:
        """Have a task carried out; all parts of all messages of its model."""
        made = await self.http.post("/session", params=self._there, json={"title": "A test"})
        session = made.json()["id"]
        body = {
            "model": {"providerID": "fake", "modelID": "default"},
            "parts": [{"type": "text", "text": text}],
        }
        done = await self.http.post(
            f"/session/{session}/message", params=self._there, json=body, timeout=150
        )
        assert done.status_code == 200, done.text
        messages = (await self.http.get(f"/session/{session}/message", params=self._there)).json()
        return [part for message in messages for part in message["parts"]]


def config(model_url: str, servers: Mapping[str, Any]) -> str:
    """Everything OpenCode is told, so that no file needs to be written."""
    models = {name: {"tool_call": True, "limit": {"context": 200_000, "output": 8192}}
              for name in ("default", "text")}  # fmt: skip
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Fake",
        "options": {"baseURL": model_url, "apiKey": "x"},
        "models": models,
    }
    return json.dumps(
        {
            "autoupdate": False,
            "share": "disabled",
            "snapshot": False,
            "model": "fake/default",
            "small_model": "fake/text",
            "enabled_providers": ["fake"],
            "permission": {"*": "allow", "question": "deny"},
            "provider": {"fake": provider},
            "mcp": servers,
        }
    )


def environment(home: Path, model_url: str, servers: Mapping[str, Any]) -> dict[str, str]:
    """An OpenCode that asks nobody outside for anything."""
    modules = home / "config" / "opencode"
    (modules / "node_modules").mkdir(parents=True)
    plugin = {"@opencode-ai/plugin": VERSION}
    (modules / "package.json").write_text(json.dumps({"dependencies": plugin}))
    lock = {"lockfileVersion": 3, "packages": {"": {"dependencies": plugin}}}
    (modules / "package-lock.json").write_text(json.dumps(lock))
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_STATE_HOME": str(home / "state"),
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_PROJECT_CONFIG": "1",
        "OPENCODE_SERVER_PASSWORD": PASSWORD,
        "OPENCODE_CONFIG_CONTENT": config(model_url, servers),
    }


@asynccontextmanager
async def running_opencode(
    home: Path, folder: Path, model_url: str, servers: Mapping[str, Any]
) -> AsyncGenerator[OpenCode]:
    """OpenCode on a port of its own; with everything that it has started, gone in the end."""
    with (home / "opencode.log").open("wb") as log:
        process = await anyio.open_process(
            [opencode(), "serve", "--hostname", "127.0.0.1", "--port", "0", "--print-logs"],
            env=environment(home, model_url, servers),
            cwd=folder,
            stderr=log,
        )
    assert process.stdout is not None
    try:
        said = b""
        with anyio.fail_after(40):
            while b"\n" not in said.partition(READY)[2]:
                said += await process.stdout.receive()
        url = said.partition(READY)[2].split()[0].decode()
        async with httpx2.AsyncClient(
            base_url=url, auth=("opencode", PASSWORD), timeout=60
        ) as http:
            yield OpenCode(http, folder)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
