"""The tools that every run has, as models see them."""

import json

from inline_snapshot import external_file

from open_agent.tools.standard import standard_tools

MOST_BYTES = 8 * 1024
"""Of all schemas; with the system prompt they stay under 12 KB."""


def test_the_schemas_are_as_they_were_read_and_agreed() -> None:
    """Every change of a word is a change of the prompt: `pytest --inline-snapshot=fix` takes it."""
    assert standard_tools().schemas() == external_file("schemas.json")


def test_all_schemas_together_are_small() -> None:
    size = len(json.dumps(standard_tools().schemas(), separators=(",", ":")).encode())
    assert size <= MOST_BYTES


def test_the_order_of_tools_and_the_bytes_of_their_schemas_never_change() -> None:
    first, second = (json.dumps(standard_tools().schemas()) for _ in range(2))
    assert first == second


def test_every_parameter_is_described() -> None:
    for schema in standard_tools().schemas():
        function = schema["function"]
        assert function["description"]
        for name, parameter in function["parameters"]["properties"].items():
            assert parameter.get("description"), f"{function['name']}: {name}"
