"""Requests that a program makes up from the description, answered as it says."""

# pyright: basic
# The types of schemathesis are partial.

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio.from_thread
import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from open_agent.core.ids import MissionId
from tests.histories import begun
from tests.interaction.http.rig import Rig, served
from tests.interaction.requirements import requirement

pytestmark = pytest.mark.slow

CASES = int(os.environ.get("OPEN_AGENT_FUZZ_CASES", "2000"))


@requirement("server:openapi:complete", "access:errors:shape")
@pytest.mark.timeout(60 + CASES // 10)
def test_generated_requests_are_answered_as_described(tmp_path: Path) -> None:
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(served(tmp_path)) as (rig, client),
    ):
        known = portal.call(prepare, rig, client)
        schema = schemathesis.openapi.from_dict(rig.app.openapi())
        operations = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]
        cases = [
            operation.as_strategy(generation_mode=mode)
            for operation in operations
            for mode in GenerationMode
            if mode.is_positive or can_be_wrong(operation)
        ]

        @settings(
            max_examples=CASES,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )
        @given(case=st.one_of(cases), id_=st.sampled_from([*known, None]))
        def check(case: schemathesis.Case, id_: MissionId | None) -> None:
            if id_ is not None and "id" in case.path_parameters:
                # Nobody works here, so a stop of what waits would take its ten seconds.
                is_stop = case.operation.path.endswith("/stop")
                case.path_parameters["id"] = known[0] if is_stop else id_
            keep_within(case, tmp_path)
            reply = portal.call(send, client, case)
            assert reply.status_code < 500, reply.text
            checks = [status_code_conformance, content_type_conformance]
            case.validate_response(reply, checks=[*checks, response_schema_conformance])

        check()


def can_be_wrong(operation: Any) -> bool:
    """Whether there is a wrong request of it: one that takes nothing has none."""
    return bool(operation.body or operation.query or operation.path_parameters)


async def prepare(rig: Rig, client: httpx2.AsyncClient) -> list[MissionId]:
    """A finished task and one that waits, a finished mission, an empty one, and a run."""
    done = await rig.submit(client)
    await rig.work(done, begun().tool_step().asked().answered("Done.").finished())
    waiting = await rig.submit(client)
    sent = await client.post("/api/control/message", json={"content": "Count."})
    mission = MissionId(sent.json()["mission_id"])
    await rig.work(mission, begun().tool_step().asked().answered("Done.").finished())
    other = await client.post("/api/control/missions", json={"title": "Another"})
    run_id = MissionId(str(rig.runs[mission]))
    return [done, waiting, mission, MissionId(other.json()["id"]), run_id]


def keep_within(case: schemathesis.Case, folder: Path) -> None:
    """Let no generated directory be made anywhere else."""
    body: Any = case.body
    if isinstance(body, dict) and isinstance(body.get("working_dir"), str):
        body["working_dir"] = f"{folder}/{body['working_dir']}"


async def send(client: httpx2.AsyncClient, case: schemathesis.Case) -> httpx2.Response:
    """Send a generated request; of a stream, read the beginning."""
    given = case.as_transport_kwargs(base_url="http://127.0.0.1:3000")
    headers = {k: str(v) for k, v in given["headers"].items() if k != "Accept-Encoding"}
    extra = {"json": given["json"]} if "json" in given else {"content": given.get("data")}
    request = client.build_request(
        given["method"], given["url"], params=given["params"], headers=headers, **extra
    )
    reply = await client.send(request, stream=True)
    try:
        if not reply.headers.get("content-type", "").startswith("text/event-stream"):
            await reply.aread()
            return reply
        beginning = await anext(reply.aiter_raw())
        read = httpx2.Response(reply.status_code, headers=reply.headers, content=beginning)
        read.request, read.elapsed = request, timedelta()
        return read
    finally:
        await reply.aclose()
