"""`open-agent answer`: answers what a run asks."""

from typing import Any

import anyio
import pydantic_core

from open_agent.cli.asking import asked
from open_agent.cli.connection import Connection
from open_agent.cli.options import Place
from open_agent.cli.rendering.narrator import SHORT_ID
from open_agent.cli.session import Found, Session, find_mission, open_session
from open_agent.core.errors import Invalid, NotFound


def answer_question(place: Place, mission: str, text: str, *, call: str | None) -> None:
    """Answer the question of a mission.

    Args:
        place: Where settings come from, and which server is meant.
        mission: The beginning of its id.
        text: The answer, as JSON if it is some; empty: refuse, and say what is asked.
        call: Which question, where several wait.

    Raises:
        NotFound: There is none, or none so called.
        Invalid: There are several, or the answer does not fit.
        Conflict: It has been answered.
    """
    anyio.run(_answer, open_session(place), mission, text, call)


async def _answer(session: Session, mission: str, text: str, call: str | None) -> None:
    async with session.connected() as connection:
        found = await find_mission(session, connection, mission)
        question = _the_one(await _questions(connection, found), found, call)
        if not text.strip():
            raise Invalid("answer.missing", f"It asks: {asked(question)}. Give an answer.")
        body = {
            "tool_call_id": question["tool_call_id"],
            "name": question["name"],
            "result": _value(text),
            "mission_id": question.get("child_id") or question["mission_id"],
        }
        await connection.post("/api/control/tool_result", body)
    session.terminal.note("Answered; the run goes on.", "plain")


async def _questions(connection: Connection, found: Found) -> list[dict[str, Any]]:
    questions = (await connection.get("/api/control/questions")).value
    return [q for q in questions if found.id in {q["mission_id"], q.get("child_id")}]


def _the_one(questions: list[dict[str, Any]], found: Found, call: str | None) -> dict[str, Any]:
    if call is not None:
        questions = [q for q in questions if q["tool_call_id"] == call]
    if not questions:
        raise NotFound(
            "answer.unknown",
            f"{found.named} asks nothing now"
            + (f" by the name {call}." if call else ".")
            + f" `open-agent show {found.id[:SHORT_ID]}` shows how it stands.",
        )
    if len(questions) > 1:
        listed = "; ".join(f"--call {q['tool_call_id']}: {asked(q)}" for q in questions)
        raise Invalid("answer.ambiguous", f"It asks {len(questions)} things. Add one of {listed}")
    return questions[0]


def _value(text: str) -> Any:
    try:
        return pydantic_core.from_json(text)
    except ValueError:
        return text
