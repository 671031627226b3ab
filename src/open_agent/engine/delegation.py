"""Work that a run delegates: a mission of kind `child` with a log of its own, on the same budget.

The child's id is made of the call's, so that it is opened once whatever crashes, and found again
by whoever takes the call up. Who works on it, and when, is the engine's business as ever.
"""

import hashlib
from datetime import datetime, timedelta

import anyio

from open_agent.core.clock import Clock
from open_agent.core.errors import NotFound
from open_agent.core.ids import CallId, MessageId, MissionId, child_id
from open_agent.core.mission import Mission, MissionKind
from open_agent.core.run import RunState
from open_agent.engine.feed import Feed
from open_agent.events.log import EventLog
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.message import MessageReceived, RunOptions
from open_agent.events.model.mission import MissionCreated, Parent
from open_agent.events.model.tool import ToolReturned
from open_agent.store.missions import Missions
from open_agent.tools.definition import ToolFailed
from open_agent.tools.ports import Delegated, DelegatedTask, Delegator

DEEPEST = 2
"""Levels of delegation below a mission that a person made."""
LOOK_SECONDS = 1.0
"""How often the child's row is looked at, where nobody tells of what happened to it."""
STOP_SECONDS = 20.0
"""What a child that was told to stop gets to end."""
OVER = (RunState.FINISHED, RunState.IDLE)


class Delegations:
    """`Delegation` by missions of the same log."""

    def __init__(
        self, log: EventLog, missions: Missions, feed: Feed, clock: Clock, host_id: str
    ) -> None:
        self._log = log
        self._missions = missions
        self._feed = feed
        self._clock = clock
        self._host_id = host_id

    async def carry_out(self, by: Delegator, task: DelegatedTask) -> Delegated:
        """Have `task` done by a child and wait for its end; see `Delegation`."""
        parent = await self._missions.get_for_system(by.mission_id)
        await self._check_depth(parent)
        budget = _share(by, task)
        seconds = min(task.seconds or by.seconds_left, by.seconds_left)
        run_ends = self._clock.now() + timedelta(seconds=by.seconds_left)
        child: Mission | None = None
        # A call that is cut off in the middle of this would not know that it has a child.
        with anyio.CancelScope(shield=True):
            child = await self._open(by, task, parent, budget, seconds)
        assert child is not None
        late = child.created_at + timedelta(seconds=task.seconds) if task.seconds else run_ends
        child = await self._until_over(child.id, min(late, run_ends))
        is_late = child.run_state not in OVER
        if is_late:
            await self.stop(by.mission_id, by.call_id)
            child = await self._missions.get_for_system(child.id)
        return Delegated(
            mission_id=child.id,
            outcome=child.outcome if child.run_state in OVER else None,
            reason=child.reason or "",
            result=child.result or "",
            steps=child.steps,
            cost_microdollars=await self._spent(child),
            is_late=is_late,
        )

    async def stop(self, mission_id: MissionId, call_id: CallId) -> bool:
        """Cancel what a call delegated and wait for its end; see `Delegation`."""
        try:
            child = await self._missions.get_for_system(child_id(mission_id, call_id))
            if child.run_state in OVER:
                return True
            await self._log.append_external(
                child.id,
                CancelRequested(by=child.owner_id, reason="The run that delegated it stopped it."),
                key=f"stop:{call_id}",
                owner=child.owner_id,
            )
            deadline = self._clock.now() + timedelta(seconds=STOP_SECONDS)
            child = await self._until_over(child.id, deadline)
        except NotFound:
            return True
        return child.run_state in OVER

    async def _check_depth(self, parent: Mission) -> None:
        depth, above = 0, parent.parent_id
        while above is not None:
            depth, above = depth + 1, (await self._missions.get_for_system(above)).parent_id
        if depth >= DEEPEST:
            raise ToolFailed(f"No more than {DEEPEST} levels delegate. Do this part yourself.")

    async def _open(
        self, by: Delegator, task: DelegatedTask, parent: Mission, budget: int, seconds: int
    ) -> Mission:
        mission_id = child_id(by.mission_id, by.call_id)
        opened = await self._log.open_mission(
            mission_id,
            MissionCreated(
                owner_id=parent.owner_id,
                kind=MissionKind.CHILD,
                title=task.title,
                workspace=parent.workspace,
                is_workspace_ours=False,
                host_id=self._host_id,
                model=task.model or by.model,
                parent=Parent(
                    mission_id=by.mission_id,
                    run_id=by.run_id,
                    call_id=by.call_id,
                    root_run_id=by.root_run_id,
                ),
            ),
            MessageReceived(
                message_id=MessageId(mission_id),
                sender=parent.owner_id,
                content=task.text,
                options=RunOptions(
                    # Our own loop delegates, to our own loop.
                    backend="native",
                    budget_microdollars=budget,
                    wall_seconds=seconds,
                ),
                cause="delegate",
            ),
            key=f"delegate:{mission_id}",
            digest=hashlib.sha256(task.text.encode("utf-8", "replace")).hexdigest(),
        )
        return opened.mission

    async def _until_over(self, mission_id: MissionId, deadline: datetime) -> Mission:
        """The mission once its run is over, or at the deadline."""
        with self._feed.watch(mission_id) as watch:
            while True:
                commits = watch.commits
                mission = await self._missions.get_for_system(mission_id)
                if mission.run_state in OVER:
                    return mission
                while watch.commits == commits:
                    left = (deadline - self._clock.now()).total_seconds()
                    if left <= 0 or self._feed.is_closed:
                        return mission
                    if not await watch.changed(min(LOOK_SECONDS, left)):
                        break

    async def _spent(self, mission: Mission) -> int:
        """By a child and, as its own calls say, by all below it."""
        spent, after = mission.spent_microdollars, 0
        while page := await self._log.read(mission.id, after=after):
            spent += sum(
                record.event.cost_microdollars
                for record in page
                if isinstance(record.event, ToolReturned)
            )
            after = page[-1].seq
        return spent


def _share(by: Delegator, task: DelegatedTask) -> int:
    """What the child may spend, in micro-dollars; 0 when there is no budget at all.

    Raises:
        ToolFailed: Nothing is left.
    """
    if by.budget_left is None:
        return task.budget_microdollars or 0
    if by.budget_left <= 0:
        raise ToolFailed("Nothing is left of the budget. Do this part yourself, or say so.")
    return min(task.budget_microdollars or by.budget_left, by.budget_left)
