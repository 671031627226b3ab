"""Missions with a past: written into a database through the real log, for a server to go on with.

The past is what the steps of `bench/model.py` would have left; the run is active, and has steps
left to take when the server starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pydantic_core

from bench.model import FILE, FILE_LINES, STEP_CHUNKS, text_of
from open_agent.core.clock import SystemClock
from open_agent.core.ids import DEFAULT_OWNER, CallId, MessageId, MissionId, RunId, new_uuid
from open_agent.core.mission import MissionKind
from open_agent.core.run import Limits, Usage
from open_agent.events.log import EventLog
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, RequestedCall
from open_agent.events.model.run import RunStarted
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.events.model.union import Event
from open_agent.store.base import Database
from open_agent.store.database import open_database

STEPS_IN_ONE_APPEND = 50
LINE = "A line of the notes that is about as long as lines of text are."


@dataclass(frozen=True, slots=True)
class Past:
    """A mission to make.

    Attributes:
        model: Who answered, and will.
        messages: How long the conversation is.
        steps: How many steps the run has left.
    """

    model: str
    messages: int
    steps: int


@dataclass(frozen=True, slots=True)
class Preloaded:
    """A mission that was made, and its last `seq`."""

    mission_id: MissionId
    last_seq: int


async def preload(folder: Path, pasts: Sequence[Past]) -> list[Preloaded]:
    """Make missions, in the order in which a server will take them up."""
    workspace = folder / "notes"
    write_notes(workspace)
    database = await open_database(folder / "data", SystemClock())
    async with database:
        return [await _preload(database, workspace, past) for past in pasts]


def write_notes(workspace: Path) -> None:
    """The file that the scripted model reads."""
    workspace.mkdir(parents=True, exist_ok=True)
    (workspace / FILE).write_text(f"{LINE}\n" * FILE_LINES)


async def _preload(database: Database, workspace: Path, past: Past) -> Preloaded:
    mission_id, run_id = MissionId(new_uuid()), RunId(new_uuid())
    message = MessageReceived(
        message_id=MessageId(new_uuid()), sender=DEFAULT_OWNER, content="Read the notes."
    )
    created = MissionCreated(
        owner_id=DEFAULT_OWNER,
        kind=MissionKind.TASK,
        workspace=str(workspace),
        is_workspace_ours=False,
        host_id=database.host_id,
    )
    await database.log.open_mission(mission_id, created, message, key=None, digest="bench")
    epoch = await database.leases.claim(mission_id, "bench")
    assert epoch is not None
    taken = past.messages // 2
    events: list[Event] = [
        RunStarted(
            message_ids=[message.message_id],
            backend="native",
            model=past.model,
            limits=Limits(steps=taken + past.steps, budget_microdollars=0),
            root_run_id=run_id,
        )
    ]
    seq = 2
    for step in range(1, taken + 1):
        events += _step(past.model, step, seq + len(events))
        if step % STEPS_IN_ONE_APPEND == 0:
            seq = await _append(database.log, mission_id, run_id, epoch, events, seq)
            events = []
    seq = await _append(database.log, mission_id, run_id, epoch, events, seq)
    await database.leases.release(mission_id, epoch)
    return Preloaded(mission_id, seq)


async def _append(
    log: EventLog, mission_id: MissionId, run_id: RunId, epoch: int, events: list[Event], seq: int
) -> int:
    if events:
        await log.append(mission_id, epoch, events, run_id=run_id, known_seq=seq)
    return seq + len(events)


def _step(model: str, step: int, seq: int) -> list[Event]:
    call_id = CallId(f"call_{step - 1}_0")
    first = (step - 1) % FILE_LINES + 1
    arguments = {"path": FILE, "start_line": first}
    return [
        ModelAsked(
            step=step,
            attempt=1,
            model=model,
            max_tokens=16_384,
            request_bytes=10_000,
            reserved_microdollars=0,
            decided_on=seq,
        ),
        ModelAnswered(
            step=step,
            model=model,
            text=text_of(STEP_CHUNKS),
            tool_calls=[
                RequestedCall(
                    call_id=call_id,
                    name="read_file",
                    arguments=pydantic_core.to_json(arguments).decode(),
                )
            ],
            finish_reason="tool_calls",
            usage=Usage(input_tokens=100, output_tokens=20),
            cost_microdollars=0,
            cost_source="free",
            duration_ms=1,
        ),
        ToolCalled(call_id=call_id, name="read_file", effect="read", arguments=arguments),
        ToolReturned(
            call_id=call_id,
            name="read_file",
            outcome="ok",
            content="\n".join(f"{number}: {LINE}" for number in range(first, FILE_LINES + 1)),
            duration_ms=1,
        ),
    ]
