"""Reservations on a run's budget, on every database."""

from typing import Any

import anyio

from open_agent.core.ids import MissionId, RunId
from open_agent.events.log import BudgetSpent
from open_agent.store.base import Database
from tests.conformance.making import (
    ANNA,
    answered,
    asked,
    failed,
    finished,
    note,
    open_one,
    start_run,
)

UNMOVED = 10**9
"""A `known_seq` that no log of this suite reaches."""


class Spender:
    """A run that calls the model."""

    def __init__(self, db: Database, mission_id: MissionId, run_id: RunId) -> None:
        self.db, self.mission_id, self.run_id = db, mission_id, run_id

    @classmethod
    async def start(cls, db: Database, *, budget: int, root: "Spender | None" = None) -> "Spender":
        mission_id = (await open_one(db)).mission.id
        run_id = await start_run(
            db, mission_id, 0, budget=budget, root=root.run_id if root else None
        )
        return cls(db, mission_id, run_id)

    async def append(self, *events: Any) -> bool:
        """Whether it fitted the budget."""
        try:
            await self.db.log.append(
                self.mission_id, 0, events, run_id=self.run_id, known_seq=UNMOVED
            )
        except BudgetSpent:
            return False
        return True


async def test_a_call_beyond_the_budget_is_refused_and_leaves_no_trace(db: Database) -> None:
    run = await Spender.start(db, budget=100)

    assert not await run.append(note(), asked(101))
    assert len(await db.log.read(run.mission_id)) == 3
    assert await run.append(asked(100))


async def test_an_answer_turns_the_reservation_into_its_cost(db: Database) -> None:
    run = await Spender.start(db, budget=100)

    assert await run.append(asked(90))
    assert not await run.append(asked(11))
    assert await run.append(answered(cost=30))
    assert await run.append(asked(70))
    assert await run.append(failed(cost=70))
    assert not await run.append(asked(1))
    assert await run.append(asked(0))
    assert (await db.missions.get(run.mission_id, owner=ANNA)).spent_microdollars == 100


async def test_a_step_settles_and_reserves_in_one_append(db: Database) -> None:
    run = await Spender.start(db, budget=100)

    assert await run.append(asked(90))
    assert await run.append(answered(cost=20), asked(80, step=2))
    assert not await run.append(answered(cost=21), asked(80, step=3))
    assert (await db.missions.get(run.mission_id, owner=ANNA)).spent_microdollars == 20


async def test_nothing_means_no_budget(db: Database) -> None:
    run = await Spender.start(db, budget=0)

    assert await run.append(asked(10**12))


async def test_fifty_runs_that_ask_at_once_never_share_the_same_money(db: Database) -> None:
    root = await Spender.start(db, budget=1000)
    children = [await Spender.start(db, budget=0, root=root) for _ in range(50)]
    allowed: list[bool] = []

    async def ask(child: Spender) -> None:
        allowed.append(await child.append(asked(100)))

    async with anyio.create_task_group() as group:
        for child in children:
            group.start_soon(ask, child)

    assert sum(allowed) == 10
    assert not await root.append(asked(1))


async def test_children_spend_their_roots_money(db: Database) -> None:
    root = await Spender.start(db, budget=100)
    child = await Spender.start(db, budget=0, root=root)

    assert await child.append(asked(60))
    assert not await root.append(asked(41))
    assert await root.append(asked(40))
    assert await child.append(answered(cost=10))
    assert await child.append(asked(50))
    assert await root.append(answered(cost=40))
    assert not await root.append(asked(1))
    assert (await db.missions.get(child.mission_id, owner=ANNA)).spent_microdollars == 10
    assert (await db.missions.get(root.mission_id, owner=ANNA)).spent_microdollars == 40


async def test_a_finished_child_gives_back_what_it_had_reserved(db: Database) -> None:
    root = await Spender.start(db, budget=100)
    child = await Spender.start(db, budget=0, root=root)

    assert await child.append(asked(100))
    assert not await root.append(asked(1))
    assert await child.append(finished())
    assert await root.append(asked(100))
