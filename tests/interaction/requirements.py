"""What the product promises, each promise with an id that its tests carry or that names them.

A test of what clients see says `@requirement("tasks:submit:accepted")`; other proofs are named
beside the promise. `test_requirements.py` fails for a promise that nothing proves, for a proof
that is not there, and for a test that proves no promise. A known gap is said as data.
"""

from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.interaction.promises import (
    access,
    backends,
    clients,
    control,
    foundation,
    mcp,
    mcp_servers,
    missions,
    opencode_runs,
    product,
    working,
    workspaces,
)
from tests.interaction.promises.promise import Promise

Test = TypeVar("Test", bound=Callable[..., object])

PROMISES: dict[str, Promise] = {
    **clients.PROMISES,
    **access.PROMISES,
    **control.PROMISES,
    **product.PROMISES,
    **foundation.PROMISES,
    **working.PROMISES,
    **missions.PROMISES,
    **mcp.PROMISES,
    **mcp_servers.PROMISES,
    **workspaces.PROMISES,
    **backends.PROMISES,
    **opencode_runs.PROMISES,
}


def requirement(*ids: str) -> Callable[[Test], Test]:
    """Say which promises a test proves."""

    def mark(test: Test) -> Test:
        for id_ in ids:
            test = pytest.mark.requirement(id_)(test)
        return test

    return mark
