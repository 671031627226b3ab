"""`open-agent run`: hands a task over and follows it, with a server of its own if none runs."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pydantic_core

from open_agent.cli.commands.workspaces import Wanted, find_workspace
from open_agent.cli.connection import Connection, connect, unreachable
from open_agent.cli.exits import Exit, exit_of_outcome
from open_agent.cli.finding import Address, announcing
from open_agent.cli.options import Place
from open_agent.cli.ports import Builder
from open_agent.cli.rendering.narrator import SHORT_ID
from open_agent.cli.session import Session, open_session
from open_agent.cli.streams import Follower
from open_agent.cli.views import JsonView, NarratedView, QuietView, View
from open_agent.cli.watching import CtrlC, progress, watch
from open_agent.core.errors import Conflict, Invalid
from open_agent.core.ids import MissionId, new_uuid


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done, and how it is to be shown."""

    task: str
    model: str | None = None
    folder: Path | None = None
    budget_cents: int | None = None
    workspace: Wanted = field(default_factory=Wanted)
    backend: str | None = None
    is_json: bool = False
    is_detached: bool = False
    is_quiet: bool = False

    @property
    def is_silent(self) -> bool:
        """Nothing but what was asked for is printed, unless something is wrong."""
        return self.is_json or self.is_quiet

    def body(self, instruction: str) -> dict[str, Any]:
        """The request."""
        given = {
            "task": instruction,
            "model": self.model,
            "working_dir": None if self.folder is None else str(self.folder.absolute()),
            "budget_cents": self.budget_cents,
            "workspace": self.workspace.body(),
            "backend": self.backend,
        }
        return {name: value for name, value in given.items() if value is not None}


def run_task(builder: Builder, place: Place, order: Order) -> Exit:
    """Carry out an order; returns how it ended."""
    session = open_session(place)
    instruction = _instruction(order.task)
    return anyio.run(_run, builder, session, order, order.body(instruction))


def _instruction(task: str) -> str:
    if task == "-":
        if sys.stdin.isatty():
            sys.stderr.write("Write the task, then press Ctrl-D.\n")
        task = sys.stdin.buffer.read().decode("utf-8", "replace")
    # An argument that is not UTF-8 comes with its bytes escaped, which no request can hold.
    task = task.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if not task.strip():
        raise Invalid("task.empty", "The task is empty. Say what is to be done.")
    return task


async def _run(builder: Builder, session: Session, order: Order, body: dict[str, Any]) -> Exit:
    async with connect(session.finder.address) as connection:
        if await _is_usable(session, connection):
            return await _carry_out(session, connection, order, body)
        if session.finder.is_named or order.is_detached:
            raise unreachable(connection.url)
    if not order.is_silent:
        session.terminal.note(
            "No server runs, so this command is the server until the run has ended. "
            "`open-agent serve` starts one that stays."
        )
    data_dir = session.settings.data_dir
    activity = "starting"
    async with progress(session.terminal, session.clock, lambda: activity):
        servers = await anyio.to_thread.run_sync(builder)
        with announcing(data_dir, is_lasting=False) as announcer:
            async with servers.in_process(session.settings) as server:
                announcer.write(server.url)
                address = Address(server.url, server.token)
                async with connect(lambda: address) as connection:
                    activity = ""
                    exit_ = await _carry_out(session, connection, order, body)
                    activity = "ending the server in good order"
    return exit_


async def _is_usable(session: Session, connection: Connection) -> bool:
    """Whether a server runs that will still be there when this task is done."""
    announced = session.finder.announcement()
    if announced is not None and not announced.is_lasting:
        raise Conflict(
            "data_dir.in_use",
            f"Another `open-agent run` (pid {announced.pid}) works on {session.settings.data_dir}. "
            "Wait for it, or start `open-agent serve` once it has ended, to run several at once.",
            {"pid": announced.pid},
        )
    return await session.is_running(connection)


async def _carry_out(
    session: Session, connection: Connection, order: Order, body: dict[str, Any]
) -> Exit:
    terminal = session.terminal
    if order.workspace.workspace_id is not None:
        found = await find_workspace(session, connection, order.workspace.workspace_id)
        body = {**body, "workspace": {"id": found}}
    async with progress(terminal, session.clock, lambda: "handing the task over"):
        reply = await connection.post("/api/task", body, key=new_uuid())
    task_id = MissionId(reply.value["id"])
    if order.is_detached:
        terminal.print(
            pydantic_core.to_json(reply.value).decode() if order.is_json else str(task_id)
        )
        if not order.is_silent:
            terminal.note(f"`open-agent follow {task_id[:SHORT_ID]}` follows it.")
        return Exit.SUCCEEDED
    if not order.is_silent:
        terminal.note(f"Task {task_id}")
    ctrl_c = CtrlC(lambda: connection.post(f"/api/task/{task_id}/stop"))
    follower = Follower(connection, task_id, session.clock)
    ending = await watch(follower, _view(session, order, task_id), terminal, session.clock, ctrl_c)
    if ending is None:
        terminal.note(
            f"The run is left to go on. `open-agent follow {task_id[:SHORT_ID]}` follows it again, "
            f"`open-agent stop {task_id[:SHORT_ID]}` stops it."
        )
        return Exit.INTERRUPTED
    return exit_of_outcome(ending.outcome)


def _view(session: Session, order: Order, task_id: MissionId) -> View:
    if order.is_json:
        return JsonView(session.terminal)
    if order.is_quiet:
        return QuietView(session.terminal)
    return NarratedView(session.terminal, task_id)
