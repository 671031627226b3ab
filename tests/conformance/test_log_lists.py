"""Lists of missions, what was said in them, and who is to be looked after."""

from datetime import UTC, datetime, timedelta

import pytest

from open_agent.core.errors import Invalid
from open_agent.core.ids import CallId, MissionId, RunId, UserId, new_uuid
from open_agent.core.mission import MissionKind, MissionStatus
from open_agent.core.run import Outcome, RunState
from open_agent.events.model.mission import (
    MissionRenamed,
    MissionSelected,
    MissionStatusChanged,
    Parent,
)
from open_agent.events.model.queue import MessageEdited, MessageRemoved
from open_agent.events.model.union import ExternalEvent
from open_agent.store.base import Database
from open_agent.store.history import Said
from open_agent.store.paging import MissionFilter, MissionOrder
from tests.conformance.making import (
    ANNA,
    BEN,
    created,
    finished,
    message,
    new_mission,
    new_run,
    note,
    open_one,
    started,
)

UPDATED = MissionOrder.UPDATED


async def hear(db: Database, mission_id: MissionId, event: ExternalEvent) -> None:
    await db.log.append_external(mission_id, event, key=new_uuid(), owner=ANNA)


async def talk(db: Database, title: str | None = None, owner: UserId = ANNA) -> MissionId:
    """A conversation in which nothing was said."""
    event = created(owner, kind=MissionKind.MISSION, title=title)
    opened = await db.log.open_mission(new_mission(), event, None, key=None, digest="")
    return opened.mission.id


async def run(db: Database, mission_id: MissionId, result: str = "Done.") -> RunId:
    """A run without a message, from its start to its end."""
    mission, run_id = await db.missions.get(mission_id, owner=ANNA), new_run()
    events = [started(root=run_id), finished(result=result)]
    await db.log.append(mission_id, 0, events, run_id=run_id, known_seq=mission.last_seq)
    return run_id


async def listed(db: Database, where: MissionFilter) -> list[MissionId]:
    return [m.id for m in (await db.missions.page(owner=ANNA, where=where)).items]


async def test_a_list_can_be_narrowed_by_any_of_several_things(db: Database) -> None:
    task = (await open_one(db)).mission.id
    a, b = await talk(db), await talk(db)
    blocked = MissionStatusChanged(status=MissionStatus.BLOCKED, by="person")
    await hear(db, b, blocked)
    await run(db, a)
    there = (await db.missions.get(task, owner=ANNA)).workspace

    for where, expected in (
        (MissionFilter(), [b, a, task]),
        (MissionFilter(kinds=(MissionKind.MISSION,)), [b, a]),
        (MissionFilter(kinds=(MissionKind.MISSION, MissionKind.TASK)), [b, a, task]),
        (MissionFilter(statuses=(MissionStatus.BLOCKED, MissionStatus.FAILED)), [b]),
        (MissionFilter(statuses=(MissionStatus.ACTIVE,)), [a, task]),
        (MissionFilter(run_states=(RunState.FINISHED, RunState.QUEUED)), [a, task]),
        (MissionFilter(kinds=(MissionKind.TASK,), run_states=(RunState.FINISHED,)), []),
        (MissionFilter(kinds=(MissionKind.TASK,), directory=there), [task]),
        (MissionFilter(directory=f"{there}/below"), []),
    ):
        assert await listed(db, where) == expected


async def test_a_list_by_update_begins_with_what_changed_last(db: Database) -> None:
    ids = [await talk(db) for _ in range(5)]
    await hear(db, ids[1], MissionRenamed(title="Changed", by=ANNA))
    page = await db.missions.page(owner=ANNA, order=UPDATED)

    assert [m.id for m in page.items] == [ids[1], ids[4], ids[3], ids[2], ids[0]]
    assert page.items[0].title == "Changed"


async def test_no_mission_is_shown_twice_while_missions_change(db: Database) -> None:
    ids = [await talk(db) for _ in range(9)]
    first = await db.missions.page(owner=ANNA, limit=4, order=UPDATED)
    assert [m.id for m in first.items] == ids[:4:-1]
    # One that was seen, and one that was not reached yet.
    await hear(db, ids[8], message())
    await hear(db, ids[3], message())
    second = await db.missions.page(owner=ANNA, limit=4, order=UPDATED, after=first.next)
    assert [m.id for m in second.items] == [ids[4], ids[2], ids[1], ids[0]]
    assert second.next is None
    again = await db.missions.page(owner=ANNA, limit=2, order=UPDATED)
    assert [m.id for m in again.items] == [ids[3], ids[8]]


async def test_a_cursor_belongs_to_its_order(db: Database) -> None:
    for _ in range(3):
        await talk(db)
    for order, other in ((MissionOrder.CREATED, UPDATED), (UPDATED, MissionOrder.CREATED)):
        cursor = (await db.missions.page(owner=ANNA, limit=1, order=order)).next
        with pytest.raises(Invalid):
            await db.missions.page(owner=ANNA, after=cursor, order=other)


async def test_children_are_listed_with_their_parent(db: Database) -> None:
    parent, root = await talk(db), new_run()
    by = Parent(mission_id=parent, run_id=root, call_id=CallId("call-1"), root_run_id=root)
    children = [
        (await open_one(db, kind=MissionKind.CHILD, parent=by)).mission.id for _ in range(2)
    ]

    assert [m.id for m in await db.missions.children(parent, owner=ANNA)] == children
    assert await listed(db, MissionFilter(parent=parent)) == children[::-1]
    assert await db.missions.children(children[0], owner=ANNA) == []
    assert await db.missions.children(parent, owner=BEN) == []


async def test_the_current_mission_is_the_one_selected_last(db: Database) -> None:
    a, b = await talk(db), await talk(db)
    assert await db.missions.current(owner=ANNA) is None
    await hear(db, a, MissionSelected(by=ANNA))
    await hear(db, b, MissionSelected(by=ANNA))
    current = await db.missions.current(owner=ANNA)
    assert current is not None
    assert current.id == b
    assert await db.missions.current(owner=BEN) is None
    await db.log.delete_mission(b, [], by=ANNA, owner=ANNA)
    assert await db.missions.current(owner=ANNA) is None


async def test_only_missions_in_which_nothing_is_are_empty(db: Database) -> None:
    blank = [await talk(db), await talk(db, "Untitled Mission"), await talk(db, "  ")]
    await talk(db, "A plan")
    await talk(db, owner=BEN)
    said, ran, closed = [await talk(db) for _ in range(3)]
    await hear(db, said, message())
    await run(db, ran)
    await hear(db, closed, MissionStatusChanged(status=MissionStatus.COMPLETED, by="person"))
    await open_one(db)

    assert [m.id for m in await db.missions.empty(owner=ANNA)] == blank


async def test_missions_at_rest_for_long_are_stale(db: Database) -> None:
    old, busy, closed = [await talk(db) for _ in range(3)]
    await hear(db, busy, message())
    await hear(db, closed, MissionStatusChanged(status=MissionStatus.COMPLETED, by="person"))
    bens = await talk(db, owner=BEN)
    later = datetime.now(UTC) + timedelta(hours=1)

    assert [m.id for m in await db.missions.stale_for_system(later)] == [old, bens]
    assert [m.id for m in await db.missions.stale_for_system(later, limit=1)] == [old]
    assert await db.missions.stale_for_system(later - timedelta(days=1)) == []


async def test_a_history_is_what_was_said_as_it_stands(db: Database) -> None:
    a, b, quiet = [await talk(db) for _ in range(3)]
    said = [message(f"Part {n}.") for n in range(3)]
    for each in said:
        await hear(db, a, each)
    await hear(db, a, MessageEdited(message_id=said[1].message_id, content="Edited.", by=ANNA))
    await hear(db, a, MessageRemoved(message_id=said[2].message_id, by=ANNA))
    await db.log.append(a, 0, [note()], run_id=None, known_seq=10**9)
    run_id = await run(db, a, "All of it.")
    await hear(db, b, message("Elsewhere."))
    found = await db.missions.history([b, a, quiet, new_mission()], owner=ANNA)

    assert found.keys() == {a, b}
    assert [(each.role, each.content) for each in found[a]] == [
        ("user", "Part 0."),
        ("user", "Edited."),
        ("assistant", "All of it."),
    ]
    records = await db.log.read(a)
    assert found[a][1] == Said(
        a, 3, records[2].at, "user", "Edited.", sender=ANNA, message_id=said[1].message_id
    )
    assert found[a][2].run_id == run_id
    assert found[a][2].outcome is Outcome.SUCCEEDED
    assert await db.missions.history([a], owner=BEN) == {}
    assert await db.missions.history([], owner=ANNA) == {}
