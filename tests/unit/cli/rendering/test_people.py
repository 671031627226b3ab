from datetime import timedelta

from open_agent.cli.rendering.narrator import Narrator
from open_agent.cli.rendering.pieces import plain
from open_agent.core.ids import CallId
from open_agent.core.mission import MissionKind, MissionStatus
from open_agent.events.model.answer import AnswerDefaulted, AnswerGiven, AnswerRequested
from open_agent.events.model.mission import MissionStatusChanged
from tests.histories import MISSION, OWNER, History


def told(history: History) -> str:
    narrator = Narrator(MISSION)
    return "".join(plain(narrator.apply(record)) for record in history.records)


def working() -> History:
    """A run at work, and two messages that wait."""
    history = History().created(MissionKind.MISSION).message("One.").started()
    return history.message("Two.").message("Three.")


def asking(**changes: object) -> AnswerRequested:
    fields: dict[str, object] = {
        "call_id": "c1",
        "name": "run_command",
        "kind": "approval",
        "arguments": {"command": "git push"},
        "reason": "ask command `git push*`",
        "until": working().now + timedelta(hours=1),
        "default": "deny",
    }
    return AnswerRequested.model_validate(fields | changes)


def test_a_run_is_told_with_the_messages_that_waited_for_it() -> None:
    history = working().finished()
    first, second = history.waiting()
    story = told(history.started(second).finished().started(first))
    assert "Now: One." not in story
    assert story.index("Now: Three.") < story.index("Now: Two.")


def test_what_is_done_to_the_queue_is_told_in_the_messages_own_words() -> None:
    history = working()
    first, second = history.waiting()
    history.edited(first, "Two and a half.").moved(second, first).moved(second).removed(first)
    story = told(history.released())
    assert "› (instead of: Two.) Two and a half." in story
    assert "(waits before “Two and a half.” now: Three.)" in story
    assert "(waits as the last now: Three.)" in story
    assert "(taken out of the queue: Two and a half.)" in story
    assert "(the queue goes on)" in story


def test_an_approval_is_told_with_the_call_the_rule_and_the_answers() -> None:
    story = told(
        working().add(asking(), AnswerGiven(call_id=CallId("c1"), answer="deny", by=OWNER))
    )
    assert "? May this be done? (ask command `git push*`)\n  $ git push\n" in story
    assert "open-agent answer 11111111 allow` or `deny`; after 1 h 00 m the answer is deny" in story
    assert "› (answer) deny" in story


def test_a_question_without_a_default_says_that_the_run_goes_on() -> None:
    table = asking(kind="input", name="ui_dataTable", arguments={"title": "Rows"}, default=None)
    story = told(working().add(table, AnswerDefaulted(call_id=CallId("c1"), decided_on=1)))
    assert "? • ui_dataTable title=Rows" in story
    assert "it goes on without an answer" in story
    assert "Nobody answered in time" in story


def test_a_choice_is_told_with_what_can_be_chosen_and_cannot_harm_a_terminal() -> None:
    options = [{"id": "a\x1b[2J", "label": "The first"}]
    choice = asking(
        kind="input", name="ui_optionList", arguments={"title": "T", "options": options}
    )
    story = told(working().add(choice))
    assert "The first" in story
    assert "\x1b" not in story


def test_a_persons_word_on_the_goal_is_told_and_the_agents_is_its_calls() -> None:
    done = MissionStatusChanged(status=MissionStatus.COMPLETED, summary="All of it.", by="person")
    story = told(working().add(done, done.model_copy(update={"by": "agent"})))
    assert story.count("■ Mission completed (person): All of it.") == 1
    assert "(agent)" not in story
