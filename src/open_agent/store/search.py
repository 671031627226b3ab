"""Finding missions by what is said in them, on either database.

The words are made in `events/search.py`; here they are only looked up. A question is never an
error, whatever is in it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pydantic_core
from sqlalchemy import ColumnElement, Select, bindparam, func, select

from open_agent.core.ids import MissionId
from open_agent.core.mission import Mission
from open_agent.events.codec import upcast_body
from open_agent.events.search import Source, snippet, text_of
from open_agent.store.rows import Row, event_from
from open_agent.store.tables import events, missions, texts

NEWEST = 20_000
"""Texts that are looked at for one question, newest first."""


@dataclass(frozen=True, slots=True)
class Found:
    """A mission that a question found.

    Attributes:
        source: Where the words are.
        snippet: The newest text that has them, shortened to a line.
        seq: The record that says it.
    """

    mission: Mission
    source: Source
    snippet: str
    seq: int


@dataclass(frozen=True, slots=True)
class WordSearch:
    """How a database looks up words.

    Attributes:
        condition: Holds for the texts that the parameter `words` finds.
        question: What that parameter is, from the beginnings of the words wanted.
    """

    condition: ColumnElement[bool]
    question: Callable[[Sequence[str]], str]


def find_texts(search: WordSearch, is_wanted: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """The newest text found in each of the owner's missions that `is_wanted` holds for."""
    newest = (
        select(texts.c.id, texts.c.mission_id)
        .where(search.condition, texts.c.owner_id == bindparam("owner"))
        .order_by(texts.c.id.desc())
        .limit(bindparam("newest"))
        .subquery()
    )
    best = (
        select(func.max(newest.c.id).label("id"))
        .join(missions, missions.c.id == newest.c.mission_id)
        .where(*is_wanted)
        .group_by(newest.c.mission_id)
        .order_by(func.max(newest.c.id).desc())
        .limit(bindparam("rows"))
        .subquery()
    )
    return (
        select(events)
        .join(texts, (texts.c.mission_id == events.c.mission_id) & (texts.c.seq == events.c.seq))
        .join(best, best.c.id == texts.c.id)
        .order_by(texts.c.id.desc())
    )


@dataclass(frozen=True, slots=True)
class FoundText:
    """The text of an event that was found."""

    mission_id: MissionId
    seq: int
    source: Source
    text: str

    def as_found(self, mission: Mission, wanted: Sequence[str]) -> Found:
        """With its mission."""
        return Found(mission, self.source, snippet(self.text, wanted), self.seq)


def found_from(row: Row) -> FoundText:
    """A text from the row of its event."""
    event = event_from(row)
    fields = pydantic_core.from_json(upcast_body(event.type, event.format, event.body))
    return FoundText(event.mission_id, event.seq, *text_of(event.type, fields))
