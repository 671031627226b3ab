import json
from dataclasses import replace
from typing import Any

import pytest

from open_agent.core.errors import Invalid
from open_agent.tools.asking import check_answer, check_approval
from open_agent.tools.definition import Answer, Tool, ToolContext, ToolFailed
from open_agent.tools.ui_data_table import ui_dataTable
from open_agent.tools.ui_option_list import ui_optionList

OPTIONS = [{"id": "a", "label": "A"}, {"id": "b", "label": "B"}, {"id": "c", "label": "C"}]
ONE = {"title": "Which?", "options": OPTIONS, "selectionMode": "single"}
MANY = {**ONE, "selectionMode": "multi", "minSelections": 1, "maxSelections": 2}
TABLE: dict[str, Any] = {
    "title": "T",
    "columns": [{"id": "n", "label": "N"}],
    "rows": [{"id": 1}, {"id": "x"}],
}


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (ONE, "a"), (ONE, None), (MANY, ["a"]), (MANY, ["c", "a"]), (MANY, None),
        ({**MANY, "minSelections": 0}, []), (TABLE, [1, "x"]), (TABLE, 1), (TABLE, None), (TABLE, []),
        ({**TABLE, "rows": [{"n": 1}]}, "anything"), ({"omitted": "too large"}, {"what": "ever"}),
    ],
)  # fmt: skip
def test_an_answer_that_fits_the_question_is_taken(arguments: dict[str, Any], answer: Any):
    check_answer(arguments, answer)


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (ONE, "z"), (ONE, ["a"]), (ONE, 1), (ONE, True), (ONE, {"id": "a"}), (ONE, ""),
        (MANY, "a"), (MANY, []), (MANY, ["a", "b", "c"]), (MANY, ["a", "a"]), (MANY, ["z"]),
        (MANY, [None]), (MANY, [["a"]]), (TABLE, 2), (TABLE, [1, 2]), (TABLE, {"id": 1}),
        ({**ONE, "options": [*OPTIONS[:2], {"id": "c", "label": "C", "disabled": True}]}, "c"),
        ({}, "x" * 40_000),
    ],
)  # fmt: skip
def test_an_answer_that_does_not_fit_is_refused(arguments: dict[str, Any], answer: Any):
    with pytest.raises(Invalid) as refused:
        check_answer(arguments, answer)
    assert refused.value.code == "answer.invalid"


@pytest.mark.parametrize("answer", ["yes", True, None, "Allow", ["allow"]])
def test_an_approval_is_allow_or_deny(answer: Any):
    check_approval("allow")
    check_approval("deny")
    with pytest.raises(Invalid):
        check_approval(answer)


@pytest.mark.parametrize("tool", [ui_optionList, ui_dataTable])
async def test_the_model_is_told_the_answer_as_json(tool: Tool, ctx: ToolContext):
    arguments = tool.parse(json.dumps(ONE if tool is ui_optionList else TABLE))
    answered = replace(ctx, answer=Answer(["a", "ü"]))
    assert (await tool.invoke(answered, arguments)).content == '["a", "ü"]'
    late = replace(ctx, answer=Answer(None, is_default=True))
    said = (await tool.invoke(late, arguments)).content
    assert said.startswith("Nobody answered in time, so the default was taken: null.")
    with pytest.raises(ToolFailed):
        await tool.invoke(ctx, arguments)


@pytest.mark.parametrize(
    "changes",
    [
        {"options": []},
        {"options": [OPTIONS[0], OPTIONS[0]]},
        {"options": [{"id": "a"}]},
        {"options": [{"id": "", "label": "A"}]},
        {"options": [{**OPTIONS[0], "colour": "red"}]},
        {"selectionMode": "some"},
        {"title": "x" * 301},
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(changes: dict[str, Any]):
    with pytest.raises(ToolFailed):
        ui_optionList.parse(json.dumps(ONE | changes))


def test_what_is_asked_is_plain_json():
    parsed = ui_optionList.parse(json.dumps(ONE))
    assert json.loads(json.dumps(parsed)) == ONE
