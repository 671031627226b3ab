"""`open-agent workspaces …`: what there is to work in, what was done there, and what becomes of it."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pydantic_core

from open_agent.cli.connection import Connection
from open_agent.cli.options import Place
from open_agent.cli.ports import Builder
from open_agent.cli.rendering.facts import age, count, size
from open_agent.cli.rendering.narrator import SHORT_ID
from open_agent.cli.rendering.neutral import neutral, neutral_json
from open_agent.cli.rendering.pieces import Piece, Style
from open_agent.cli.rendering.table import Column, lay_out
from open_agent.cli.session import SHORTEST_PREFIX, Session, open_session
from open_agent.cli.watching import progress
from open_agent.core.errors import Invalid, NotFound
from open_agent.core.ids import is_uuid

COLUMNS = (
    Column("ID"),
    Column("KIND"),
    Column("STATE"),
    Column("AGE", is_right=True),
    Column("SIZE", is_right=True),
    Column("BRANCH"),
    Column("KEPT"),
    Column("PATH", shrinks=True),
)
PAGE = 200
LOOK_SECONDS = 0.5
MOST_PATCH = 4 * 1024 * 1024

_STYLES: dict[str, Style] = {"ready": "good", "failed": "bad", "making": "call"}
_OF_LINES: dict[str, Style] = {"+": "good", "-": "bad", "@": "faint"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A workspace as the command line asks for it."""

    clone: str | None = None
    worktree: Path | None = None
    ref: str | None = None
    branch: str | None = None
    depth: int | None = None
    workspace_id: str | None = None

    def body(self) -> dict[str, Any] | None:
        """What the server is asked; nothing where nothing is said.

        Raises:
            Invalid: What is said does not go together.
        """
        given = {
            "id": self.workspace_id,
            "url": self.clone and _url(self.clone),
            "repository": None if self.worktree is None else str(self.worktree.absolute()),
            "ref": self.ref,
            "branch": self.branch,
            "depth": self.depth,
        }
        found = {name: value for name, value in given.items() if value is not None}
        if found and not {"id", "url", "repository"} & found.keys():
            raise Invalid("workspace.unclear", f"--{min(found)} needs --clone or --worktree.")
        return found or None


def list_workspaces(builder: Builder, place: Place, *, limit: int, is_json: bool) -> None:
    """Print the newest workspaces."""
    anyio.run(_list, builder, open_session(place), limit, is_json)


def show_workspace(builder: Builder, place: Place, text: str, *, is_json: bool) -> None:
    """Print all that is known of a workspace."""
    anyio.run(_show, builder, open_session(place), text, is_json)


def show_diff(builder: Builder, place: Place, text: str, *, is_stat: bool, is_json: bool) -> None:
    """Print what was changed in a workspace since it began."""
    anyio.run(_diff, builder, open_session(place), text, is_stat, is_json)


def make_workspace(place: Place, wanted: Wanted, *, is_json: bool) -> None:
    """Make a workspace, and wait until it is there.

    Raises:
        Invalid: It cannot be made, or could not.
    """
    body = wanted.body()
    if body is None:
        raise Invalid("workspace.unclear", "Say what to make: --clone URL or --worktree REPO.")
    anyio.run(_make, open_session(place), body, is_json)


def merge_workspace(
    place: Place, text: str, into: str | None, message: str | None, *, is_json: bool
) -> None:
    """Merge what is committed in a worktree."""
    anyio.run(_merge, open_session(place), text, {"into": into, "message": message}, is_json)


def remove_workspace(place: Place, text: str, *, is_forced: bool, is_json: bool) -> None:
    """Remove a workspace."""
    anyio.run(_remove, open_session(place), text, is_forced, is_json)


def keep_workspace(place: Place, text: str, *, is_kept: bool) -> None:
    """Let a workspace outlive its missions, or not."""
    anyio.run(_keep, open_session(place), text, is_kept)


async def _list(builder: Builder, session: Session, limit: int, is_json: bool) -> None:
    found: list[dict[str, Any]] = []
    async with (
        session.reading(builder) as connection,
        progress(session.terminal, session.clock, lambda: "reading the list"),
    ):
        async for page in _pages(connection, min(limit, PAGE)):
            found += page
            if len(found) >= limit:
                break
    found = found[:limit]
    if is_json:
        _print_json(session, found)
    elif found:
        now = session.clock.now()
        rows = [row(each, now) for each in found]
        session.terminal.show(lay_out(COLUMNS, rows, session.terminal.width))
    else:
        session.terminal.note("No workspaces yet.", "plain")


async def _show(builder: Builder, session: Session, text: str, is_json: bool) -> None:
    async with session.reading(builder) as connection:
        found = await find_workspace(session, connection, text)
        shown = (await connection.get(f"/api/workspaces/{found}")).value
    if is_json:
        _print_json(session, shown)
        return
    pieces: list[Piece] = []
    for name, value in _facts(shown):
        pieces += [Piece(f"{name:<12}", "strong"), Piece(f"{neutral(value)}\n")]
    session.terminal.show(pieces)


async def _diff(
    builder: Builder, session: Session, text: str, is_stat: bool, is_json: bool
) -> None:
    async with session.reading(builder) as connection:
        found = await find_workspace(session, connection, text)
        async with progress(session.terminal, session.clock, lambda: "comparing"):
            reply = await connection.get(f"/api/workspaces/{found}/diff", {"limit": MOST_PATCH})
    diff = reply.value
    if is_json:
        _print_json(session, diff)
        return
    pieces: list[Piece] = []
    for file in diff["files"]:
        name = f"{file['old_path']} → {file['path']}" if file["old_path"] else file["path"]
        new = " (new)" if file["is_new"] else ""
        numbers = "binary" if file["added"] is None else f"+{file['added']} -{file['deleted']}"
        pieces += [Piece(f"{numbers:>14}  ", "faint"), Piece(f"{neutral(name)}{new}\n")]
    if not diff["files"]:
        session.terminal.note("Nothing was changed.", "plain")
    if not is_stat:
        pieces.append(Piece("\n"))
        for line in neutral(diff["patch"]).split("\n"):
            pieces.append(Piece(f"{line}\n", _OF_LINES.get(line[:1], "plain"), None))
    session.terminal.show(pieces)
    if diff["is_patch_cut"] and not is_stat:
        session.terminal.note(f"There is more than {size(MOST_PATCH)} of it.", "warn")


async def _make(session: Session, body: dict[str, Any], is_json: bool) -> None:
    activity = "asking for it"
    async with (
        session.connected() as connection,
        progress(session.terminal, session.clock, lambda: activity),
    ):
        made = (await connection.post("/api/workspaces", body)).value
        while made["state"] == "making":
            activity = str(made["making"] or "making it")
            await anyio.sleep(LOOK_SECONDS)
            made = (await connection.get(f"/api/workspaces/{made['id']}")).value
    if is_json:
        _print_json(session, made)
    elif made["state"] == "ready":
        session.terminal.print(str(made["id"]))
        session.terminal.note(
            f"It is in {neutral(made['path'])}; `open-agent run --workspace "
            f"{made['id'][:SHORT_ID]} …` works there.",
            "plain",
        )
    if made["state"] == "failed":
        raise Invalid("workspace.failed", str(made["problem"]))


async def _merge(session: Session, text: str, body: dict[str, Any], is_json: bool) -> None:
    async with session.connected() as connection:
        found = await find_workspace(session, connection, text)
        async with progress(session.terminal, session.clock, lambda: "merging"):
            merged = (await connection.post(f"/api/workspaces/{found}/merge", body)).value
    if is_json:
        _print_json(session, merged)
        return
    told = {
        "up_to_date": "{into} has all of it already.",
        "fast_forward": "{into} is at {commit} now.",
        "merge": "Merged into {into}, which is at {commit} now.",
    }[merged["how"]]
    told = told.format(into=neutral(merged["into"]), commit=merged["commit"][:12])
    if merged["checkout"]:
        told += f" The files in {neutral(merged['checkout'])} were brought along."
    session.terminal.note(told, "plain")


async def _remove(session: Session, text: str, is_forced: bool, is_json: bool) -> None:
    async with session.connected() as connection:
        found = await find_workspace(session, connection, text)
        query = "?force=true" if is_forced else ""
        async with progress(session.terminal, session.clock, lambda: "removing it"):
            removed = await connection.change("DELETE", f"/api/workspaces/{found}{query}")
    if is_json:
        _print_json(session, removed)
        return
    session.terminal.note(" ".join(filter(None, ("Removed.", removed["note"]))), "plain")


async def _keep(session: Session, text: str, is_kept: bool) -> None:
    async with session.connected() as connection:
        found = await find_workspace(session, connection, text)
        await connection.change("PATCH", f"/api/workspaces/{found}", {"is_kept": is_kept})
    told = (
        "It stays when its missions are deleted." if is_kept else "It goes with its last mission."
    )
    session.terminal.note(told, "plain")


def row(workspace: dict[str, Any], now: datetime) -> list[Piece]:
    """A workspace in cells, one for each of `COLUMNS`."""
    state = str(workspace["state"])
    taken = workspace["size_bytes"]
    return [
        Piece(str(workspace["id"])[:SHORT_ID], "strong"),
        Piece(str(workspace["kind"])),
        Piece(state, _STYLES.get(state, "plain")),
        Piece(age(datetime.fromisoformat(workspace["created_at"]), now), "faint"),
        Piece("" if taken is None else size(taken)),
        Piece(neutral(str(workspace["branch"] or ""))),
        Piece("kept" if workspace["is_kept"] else ""),
        Piece(neutral(str(workspace["path"]))),
    ]


def _facts(shown: dict[str, Any]) -> list[tuple[str, str]]:
    done = shown["progress"]
    taken = shown["size_bytes"]
    facts = {
        "id": shown["id"],
        "kind": shown["kind"],
        "state": shown["state"],
        "making": shown["making"],
        "problem": shown["problem"],
        "path": shown["path"],
        "isolation": shown["isolation"],
        "source": shown["source"],
        "branch": done["branch"] if done else shown["branch"],
        "base": shown["base"],
        "began at": shown["base_commit"],
        "done": done
        and f"{count(done['ahead'], 'commit')} ahead, {done['behind']} behind, "
        f"{count(done['uncommitted'], 'file')} not committed",
        "size": None if taken is None else size(taken),
        "kept": "yes" if shown["is_kept"] else "no",
        "missions": ", ".join(str(each)[:SHORT_ID] for each in shown["missions"]),
        "notes": shown["notes"],
    }
    return [(name, str(value)) for name, value in facts.items() if value]


async def _pages(connection: Connection, limit: int = PAGE) -> AsyncGenerator[list[dict[str, Any]]]:
    params: dict[str, Any] = {"limit": limit}
    while True:
        value = (await connection.get("/api/workspaces", params)).value
        yield value["items"]
        if value["next"] is None:
            return
        params["cursor"] = value["next"]


async def find_workspace(session: Session, connection: Connection, text: str) -> str:
    """The workspace whose id is, or begins with, `text`; or that a mission so named works in.

    Raises:
        NotFound: There is none.
        Invalid: There are several.
    """
    text = text.strip().lower()
    if is_uuid(text):
        return await _whole_id(connection, text)
    found: set[str] = set()
    if len(text) >= SHORTEST_PREFIX:
        async with progress(session.terminal, session.clock, lambda: "looking for it"):
            async for page in _pages(connection):
                for each in page:
                    if any(id_.startswith(text) for id_ in (each["id"], *each["missions"])):
                        found.add(each["id"])
    if len(found) > 1:
        raise Invalid("id.ambiguous", f"{len(found)} workspaces begin with {text}. Write more.")
    if not found:
        raise NotFound(
            "workspace.not_found",
            f"No workspace's id begins with {text}. `open-agent workspaces` lists them.",
        )
    return found.pop()


async def _whole_id(connection: Connection, text: str) -> str:
    """The id of a workspace that is named by its own id, or by that of a mission in it."""
    try:
        await connection.get(f"/api/workspaces/{text}")
    except NotFound:
        async for page in _pages(connection):
            for each in page:
                if text in each["missions"]:
                    return str(each["id"])
        raise
    return text


def _url(text: str) -> str:
    """An address, or the path of a repository on this machine as another folder would write it."""
    if "://" in text or ":" in text.partition("/")[0]:
        return text
    return str(Path(text).expanduser().absolute())


def _print_json(session: Session, value: Any) -> None:
    text = pydantic_core.to_json(value, indent=2).decode()
    session.terminal.print(neutral_json(text))
