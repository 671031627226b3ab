"""The tools that runs have, as models see them."""

import json

import pytest
from inline_snapshot import external_file

from open_agent.core.mission import MissionKind
from open_agent.tools.standard import FOR_PARTS, FOR_PEOPLE, TOOLS, standard_tools

MOST_BYTES = {MissionKind.TASK: 8 * 1024, MissionKind.CHILD: 10 * 1024, MissionKind.MISSION: 11_000}
"""Of all schemas; with the system prompt they stay under 12 KB."""


def test_the_schemas_are_as_they_were_read_and_agreed() -> None:
    """Every change of a word is a change of the prompt: `pytest --inline-snapshot=fix` takes it."""
    assert standard_tools().schemas() == external_file("schemas.json")


def test_the_schemas_that_missions_have_beside_are_as_they_were_agreed() -> None:
    more = [tool.schema for tool in FOR_PARTS + FOR_PEOPLE]
    assert more == external_file("schemas_of_missions.json")


@pytest.mark.parametrize("kind", MissionKind)
def test_all_schemas_together_are_small(kind: MissionKind) -> None:
    size = len(json.dumps(standard_tools(kind).schemas(), separators=(",", ":")).encode())
    assert size <= MOST_BYTES[kind]


def test_nobody_is_asked_where_nobody_is() -> None:
    plain = [tool.name for tool in TOOLS]
    assert standard_tools(MissionKind.TASK).names == plain
    assert standard_tools(MissionKind.CHILD).names == [*plain, "update_plan", "delegate"]
    assert standard_tools(MissionKind.MISSION).names == [
        *plain,
        "update_plan",
        "delegate",
        "complete_mission",
        "ui_optionList",
        "ui_dataTable",
    ]


def test_the_order_of_tools_and_the_bytes_of_their_schemas_never_change() -> None:
    first, second = (json.dumps(standard_tools().schemas()) for _ in range(2))
    assert first == second


def test_every_parameter_is_described() -> None:
    for schema in standard_tools(MissionKind.MISSION).schemas():
        function = schema["function"]
        assert function["description"]
        for name, parameter in function["parameters"]["properties"].items():
            assert parameter.get("description"), f"{function['name']}: {name}"
