"""Finding missions by what is said in them: the same on every database, in any language."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from open_agent.core.ids import CallId, MissionId
from open_agent.core.mission import MissionKind
from open_agent.events.model.answer import AnswerGiven, AnswerRequested
from open_agent.events.model.mission import MissionRenamed
from open_agent.events.model.queue import MessageEdited, MessageRemoved
from open_agent.events.search import is_found, query_words, words_of
from open_agent.store.base import Database
from open_agent.store.paging import MissionFilter
from tests.conformance.making import ANNA, BEN, finished, message, new_run, open_one, started
from tests.conformance.test_log_forks import fork
from tests.conformance.test_log_lists import hear, run, talk


async def found(db: Database, question: str, **more: Any) -> list[MissionId]:
    return [each.mission.id for each in await db.missions.search(question, owner=ANNA, **more)]


async def said(db: Database, text: str) -> MissionId:
    """A conversation in which this was said."""
    mission_id = await talk(db)
    await hear(db, mission_id, message(text))
    return mission_id


async def test_titles_messages_answers_and_results_are_found(db: Database) -> None:
    title = await talk(db, "Repair the lighthouse")
    words = await said(db, "Where is the harbour?")
    result = await talk(db)
    await run(db, result, "The anchor is up.")
    first, run_id = message("Ask me."), new_run()
    answer = (await open_one(db, first=first)).mission.id
    question = AnswerRequested.model_validate(
        {
            "call_id": "c",
            "name": "ui_optionList",
            "kind": "input",
            "arguments": {},
            "until": "2030-01-01T00:00:00Z",
        }
    )
    begin = [started(first, root=run_id), question]
    await db.log.append(answer, 0, begin, run_id=run_id, known_seq=2)
    given = AnswerGiven(call_id=CallId("c"), answer={"picked": ["Schooner"]}, by=ANNA)
    await hear(db, answer, given)

    for text, mission_id, source, snippet in (
        ("lighthouse", title, "title", "Repair the lighthouse"),
        ("harbour", words, "message", "Where is the harbour?"),
        ("anchor", result, "result", "The anchor is up."),
        ("schooner", answer, "answer", "Schooner"),
    ):
        (one,) = await db.missions.search(text, owner=ANNA)
        assert (one.mission.id, one.source, one.snippet) == (mission_id, source, snippet)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Überprüfe die Straße nach Łódź", "uberpru strasse"),
        ("Почини маяк в гавани", "МАЯК"),
        ("修复灯塔和港口", "灯塔"),
        ("修复灯塔和港口", "口"),
        ("東京タワーの写真", "タワー"),
        ("서울의 등대를 고쳐줘", "등대"),
        ("أصلح المنارة", "المنارة"),
        ("दीपस्तंभ ठीक करो", "दीप"),
        ("ซ่อมประภาคาร", "ประภาคาร"),
        ("Fix src/open_agent/store_log.py:17", "store_log.py"),
        ("Fix src/open_agent/store_log.py:17", "agent/st"),
        ("It says ENOENT (errno 2)", "errno enoe"),
        ("café 🚀 naïve", "cafe naive"),
        ("don't", "don't"),
    ],
)
async def test_any_language_is_found_by_the_beginnings_of_its_words(
    db: Database, text: str, question: str
) -> None:
    await said(db, "Nothing of the kind.")
    mission_id = await said(db, text)

    assert await found(db, question) == [mission_id]
    assert await found(db, f"{question} unheard") == []


async def test_the_inside_of_a_word_is_not_its_beginning(db: Database) -> None:
    await said(db, "lighthouse")

    assert await found(db, "house") == []


@pytest.mark.parametrize(
    "question",
    [
        *[
            "",
            " ",
            "!?",
            '"',
            "'",
            "*",
            "a* OR b",
            '" OR "',
            "') & (",
            "\\",
            "NEAR(a b)",
            "-",
            ":*",
        ],
        *["words:x", "\x00", "\ud800", "🚀", "%", "a'; DROP TABLE texts;--", "x" * 10_000],
        *["( " * 900, " ".join(map(str, range(500)))],
    ],
)
async def test_nothing_in_a_question_is_an_error(db: Database, question: str) -> None:
    await said(db, "A quiet sea.")

    assert await found(db, question) in ([], [(await db.missions.page(owner=ANNA)).items[0].id])
    assert len(await found(db, "quiet sea")) == 1


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=st.text(max_size=40), question=st.text(max_size=12))
async def test_every_database_finds_what_memory_finds(
    db: Database, kind: str, text: str, question: str
) -> None:
    mission_id = await said(db, text)
    ours = query_words(question)
    expected = bool(ours) and is_found(" ".join(words_of(text)), ours)
    assert (mission_id in await found(db, question, limit=1000)) == expected
    part = query_words(text)
    if part:
        assert mission_id in await found(db, text, limit=1000)


async def test_what_is_changed_is_found_as_it_stands(db: Database) -> None:
    mission_id = await talk(db, "First title")
    before = message("An old word.")
    await hear(db, mission_id, before)
    await hear(
        db, mission_id, MessageEdited(message_id=before.message_id, content="New one.", by=ANNA)
    )
    await hear(db, mission_id, MissionRenamed(title="Second title", by=ANNA))

    assert await found(db, "old") == []
    assert await found(db, "first") == []
    assert await found(db, "new one") == [mission_id]
    assert await found(db, "second") == [mission_id]
    await hear(db, mission_id, MessageRemoved(message_id=before.message_id, by=ANNA))
    assert await found(db, "new one") == []
    await db.log.delete_mission(mission_id, [], by=ANNA, owner=ANNA)
    assert await found(db, "second") == []
    assert (await db.upkeep.stored()).texts == {}
    assert await db.upkeep.rebuilt() == await db.upkeep.stored()


async def test_a_mission_is_found_once_by_its_newest_text(db: Database) -> None:
    a = await said(db, "The sea is calm.")
    b = await said(db, "The sea is rough.")
    await hear(db, a, message("The sea again."))
    many = await db.missions.search("sea", owner=ANNA)

    assert [(each.mission.id, each.snippet) for each in many] == [
        (a, "The sea again."),
        (b, "The sea is rough."),
    ]
    assert await found(db, "sea", limit=1) == [a]


async def test_only_what_is_asked_for_is_found(db: Database) -> None:
    task = (await open_one(db, first=message("A sea of tasks."))).mission.id
    mission_id = await said(db, "The sea.")
    await open_one(db, owner=BEN, first=message("Ben's sea.", owner=BEN))

    assert await found(db, "sea") == [mission_id, task]
    assert await found(db, "sea", where=MissionFilter(kinds=(MissionKind.TASK,))) == [task]


async def test_a_snippet_shows_where_the_word_is(db: Database) -> None:
    await said(db, "so much\n\n" * 100 + "before the Leuchttürme\tstand" + " and after" * 100)
    (one,) = await db.missions.search("leuchtturme", owner=ANNA)

    assert "before the Leuchttürme stand and after" in one.snippet
    assert one.snippet.startswith("…")
    assert one.snippet.endswith("…")
    assert len(one.snippet) < 300


async def test_a_fork_is_found_as_well(db: Database) -> None:
    other = await said(db, "A copied sea.")
    copy = (await fork(db, other, 2)).mission.id

    assert await found(db, "copied") == [copy, other]


async def test_a_long_text_is_found_by_its_beginning(db: Database) -> None:
    mission_id = await talk(db)
    mission, run_id = await db.missions.get(mission_id, owner=ANNA), new_run()
    words = " ".join(f"w{n}" for n in range(30_000))
    await db.log.append(
        mission_id,
        0,
        [started(root=run_id), finished(result=f"begin {words} end")],
        run_id=run_id,
        known_seq=mission.last_seq,
    )

    assert await found(db, "begin w17") == [mission_id]
    assert await found(db, "end") == []
