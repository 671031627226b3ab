"""Tasks: one instruction, one run, on the same log and engine as everything else."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import anyio

from open_agent.core.actor import Actor
from open_agent.core.errors import Conflict, Invalid, NotFound, OpenAgentError
from open_agent.core.ids import MessageId, MissionId, is_uuid, new_uuid
from open_agent.core.mission import Mission, MissionKind
from open_agent.core.money import from_cents
from open_agent.core.run import RunState
from open_agent.engine.base import Engine
from open_agent.engine.feed import Feed
from open_agent.events.log import EventLog, Opened
from open_agent.events.model.message import MessageReceived, RunOptions
from open_agent.events.model.mission import MissionCreated
from open_agent.services.places import Places
from open_agent.services.stopping import request_stop
from open_agent.services.workspaces.choosing import WorkspaceChoice, choice_of, digest_fields
from open_agent.services.workspaces.reserving import Reservation, Reserving
from open_agent.store.missions import Missions
from open_agent.store.paging import MissionFilter, MissionPage

LONGEST_TASK_BYTES = 128 * 1024
TITLE_CHARACTERS = 100
STOP_SECONDS = 10.0
"""How long a stop waits for the run's end before it answers anyway."""


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """What is asked for."""

    instruction: str
    model: str | None = None
    working_dir: str | None = None
    budget_cents: int | None = None
    workspace: WorkspaceChoice | None = None
    backend: str | None = None


class Tasks:
    """Submit, look at and stop tasks."""

    def __init__(
        self,
        log: EventLog,
        missions: Missions,
        engine: Engine,
        feed: Feed,
        places: Places,
        reserving: Reserving,
    ) -> None:
        self._log = log
        self._missions = missions
        self._engine = engine
        self._feed = feed
        self._places = places
        self._reserving = reserving

    async def submit(
        self, actor: Actor, request: TaskRequest, *, key: str | None = None
    ) -> Mission:
        """Accept a task; it is durable when this returns, and carried out from then on.

        Args:
            actor: Whose task it is.
            request: What is asked for.
            key: Made by the client; the same key again returns the task of the first time.

        Raises:
            Invalid: The instruction is empty or too long, or the directory, model or backend
                unusable.
            Unavailable: The backend has to be asked for its models, and cannot be.
            Conflict: The key was used for another request.
        """
        _check(request.instruction)
        backend = self._places.checked_backend(request.backend)
        options = RunOptions(
            model=await self._places.checked_model(request.model, backend),
            backend=backend,
            budget_microdollars=None
            if request.budget_cents is None
            else from_cents(request.budget_cents),
        )
        mission_id = MissionId(new_uuid())
        choice = choice_of(request.working_dir, request.workspace)
        place = await self._reserving.reserve(actor, choice, mission_id, "task")
        try:
            opened = await self._open(actor, request, options, mission_id, place, key)
        except OpenAgentError:
            await self._reserving.give_up(place)
            raise
        if opened.mission.id != mission_id:
            await self._reserving.give_up(place)
        self._engine.wake(opened.mission.id)
        return opened.mission

    async def _open(
        self,
        actor: Actor,
        request: TaskRequest,
        options: RunOptions,
        mission_id: MissionId,
        place: Reservation,
        key: str | None,
    ) -> Opened:
        return await self._log.open_mission(
            mission_id,
            MissionCreated(
                owner_id=actor.user_id,
                kind=MissionKind.TASK,
                title=_title(request.instruction),
                workspace=place.path,
                workspace_id=place.workspace_id,
                is_workspace_ours=place.is_ours,
                host_id=self._places.host_id,
            ),
            MessageReceived(
                message_id=MessageId(new_uuid()),
                sender=actor.user_id,
                content=request.instruction,
                options=options,
            ),
            key=key,
            digest=_digest(request),
        )

    async def get(self, actor: Actor, task_id: MissionId) -> Mission:
        """A task of the actor's.

        Raises:
            NotFound: It does not exist, or is not the actor's (`task.not_found`).
        """
        not_found = NotFound("task.not_found", f"Task {task_id} not found.")
        if not is_uuid(task_id):
            raise not_found
        try:
            mission = await self._missions.get(task_id, owner=actor.user_id)
        except NotFound:
            raise not_found from None
        if mission.kind is not MissionKind.TASK:
            raise not_found
        return mission

    async def page(self, actor: Actor, *, after: str | None, limit: int) -> MissionPage:
        """The actor's tasks, newest first; `after` is the `next` of the page before.

        Raises:
            Invalid: `after` is not a cursor of ours (`cursor.invalid`).
        """
        return await self._missions.page(
            owner=actor.user_id,
            after=after,
            limit=limit,
            where=MissionFilter(kinds=(MissionKind.TASK,)),
        )

    async def stop(self, actor: Actor, task_id: MissionId) -> Mission:
        """End a task that has not ended, with everything it started.

        Returns when the run has ended, or after `STOP_SECONDS` in any case: the request is on
        the log by then and cannot be lost.

        Raises:
            NotFound: It does not exist, or is not the actor's (`task.not_found`).
            Conflict: It has ended already (`task.not_running`).
        """
        mission = await self.get(actor, task_id)
        if mission.run_state in (RunState.FINISHED, RunState.IDLE):
            raise Conflict(
                "task.not_running",
                f"Task {task_id} is not running (it has ended). There is nothing to stop.",
                {"run_state": mission.run_state},
            )
        with self._feed.watch(task_id) as watch:
            await request_stop(self._log, self._engine, actor, task_id)
            with anyio.move_on_after(STOP_SECONDS):
                while mission.run_state is not RunState.FINISHED:
                    await watch.changed(0.5)
                    mission = await self.get(actor, task_id)
        return mission


def _check(instruction: str) -> None:
    if not instruction.strip():
        raise Invalid("task.empty", "The task is empty. Say in `task` what is to be done.")
    size = len(instruction.encode("utf-8", "replace"))
    if size > LONGEST_TASK_BYTES:
        raise Invalid(
            "task.too_long",
            f"The task has {size:,} bytes; the limit is {LONGEST_TASK_BYTES:,}. "
            "Put long material into a file and name the file in the task.",
            {"bytes": size, "limit": LONGEST_TASK_BYTES},
        )


def _title(instruction: str) -> str:
    line = instruction.strip().splitlines()[0].strip()
    return line if len(line) <= TITLE_CHARACTERS else line[: TITLE_CHARACTERS - 1] + "…"


def _digest(request: TaskRequest) -> str:
    fields: list[Any] = [
        request.instruction,
        request.model,
        request.working_dir,
        request.budget_cents,
        *digest_fields(request.workspace),
    ]
    if request.backend is not None:
        fields.append(request.backend)
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()
