"""The real Playwright server drives a real page in the real Chromium, through missions."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest

from open_agent.core.ids import DEFAULT_OWNER
from open_agent.core.mcp import StdioTransport
from open_agent.events.model.tool import ToolReturned
from open_agent.mcp.client.presets import PLAYWRIGHT
from open_agent.scripted.script import Asked, Call, Turn
from open_agent.services.mcp.drafts import ServerDraft, StdioDraft
from tests.interaction.agent.rig import Ended
from tests.interaction.mcp.test_missions import CHIEF, made, seeing
from tests.interaction.requirements import requirement
from tests.programs import chromium, npm_program
from tests.running import gone, started

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]

PAGE = b"""<!doctype html><title>A page</title><h1>Hello</h1>
<button onclick="visits = 1 + +(localStorage.visits || 0); localStorage.visits = visits;
document.querySelector('h1').textContent = 'visits: ' + visits">Count</button>"""


@contextmanager
def page() -> Generator[str]:
    """A page of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def driving(url: str) -> Any:
    """A model that opens the page, presses its button as the snapshot has it, and looks."""

    def play(asked: Asked) -> Turn:
        last = str(asked.messages[-1]["content"])
        match asked.turn:
            case 0:
                return Turn(calls=(Call("playwright_browser_navigate", {"url": url}),))
            case 1 | 3:
                return Turn(calls=(Call("playwright_browser_snapshot", {}),))
            case 2:
                ref = last.partition('button "Count" [ref=')[2].partition("]")[0]
                target = {"target": ref, "element": "Count"}
                return Turn(calls=(Call("playwright_browser_click", target),))
            case 4:
                return Turn(calls=(Call("playwright_browser_take_screenshot", {}),))
            case _:
                return Turn(text="done")

    return play


@requirement("mcp:playwright:drives")
async def test_two_missions_drive_a_page_and_share_no_profile(tmp_path: Path) -> None:
    chromium()
    command, *args = npm_program("playwright-mcp")
    with page() as url:
        async with made(tmp_path, driving(url), patience=120, sees=seeing) as it:
            await it.mcp.start()
            found = {each.server.name: each for each in await it.mcp.registry.all(CHIEF)}
            preset = found[PLAYWRIGHT]
            assert isinstance(preset.server.transport, StdioTransport)
            assert (preset.status, preset.missing) == ("disabled", ())
            kept = [arg for arg in preset.server.transport.args if arg.startswith("--")]
            transport = StdioDraft(command, [*args, *kept])
            draft = ServerDraft(transport=transport, is_enabled=True)
            await it.mcp.registry.change(CHIEF, preset.server.id, draft)
            await it.mcp.toolboxes.look_first(DEFAULT_OWNER)
            ends: list[Ended] = []

            async def run() -> None:
                ends.append(await it.run())

            async with anyio.create_task_group() as group:
                for _ in range(2):
                    group.start_soon(run)
                await started("user-data-dir=/tmp/open-agent-mcp-", 2)
            for ended in ends:
                results: list[ToolReturned] = ended.events(ToolReturned)
                assert [each.outcome for each in results] == ["ok"] * 5, results
                assert "Hello" in results[1].content
                assert "visits: 1" in results[3].content
                assert [ref.media_type for ref in results[4].images] == ["image/png"]
            await gone("open-agent-mcp-", seconds=15)
            assert not list((tmp_path / "mcp").iterdir())
