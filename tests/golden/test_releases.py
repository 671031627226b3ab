"""What any release wrote, every later one reads, to the same end, and goes on with."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, get_args

import pydantic_core
import pytest
from pydantic import BaseModel

import open_agent
from open_agent.agent.view import load_view
from open_agent.core.clock import SystemClock
from open_agent.core.ids import MissionId
from open_agent.events.codec import encode_event
from open_agent.events.model.mission import MissionDeleted
from open_agent.events.model.union import Event, EventType, UnknownEvent
from open_agent.events.upcast import FORMAT
from open_agent.models.encoding import Conversation
from open_agent.store.database import open_database
from open_agent.store.sqlite.database import FILE_NAME
from tests.golden.backend_story import tell
from tests.golden.make import (
    STREAM,
    format_of,
    lines_of,
    logs,
    records_of,
    releases,
    streams,
    summary_path,
    to_text,
)
from tests.golden.story import HOST, OWNER, TASK, StoryClock, message
from tests.golden.summary import encode, state, summarise

LOGS = [log for release in releases() for log in logs(release)]

every_log = pytest.mark.parametrize("log", LOGS, ids=[f"{p.parts[-3]}/{p.stem}" for p in LOGS])
every_release = pytest.mark.parametrize("release", releases(), ids=lambda path: path.name)


def copy_of(release: Path, folder: Path) -> Path:
    """The release's database where it may be written to."""
    folder.mkdir(exist_ok=True)
    shutil.copy(release / FILE_NAME, folder / FILE_NAME)
    (folder / "host_id").write_text(HOST + "\n")
    return folder


def filled(value: BaseModel) -> Iterator[tuple[str, str]]:
    """The fields, of `value` and what is in it, that say more than their default."""
    for name, info in type(value).model_fields.items():
        field = getattr(value, name)
        if info.is_required() or field != info.get_default(call_default_factory=True):
            yield type(value).__name__, name
        inside = cast("list[Any]", field) if isinstance(field, list) else [field]
        for inner in inside:
            if isinstance(inner, BaseModel):
                yield from filled(inner)


def test_this_release_has_left_its_logs() -> None:
    assert open_agent.__version__ in [release.name for release in releases()]


def test_every_field_of_every_event_is_on_a_golden_log() -> None:
    told = [*LOGS, *streams()]
    seen = {field for log in told for record in records_of(log) for field in filled(record.event)}
    union, *_ = get_args(Event)
    events: tuple[type[BaseModel], ...] = get_args(union)
    wanted = {
        (model.__name__, name)
        for model in _with_parts(events)
        for name in model.model_fields
        if name != "type"
    }
    assert wanted - seen == set()


def _with_parts(models: tuple[type[BaseModel], ...]) -> set[type[BaseModel]]:
    found: set[type[BaseModel]] = set()
    queue: list[Any] = list(models)
    while queue:
        kind = queue.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if kind not in found:
                found.add(kind)
                queue += [info.annotation for info in kind.model_fields.values()]
        else:
            queue += get_args(kind)
    return found


@every_log
def test_an_old_log_is_understood_whole(log: Path) -> None:
    records = records_of(log)

    assert not [record for record in records if isinstance(record.event, UnknownEvent)]
    assert {record.event.type for record in records} <= set(get_args(EventType))
    assert [record.seq for record in records] == list(range(1, len(records) + 1))


@every_log
def test_a_record_is_written_as_it_was_read(log: Path) -> None:
    release = log.parent.parent
    if release.name == open_agent.__version__ and format_of(release) == FORMAT:
        # Fields that came later are written with their defaults, so older records differ.
        assert [encode(record) for record in records_of(log)] == lines_of(log)
    for record in records_of(log):
        assert not isinstance(record.event, UnknownEvent)
        again = type(record.event).model_validate_json(encode_event(record.event))
        assert again == record.event


@every_log
def test_an_old_log_comes_to_what_it_came_to(log: Path) -> None:
    assert to_text(summarise(records_of(log))) == summary_path(log).read_text(encoding="utf-8")


@pytest.mark.parametrize("stream", streams(), ids=lambda path: path.parent.name)
async def test_an_owners_stream_is_what_it_was(stream: Path, tmp_path: Path) -> None:
    async with await open_database(copy_of(stream.parent, tmp_path), SystemClock()) as db:
        stored = await db.log.read_owned(OWNER)
    records = records_of(stream)

    assert [record.json for record in stored] == lines_of(stream)
    assert not [record for record in records if isinstance(record.event, UnknownEvent)]
    places = [record.owner_seq for record in records]
    assert places == sorted(set(places))
    assert any(isinstance(record.event, MissionDeleted) for record in records)


@every_release
async def test_an_old_database_has_everything_and_takes_more(release: Path, tmp_path: Path) -> None:
    said = message(900, "And the changelog.")
    async with await open_database(copy_of(release, tmp_path), SystemClock()) as db:
        for log in logs(release):
            mission_id = MissionId(log.stem)
            stored = [record.json for record in await db.log.read_encoded(mission_id)]
            assert stored == lines_of(log)
            again = await db.log.append_external(mission_id, said, key="new", owner=OWNER)
            epoch = await db.leases.claim(mission_id, "a new worker")
            assert [record.seq for record in again.records] == [len(stored) + 1]
            assert epoch == 2
        assert await db.upkeep.rebuilt() == await db.upkeep.stored()


@every_release
async def test_an_old_mission_is_gone_on_with_where_it_was_compacted(
    release: Path, tmp_path: Path
) -> None:
    log = next(path for path in logs(release) if path.stem == TASK)
    async with await open_database(copy_of(release, tmp_path), SystemClock()) as db:
        view, conversation = await load_view(db.log, TASK, Conversation())
    kept = pydantic_core.from_json(summary_path(log).read_bytes())

    assert view.dump() | {"call_ids": sorted(view.call_ids)} == state(records_of(log))
    body = pydantic_core.from_json(conversation.encode_request("test/model", 100).body)
    assert body["messages"] == kept["messages"]


async def test_this_release_still_writes_what_it_left(tmp_path: Path) -> None:
    release = next(path for path in releases() if path.name == open_agent.__version__)
    (tmp_path / "host_id").write_text(HOST + "\n")
    async with await open_database(tmp_path, StoryClock()) as db:
        for mission_id in await tell(db):
            told = [record.json for record in await db.log.read_encoded(mission_id)]
            assert told == lines_of(next(p for p in logs(release) if p.stem == mission_id))
        stream = [record.json for record in await db.log.read_owned(OWNER)]
    assert stream == lines_of(release / STREAM)
