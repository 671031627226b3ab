"""What the documentation says can be done is done here: every shell block runs, every link leads.

The blocks of a page run in their order, in one shell, against a real server of their own that has
a scripted model.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from open_agent.scripted.model import ScriptedModel
from open_agent.scripted.script import Asked, Call, Turn
from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess
from tests.curl import path_with_curl, place
from tests.sources import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
EVERY_PAGE = [
    *PAGES,
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs").glob("*/*.md")),
]
NOT_RUN = {
    "make run": "sets up and serves until it is ended; done by hand from a clean clone",
    "make test": "what runs this",
    "make wheel": "test_packaging.py builds the wheel, installs it and serves from it",
    "echo 'OPENROUTER_API_KEY=sk-or-v1-…' >> .run/data/.env": "needs a key and costs money",
}
"""Blocks that are not run, by their first line, and why."""

OF_MAKE_RUN = {"README.md", "getting-started.md"}
"""Pages whose server keeps its data where that of `make run` does."""

EXPECTED_ERRORS = {"task.not_running"}
"""What the API says of a task that is stopped after its end, as a page says it does."""

SERVER_OF_THE_PAGES = "http://127.0.0.1:3000"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    line: int
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield Block(match[1], text.count("\n", 0, match.start()) + 1, match[2])


def first_line(block: Block) -> str:
    """What a block begins with, without a comment behind it."""
    return block.text.partition("\n")[0].partition("  # ")[0].strip()


def is_run(block: Block) -> bool:
    """Whether this block runs here."""
    return block.language == "sh" and first_line(block) not in NOT_RUN


def look_around(asked: Asked) -> Turn:
    """A task of one command."""
    if asked.turn == 0:
        return Turn("I look at the folder.", calls=(Call("run_command", {"command": "ls"}),))
    return Turn("There is nothing to do.")


def script_of(page: Path, url: str) -> str:
    """The page's blocks as one script, which says where it is."""
    lines = ["set -euo pipefail"]
    for block in filter(is_run, blocks(page)):
        lines += [f"echo '== line {block.line}' >&2", block.text]
    return "\n".join(lines).replace(SERVER_OF_THE_PAGES, url)


SHOWN = [page for page in PAGES if any(map(is_run, blocks(page)))]


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.stem)
def test_every_shell_block_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    with (
        ScriptedServer(ScriptedModel(look_around, models=("scripted/model",))) as model,
        ServerProcess(
            tmp_path / (".run/data" if page.name in OF_MAKE_RUN else ".open-agent"),
            tmp_path / "open-agent",
            model.base_url,
            {"DEV_MODE": "false", "PORT": "0"},
        ) as server,
    ):
        commands = Path(sys.executable).parent
        path = path_with_curl(f"{commands}{os.pathsep}{os.environ['PATH']}", tmp_path)
        done = subprocess.run(
            ["bash", "-c", script_of(page, server.url)],
            cwd=tmp_path,
            env=server.environment() | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.returncode == 0, f"{page.name}\n{done.stdout}\n{done.stderr}"
    assert set(re.findall(r'"code":"([\w.]+)"', done.stdout)) <= EXPECTED_ERRORS


def test_every_reason_not_to_run_a_block_is_needed() -> None:
    assert set(NOT_RUN) <= {first_line(block) for page in PAGES for block in blocks(page)}


def test_every_link_leads_to_something_that_is_there() -> None:
    broken: list[str] = []
    for page in EVERY_PAGE:
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            name, _, anchor = target.partition("#")
            if target.startswith(("https://", "http://", "mailto:")):
                continue
            found = (page.parent / name).resolve() if name else page
            if not found.exists() or (anchor and anchor not in anchors(found)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def anchors(page: Path) -> set[str]:
    """What a link into a page can name."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_our_stand_in_for_curl_says_what_curl_would(tmp_path: Path) -> None:
    with ScriptedServer(look_around) as model:
        done = subprocess.run(
            [
                place(tmp_path) / "curl",
                "-sS",
                "-N",
                "-i",
                "-H",
                "X-A: b",
                f"{model.base_url}/models",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.startswith("HTTP/1.1 200 OK\n")
    assert done.stdout.rstrip().endswith("}")
