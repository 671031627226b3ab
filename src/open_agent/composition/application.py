"""Everything that runs, put together. The one file that sees every part."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog
from anyio import to_thread
from starlette.types import ASGIApp

import open_agent
from open_agent.admission import access_rules, http_options, refuse_to_be_open
from open_agent.backends.opencode.bridging import Bridging
from open_agent.composition.mcp import open_mcp
from open_agent.composition.models import make_models
from open_agent.composition.work import Reach, make_collaborators, make_guard, make_worker
from open_agent.composition.workspaces import host_check, make_isolation, make_workspaces
from open_agent.core.clock import Clock, SystemClock
from open_agent.core.errors import OpenAgentError
from open_agent.core.ids import new_uuid
from open_agent.engine.embedded import Capacity, EmbeddedEngine
from open_agent.engine.feed import Feed
from open_agent.engine.worker import Ground, Worker
from open_agent.events.log import EventLog
from open_agent.models.router import ModelRouter
from open_agent.server.collecting import give_back
from open_agent.server.http import create_app
from open_agent.server.mcp.bridge import McpBridges
from open_agent.server.services import Services
from open_agent.services.access.assembly import AccessServices, Surroundings, open_access
from open_agent.services.access.rules import AccessRules
from open_agent.services.access.sessions import Sessions
from open_agent.services.backends import Backends
from open_agent.services.control.assembly import ControlParts, open_control
from open_agent.services.mcp.assembly import McpServices
from open_agent.services.missions import MissionEvents
from open_agent.services.places import Places
from open_agent.services.processes import KeptProcesses
from open_agent.services.stats import Stats
from open_agent.services.system import Installation, Phase, Readiness, System, shared_rights
from open_agent.services.tasks import Tasks
from open_agent.services.work import Work
from open_agent.settings.models import DEMO_MODEL
from open_agent.settings.settings import Settings
from open_agent.store.database import Database, open_database
from open_agent.workspaces.isolation import Isolation
from open_agent.workspaces.supervised import SupervisedProcesses, wait_for_predecessor

if TYPE_CHECKING:
    from open_agent.composition.opencode import OpenCode

LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not listened on
AT_ONCE = 256
"""Missions that one process works on at the same time, whoever owns them."""
PREDECESSOR_SECONDS = 15.0
DRAIN_SECONDS = 15.0
OPENROUTER = "https://openrouter.ai/api/v1"
LIBRARIES = ("fastapi", "httpx2", "pydantic", "sqlalchemy", "uvicorn")
"""What the server stands on, for those who look at it from outside."""


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Application:
    """Everything that runs, ready to be asked."""

    http: ASGIApp
    engine: EmbeddedEngine
    feed: Feed
    readiness: Readiness
    token: str
    sessions: Sessions
    warnings: list[str]
    """What its operator should know, as it starts."""

    async def drain(self) -> None:
        """Take no more, end streams, and let the moves in hand finish."""
        self.readiness.phase = Phase.DRAINING
        self.feed.close()
        await self.engine.drain(DRAIN_SECONDS)


@asynccontextmanager
async def open_application(
    settings: Settings, *, own_ports: Collection[int] = (), is_working: bool = True
) -> AsyncGenerator[Application]:
    """Everything, working, for as long as the context lasts.

    Args:
        settings: What is in force.
        own_ports: Where it will be listening; web tools never go there.
        is_working: Otherwise it shows what there is, and takes nothing up.

    Raises:
        Conflict: Another server has `DATA_DIR`, or the database is not one of ours.
        Unavailable: Something it needs cannot be used.
    """
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(await _open_database(settings, clock))
        rules = await to_thread.run_sync(access_rules, settings)
        access = await stack.enter_async_context(_access(settings, rules, database, clock))
        lock = settings.data_dir / f"supervisor-{database.slot}.lock"
        await wait_for_predecessor(lock, seconds=PREDECESSOR_SECONDS)
        processes = await stack.enter_async_context(SupervisedProcesses(lock))
        stack.push_async_callback((models := make_models(settings, clock)).close)
        isolation = make_isolation(settings, processes)
        bridges = McpBridges(_own_url(settings, own_ports))
        opencode = await stack.enter_async_context(
            _opencode(settings, isolation, database.log, bridges)
        )
        feed, places = Feed(), _places(settings, database, opencode)
        guard = make_guard(settings, own_ports)
        workspaces = make_workspaces(
            settings, database, places, isolation, host_check(guard, access.gate)
        )
        stack.push_async_callback(workspaces.making.close)
        mcp = await stack.enter_async_context(open_mcp(settings, database, isolation, access))
        reach = Reach(guard, workspaces.disk, mcp.toolboxes)
        shared = make_collaborators(settings, database, models, feed, reach)
        ground = Ground(isolation, workspaces.making, processes)
        engine = _engine(settings, database, clock, make_worker(settings, shared, ground, opencode))
        for listener in (feed.committed, engine.committed, workspaces.disk.committed):
            database.log.on_commit(listener)
        readiness = Readiness()
        kept = processes, access.audit, clock, workspaces
        limits = settings.max_parallel_missions, settings.stale_mission_hours
        parts = ControlParts(engine, feed, places, *kept, *limits)
        system = _system(settings, database, engine, readiness, opencode)
        services = _services(database, parts, access, mcp, system)
        http = create_app(services, http_options(settings), bridges)
        known = rules.owner_token, access.sessions, _warn(access, isolation)
        application = Application(http, engine, feed, readiness, *known)
        if is_working:
            await engine.start()
        upkeep = asyncio.create_task(_look_after(services, is_working=is_working))
        readiness.phase = Phase.READY
        warming = asyncio.create_task(_settle_down(models, settings.default_model))
        try:
            yield application
        finally:
            upkeep.cancel()
            await application.drain()
            await warming


async def _open_database(settings: Settings, clock: Clock) -> Database:
    url = settings.database_url.get_secret_value() if settings.database_url else None
    return await open_database(settings.data_dir, clock, url=url)


def _own_url(settings: Settings, own_ports: Collection[int]) -> str | None:
    """Where programs of this machine reach this server; none while it does not listen."""
    address = LOOPBACK.get(settings.host, settings.host)
    host = f"[{address}]" if ":" in address else address
    return next((f"http://{host}:{port}" for port in own_ports), None)


def _warn(access: AccessServices, isolation: Isolation) -> list[str]:
    """Say once, in the log, what users of this server should know of each other."""
    warnings = shared_rights(access.gate.mode, isolation.name)
    for warning in warnings:
        log.warning("isolation.shared", isolation=isolation.name, message=warning)
    return warnings


async def _look_after(services: Services, *, is_working: bool) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(services.control.look_after())
        if is_working:
            group.create_task(services.workspaces.look_after())


def _services(
    database: Database,
    parts: ControlParts,
    access: AccessServices,
    mcp: McpServices,
    system: System,
) -> Services:
    log_, missions, feed = database.log, database.missions, parts.feed
    reserving = parts.workspaces.reserving
    return Services(
        tasks=Tasks(log_, missions, parts.engine, feed, parts.places, reserving),
        workspaces=parts.workspaces,
        control=open_control(database, parts),
        missions=MissionEvents(log_, missions, feed),
        processes=KeptProcesses(missions, parts.processes),
        stats=Stats(missions),
        system=system,
        access=access,
        mcp=mcp,
        clock=parts.clock,
    )


async def _settle_down(models: ModelRouter, model: str) -> None:
    # 0.2 s to read the price list, which the first call would wait for.
    await to_thread.run_sync(models.worst_case, model, 0, 0)
    await to_thread.run_sync(give_back)


@asynccontextmanager
async def _access(
    settings: Settings, rules: AccessRules, database: Database, clock: Clock
) -> AsyncGenerator[AccessServices]:
    """Who may come in; what ends that is looked for as long as the context lasts."""
    stop_work = Work(database.log, database.missions).stop
    around = Surroundings(database.accounts, database.audit, clock, stop_work)
    access = await open_access(rules, around)
    refuse_to_be_open(settings, access.gate.mode)
    watching = asyncio.create_task(access.gate.keep_watch())
    try:
        yield access
    finally:
        watching.cancel()
        with suppress(OpenAgentError):
            await access.gate.note_uses()


@asynccontextmanager
async def _opencode(
    settings: Settings, isolation: Isolation, log: EventLog, bridging: Bridging
) -> AsyncGenerator["OpenCode | None"]:
    """The OpenCode of the settings, for as long as the context lasts; none where there is none."""
    if not settings.has_opencode:
        yield None
        return
    # 60 ms, and 3 MB that a server without one can do without.
    from open_agent.composition.opencode import open_opencode

    async with open_opencode(settings, isolation, log, bridging) as opencode:
        yield opencode


def _engine(settings: Settings, database: Database, clock: Clock, worker: Worker) -> EmbeddedEngine:
    return EmbeddedEngine(
        database.leases,
        worker,
        clock,
        holder=new_uuid(),
        capacity=Capacity(settings.max_parallel_missions, AT_ONCE),
        shared_host=database.host_id if settings.database_url else None,
    )


def _places(settings: Settings, database: Database, opencode: "OpenCode | None") -> Places:
    return Places(
        working_dir=settings.working_dir,
        host_id=database.host_id,
        data_dir=settings.data_dir,
        why_unusable=lambda model: _why_unusable(settings, model),
        backends=Backends(settings.backend, {"opencode": opencode.models} if opencode else {}),
    )


def _system(
    settings: Settings,
    database: Database,
    engine: EmbeddedEngine,
    readiness: Readiness,
    opencode: "OpenCode | None",
) -> System:
    installation = Installation(
        version=open_agent.__version__,
        max_iterations=settings.max_iterations,
        database="postgresql" if settings.database_url else "sqlite",
        engine="embedded",
        endpoint=settings.openrouter_base_url,
        default_model=settings.default_model,
        data_dir=str(settings.data_dir),
        backend=settings.backend,
        libraries={name: version(name) for name in LIBRARIES},
    )
    server = opencode.server if opencode else None
    return System(installation, readiness, engine, database.missions, server)


def _why_unusable(settings: Settings, model: str | None) -> str | None:
    """Without a key only our own models, and endpoints that need none, can be called."""
    name = model or settings.default_model
    if name == DEMO_MODEL or settings.openrouter_api_key is not None:
        return None
    if settings.openrouter_base_url != OPENROUTER:
        return None
    return (
        f"The model {name} needs a key. Set OPENROUTER_API_KEY (from https://openrouter.ai/keys) "
        f"and start the server again, or use the model `{DEMO_MODEL}`, which needs none."
    )
