"""Many long missions listed, opened and searched: `python -m bench.missions`.

They are written through the real log, a thousand with a thousand events each, on SQLite or, with
`--postgres`, on a PostgreSQL of its own. Half of them are one person's, half another's.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import uvloop

from bench.report import Figure, finish, median_of
from open_agent.core.clock import SystemClock
from open_agent.core.ids import CallId, MessageId, MissionId, RunId, UserId, new_uuid
from open_agent.core.mission import MissionKind
from open_agent.core.run import Limits, Outcome, RunState, Usage
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, RequestedCall
from open_agent.events.model.run import RunFinished, RunStarted
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.events.model.union import Event
from open_agent.store.base import Database
from open_agent.store.database import open_database
from open_agent.store.paging import MissionFilter, MissionOrder
from open_agent.testing.postgres import running_postgres

LIST_MS, OPEN_MS, SEARCH_MS = 50, 100, 100
STEPS_A_RUN = 24
EVENTS_A_RUN = 3 + 4 * STEPS_A_RUN
OWNERS = (UserId("anna"), UserId("ben"))
SYLLABLES = [
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ha",
    "je",
    "ki",
    "lo",
    "mu",
    "na",
    "pe",
    "qui",
    "ro",
    "su",
    "ta",
    "ve",
    "wi",
    "xo",
    "yu",
]
TALKS = MissionFilter(kinds=(MissionKind.MISSION,))
ENDED = MissionFilter(kinds=(MissionKind.MISSION,), run_states=(RunState.FINISHED,))


class Words:
    """Text in which some words are frequent and most are rare, the same every time."""

    def __init__(self) -> None:
        self._dice = random.Random(7)
        self._known = ["".join(self._dice.choices(SYLLABLES, k=3)) for _ in range(5000)]
        self._weights = [1 / (rank + 1) for rank in range(len(self._known))]

    def text(self, count: int) -> str:
        """A text of so many words."""
        return " ".join(self._dice.choices(self._known, self._weights, k=count))

    def at(self, rank: int) -> str:
        """A word, by how frequent it is."""
        return self._known[rank]


def one_run(words: Words, number: int) -> list[Event]:
    """All events of a run, with the message that it takes."""
    message = MessageReceived(
        message_id=MessageId(new_uuid()), sender=OWNERS[0], content=words.text(40)
    )
    events: list[Event] = [
        message,
        RunStarted(
            message_ids=[message.message_id],
            backend="native",
            model="m",
            limits=Limits(),
            root_run_id=RunId(f"run-{number}"),
        ),
    ]
    for step in range(1, STEPS_A_RUN + 1):
        events += one_step(words, number, step)
    events.append(
        RunFinished(
            outcome=Outcome.SUCCEEDED,
            reason="done",
            result=words.text(60),
            steps=STEPS_A_RUN,
            usage=Usage(),
            cost_microdollars=0,
            duration_seconds=1,
            decided_on=0,
        )
    )
    return events


def one_step(words: Words, number: int, step: int) -> list[Event]:
    """A model call, and the tool that it asks for."""
    call_id = CallId(f"call-{number}-{step}")
    name, arguments = "run_command", '{"command": "make"}'
    call = RequestedCall(call_id=call_id, name=name, arguments=arguments)
    events: list[Event] = [
        ModelAsked(
            step=step,
            attempt=1,
            model="m",
            max_tokens=9,
            request_bytes=9,
            reserved_microdollars=0,
            decided_on=0,
        ),
        ModelAnswered(
            step=step,
            model="m",
            text="",
            tool_calls=[call],
            finish_reason="tool_calls",
            usage=Usage(input_tokens=100, output_tokens=10),
            cost_microdollars=5,
            cost_source="reported",
            duration_ms=5,
        ),
        ToolCalled(call_id=call_id, name=name, effect="execute", arguments={}),
        ToolReturned(call_id=call_id, name=name, outcome="ok", content="x" * 200, duration_ms=5),
    ]
    return events


async def fill(db: Database, missions: int, events: int, words: Words) -> None:
    """Write the missions, a few at once."""

    async def write(number: int, limiter: anyio.Semaphore) -> None:
        async with limiter:
            mission_id, owner = MissionId(new_uuid()), OWNERS[number % 2]
            created = MissionCreated(
                owner_id=owner,
                kind=MissionKind.MISSION,
                title=words.text(5),
                workspace="/work",
                is_workspace_ours=True,
                host_id="host",
            )
            await db.log.open_mission(mission_id, created, None, key=None, digest="")
            for each in range(events // EVENTS_A_RUN):
                run_id = RunId(f"{mission_id}-{each}")
                await db.log.append(
                    mission_id, 0, one_run(words, each), run_id=run_id, known_seq=10**9
                )

    limiter = anyio.Semaphore(16)
    async with anyio.create_task_group() as group:
        for number in range(missions):
            group.start_soon(write, number, limiter)


async def sampled(rounds: int, ask: Callable[[], Awaitable[Any]]) -> list[float]:
    """How long it takes, in ms; the first time does not count."""
    samples: list[float] = []
    for _ in range(rounds + 1):
        before = time.perf_counter()
        await ask()
        samples.append((time.perf_counter() - before) * 1000)
    return samples[1:]


async def measure(
    folder: Path, url: str | None, missions: int, events: int, rounds: int
) -> list[Figure]:
    """All figures."""
    words, owner = Words(), OWNERS[0]
    async with await open_database(folder, SystemClock(), url=url) as db:
        before = time.perf_counter()
        await fill(db, missions, events, words)
        seconds = time.perf_counter() - before
        rows = db.missions

        async def listed(where: MissionFilter, after: str | None = None) -> None:
            await rows.page(
                owner=owner, limit=50, where=where, order=MissionOrder.UPDATED, after=after
            )

        async def with_history() -> None:
            page = await rows.page(owner=owner, limit=50, where=TALKS, order=MissionOrder.UPDATED)
            await rows.history([mission.id for mission in page.items], owner=owner)

        page = await rows.page(owner=owner, limit=200, order=MissionOrder.UPDATED)
        one = page.items[-1].id

        async def opened() -> None:
            await rows.get(one, owner=owner)
            await db.log.read_encoded(one, limit=events)

        def asked(question: str) -> Callable[[], Awaitable[Any]]:
            return lambda: rows.search(question, owner=owner, where=TALKS)

        several: list[tuple[str, float, Callable[[], Awaitable[Any]]]] = [
            ("50 missions listed", LIST_MS, lambda: listed(TALKS)),
            ("  further down, by state", LIST_MS, lambda: listed(ENDED, page.next)),
            ("  with all that was said", LIST_MS, with_history),
            ("a mission opened, its whole log read", OPEN_MS, opened),
            ("a rare word found", SEARCH_MS, asked(words.at(3000))),
            ("  the most frequent word", SEARCH_MS, asked(words.at(0))),
            ("  three frequent words", SEARCH_MS, asked(" ".join(map(words.at, (1, 2, 3))))),
            ("  the beginning of many words", SEARCH_MS, asked(SYLLABLES[0])),
        ]
        figures = [
            median_of(what, await sampled(rounds, ask), "ms", target)
            for what, target, ask in several
        ]
    written = missions * events / seconds
    return [*figures, Figure("  events written", round(written), "a second")]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--missions", type=int, default=1000)
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--quick", action="store_true", help="to see that it works")
    given = parser.parse_args()
    missions, events = (20, 200) if given.quick else (given.missions, given.events)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = None
        if given.postgres:
            url = stack.enter_context(running_postgres(is_durable=True)).url()
        figures = uvloop.run(measure(folder, url, missions, events, given.rounds))
    finish("missions", figures)


if __name__ == "__main__":
    main()
