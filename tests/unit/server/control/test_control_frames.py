"""What each event becomes in the control stream."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open_agent.core.ids import CallId, MissionId, UserId
from open_agent.core.mission import MissionKind, MissionStatus
from open_agent.core.run import Outcome
from open_agent.events.model.answer import AnswerGiven, AnswerRequested
from open_agent.events.model.mission import MissionDeleted, MissionSelected, MissionStatusChanged
from open_agent.server.control.events import CONTROL_EVENTS
from open_agent.server.control.frames import OF_CHILDREN, control_frames
from open_agent.services.control.about import About, Shown
from tests.histories import MISSION, RUN, START, History, begun, histories
from tests.unit.server.test_frames import encoded

OWN = About(Shown(MissionKind.MISSION, MISSION), model="test/model")
ROOT = MissionId("root")
CHILD = About(Shown(MissionKind.CHILD, ROOT))


def frames(history: History, about: About = OWN) -> list[tuple[str, dict[str, Any]]]:
    """The frames of the newest record, as clients read them."""
    record = history.records[-1]
    found: list[tuple[str, dict[str, Any]]] = []
    for k, item in enumerate(control_frames(encoded(record), about).items):
        event, id_, data = item.decode().strip().split("\n")
        assert id_ == f"id: {record.owner_seq}.{k}"
        name, fields = event.removeprefix("event: "), json.loads(data.removeprefix("data: "))
        assert fields.pop("type") == name
        CONTROL_EVENTS[name].model_validate(fields)
        found.append((name, fields))
    return found


def test_a_message_is_a_user_message_with_its_id() -> None:
    ((name, data),) = frames(History().created(MissionKind.MISSION).message("Do it."))
    assert name == "user_message"
    assert (data["id"], data["content"], data["mission_id"]) == ("m2", "Do it.", MISSION)
    assert (data["delivery"], data["cause"]) == ("queue", "person")


def test_a_reply_with_calls_is_a_finished_thought_and_one_without_waits_for_the_end() -> None:
    history = begun().asked().answered("I look.", [("run_command", "{}")])
    data = {"mission_id": MISSION, "content": "I look.", "done": True}
    assert frames(history) == [("thinking", data)]
    assert frames(begun().asked().answered("That is all.")) == []


def test_a_call_and_its_result_have_the_original_fields() -> None:
    history = begun().asked().answered("", [("run_command", "{}")]).called()
    data = {"mission_id": MISSION, "tool_call_id": "c1-0", "name": "run_command"}
    assert frames(history) == [("tool_call", {**data, "args": {}})]
    history.returned(content="fine")
    assert frames(history) == [("tool_result", {**data, "result": "fine", "outcome": "ok"})]


def test_a_persons_answer_is_shown_as_json() -> None:
    history = begun().asked().answered("", [("ui_optionList", "{}")])
    history.called(name="ui_optionList", effect="ask").returned(
        content='["a","b"]', name="ui_optionList"
    )
    ((_, data),) = frames(history)
    assert data["result"] == ["a", "b"]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_runs_end_is_what_the_assistant_says(outcome: Outcome) -> None:
    ((name, data),) = frames(begun().finished(outcome))
    assert name == "assistant_message"
    assert data["id"] == f"{RUN[:-4]}0001"
    assert data["success"] is (outcome is Outcome.SUCCEEDED)
    assert (data["content"], data["cost_cents"], data["model"]) == ("Done.", 0, "test/model")


def test_failures_and_stops_are_errors() -> None:
    ((name, data),) = frames(begun().asked().failed())
    assert (name, data["message"], data["code"]) == ("error", "It failed.", "provider.rate_limited")
    ((name, data),) = frames(begun().cancelled())
    assert (name, data["message"]) == ("error", "Cancellation requested")
    assert frames(begun().asked().failed("cancelled")) == []


def test_leave_is_asked_for_as_a_list_of_options() -> None:
    question = AnswerRequested(
        call_id=CallId("c1-0"),
        name="run_command",
        kind="approval",
        arguments={"command": "rm -r x"},
        reason="rule 1",
        until=START + timedelta(hours=1),
        default="deny",
    )
    history = begun().asked().answered("", [("run_command", "{}")]).add(question)
    (call, asked) = frames(history)
    assert call[0] == "tool_call"
    assert call[1]["tool_call_id"] == "approve:c1-0"
    assert call[1]["name"] == "ui_optionList"
    assert [option["id"] for option in call[1]["args"]["options"]] == ["allow", "deny"]
    assert "rm -r x" in call[1]["args"]["description"]
    assert (asked[0], asked[1]["call_id"], asked[1]["reason"]) == (
        "approval_requested",
        "c1-0",
        "rule 1",
    )
    history.add(AnswerGiven(call_id=CallId("c1-0"), answer="allow", by=UserId("default")))
    about = About(OWN.shown, question=question)
    assert [(name, data["tool_call_id"]) for name, data in frames(history, about)] == [
        ("tool_result", "approve:c1-0"),
        ("question_settled", "approve:c1-0"),
    ]


def test_a_missions_own_life_is_told_by_name() -> None:
    history = History().created(MissionKind.MISSION)
    by = UserId("default")
    told: list[str] = []
    for event in (
        MissionSelected(by=by),
        MissionStatusChanged(status=MissionStatus.BLOCKED, by="agent"),
        MissionDeleted(by=by, was_current=True),
    ):
        ((name, data),) = frames(history.add(event))
        assert data["mission_id"] == MISSION
        told.append(name)
    assert told == ["mission_selected", "mission_status_changed", "mission_deleted"]


def test_of_delegated_work_tools_and_ends_are_shown_beside_the_parent() -> None:
    history = History().created(MissionKind.CHILD).message().started()
    history.asked().answered("I look.", [("run_command", "{}")])
    assert frames(history, CHILD) == []
    ((name, data),) = frames(history.called(), CHILD)
    assert (name, data["mission_id"], data["child_id"]) == ("tool_call", "root", MISSION)
    ((name, data),) = frames(history.returned().finished(), CHILD)
    assert (name, data["content"]) == ("run_finished", "Done.")


@given(histories(), st.sampled_from(MissionKind))
def test_every_record_becomes_valid_frames_and_a_task_none(
    log: list[Any], kind: MissionKind
) -> None:
    about = About(Shown(kind, MISSION), model="test/model")
    for record in log:
        items = control_frames(encoded(record), about).items
        if kind is MissionKind.TASK or (
            kind is MissionKind.CHILD and record.event.type not in OF_CHILDREN
        ):
            assert items == ()
        for item in items:
            data = json.loads(item.decode().split("data: ", 1)[1])
            model = CONTROL_EVENTS[data["type"]]
            assert set(data) <= {*model.model_fields}
            assert data["mission_id"] == MISSION
