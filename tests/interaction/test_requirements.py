"""Every promise is proved by a test, and every test proves a promise."""

import ast
from collections.abc import Iterator

import pytest

from tests.interaction.requirements import PROMISES
from tests.sources import ROOT, FunctionNode, Source, sources

HERE = ROOT / "tests" / "interaction"
FACING_CLIENTS = {"cli", "http", "mcp", "mcp_servers", "server", "workspaces"}
"""Folders whose tests see what clients see; the others test a part through its front door."""


def tests() -> Iterator[tuple[Source, FunctionNode, list[str]]]:
    """The interaction tests with the ids that they carry."""
    for source in sources(HERE):
        if source.path.parts[len(HERE.parts)] not in FACING_CLIENTS:
            continue
        for function in source.functions:
            if function.name.startswith("test_"):
                yield source, function, list(ids_of(function))


def ids_of(function: FunctionNode) -> Iterator[str]:
    for decorator in function.decorator_list:
        match decorator:
            case ast.Call(func=ast.Name(id="requirement"), args=arguments):
                yield from (ast.literal_eval(argument) for argument in arguments)
            case _:
                pass


def test_every_test_proves_a_promise() -> None:
    problems = [
        f"{source}:{function.lineno}: {function.name} proves nothing that was promised"
        for source, function, ids in tests()
        if not ids or not set(ids) <= set(PROMISES)
    ]
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


def test_every_promise_is_proved_or_a_known_gap() -> None:
    proved = {id_ for *_, ids in tests() for id_ in ids}
    proved |= {id_ for id_, promise in PROMISES.items() if promise.proof}
    problems = [
        f"{id_}: no test proves that {promise.sentence}"
        for id_, promise in PROMISES.items()
        if id_ not in proved and not promise.gap
    ]
    problems += [
        f"{id_}: a test proves it; it is no gap any more"
        for id_, promise in PROMISES.items()
        if id_ in proved and promise.gap
    ]
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


def test_every_proof_that_is_named_is_there() -> None:
    problems: list[str] = []
    for id_, promise in PROMISES.items():
        for proof in promise.proof:
            name, _, test = proof.partition("::")
            file = ROOT / "tests" / name
            names = {node.name for node in Source(file).functions} if file.exists() else set[str]()
            if not names or (test and test not in names):
                problems.append(f"{id_}: there is no {proof}")
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
