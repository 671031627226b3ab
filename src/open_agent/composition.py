"""The composition root: settings in, a working application out. The one file that sees everything.

Nothing here decides anything.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import httpx2
import uvloop
from anyio import to_thread
from starlette.types import ASGIApp

import open_agent
from open_agent.admission import access_rules, http_options, refuse_to_be_open
from open_agent.agent.context import Collaborators
from open_agent.agent.limits import Rules
from open_agent.agent.policy import Policy, Rule
from open_agent.agent.start import RunDefaults
from open_agent.backends.native import NativeBackend
from open_agent.cli.ports import LocalServer, OnReady
from open_agent.core.clock import Clock, SystemClock
from open_agent.core.errors import OpenAgentError
from open_agent.core.ids import new_uuid
from open_agent.core.mission import MissionKind
from open_agent.engine.delegation import Delegations
from open_agent.engine.embedded import Capacity, EmbeddedEngine
from open_agent.engine.feed import Feed
from open_agent.engine.worker import Worker
from open_agent.models.catalogue import Catalogue
from open_agent.models.client import ModelClient
from open_agent.models.endpoint import is_private_endpoint
from open_agent.models.prices import Price, PriceBook
from open_agent.models.router import ModelRouter
from open_agent.scripted.demo import demo
from open_agent.scripted.model import ScriptedModel
from open_agent.scripted.transport import ScriptedTransport
from open_agent.server.collecting import give_back
from open_agent.server.http import create_app
from open_agent.server.logs import configure_logs
from open_agent.server.services import Services
from open_agent.server.serving import bind, listen, serve
from open_agent.services.access.assembly import AccessServices, Surroundings, open_access
from open_agent.services.access.rules import AccessRules
from open_agent.services.access.sessions import Sessions
from open_agent.services.control.assembly import ControlParts, open_control
from open_agent.services.missions import MissionEvents
from open_agent.services.places import Places
from open_agent.services.processes import KeptProcesses
from open_agent.services.stats import Stats
from open_agent.services.system import Installation, Phase, Readiness, System
from open_agent.services.tasks import Tasks
from open_agent.services.work import Work
from open_agent.settings import DEMO_MODEL, Settings
from open_agent.store.database import Database, open_database
from open_agent.tools.ports import WebSearch
from open_agent.tools.standard import standard_tools
from open_agent.tools.web.addresses import AddressGuard
from open_agent.tools.web.fetching import GuardedFetcher
from open_agent.tools.web.metasearch import MetaSearch
from open_agent.tools.web.tavily import TavilySearch
from open_agent.workspaces.base import Workspace
from open_agent.workspaces.hiding import hide_this_process
from open_agent.workspaces.local import LocalWorkspace
from open_agent.workspaces.processes import ProcessPort
from open_agent.workspaces.programs import find_ripgrep
from open_agent.workspaces.supervised import SupervisedProcesses, wait_for_predecessor

AT_ONCE = 256
"""Missions that one process works on at the same time, whoever owns them."""
PREDECESSOR_SECONDS = 15.0
DRAIN_SECONDS = 15.0
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not listened on
OPENROUTER = "https://openrouter.ai/api/v1"
LIBRARIES = ("fastapi", "httpx2", "pydantic", "sqlalchemy", "uvicorn")
"""What the server stands on, for those who look at it from outside."""


@dataclass(frozen=True, slots=True)
class Application:
    """Everything that runs, ready to be asked."""

    http: ASGIApp
    engine: EmbeddedEngine
    feed: Feed
    readiness: Readiness
    token: str
    sessions: Sessions

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
        url = settings.database_url.get_secret_value() if settings.database_url else None
        database = await open_database(settings.data_dir, clock, url=url)
        await stack.enter_async_context(database)
        rules = await to_thread.run_sync(access_rules, settings)
        access = await stack.enter_async_context(_access(settings, rules, database, clock))
        lock = settings.data_dir / f"supervisor-{database.slot}.lock"
        await wait_for_predecessor(lock, seconds=PREDECESSOR_SECONDS)
        processes = await stack.enter_async_context(SupervisedProcesses(lock))
        models = _models(settings, clock)
        stack.push_async_callback(models.close)
        feed = Feed()
        shared = _collaborators(settings, database, models, feed, own_ports)
        engine = _engine(settings, database, clock, _worker(settings, shared, processes))
        database.log.on_commit(feed.committed)
        database.log.on_commit(engine.committed)
        readiness = Readiness()
        places = _places(settings, database)
        limits = settings.max_parallel_missions, settings.stale_mission_hours
        parts = ControlParts(engine, feed, places, processes, access.audit, clock, *limits)
        services = Services(
            tasks=Tasks(database.log, database.missions, engine, feed, places),
            control=open_control(database, parts),
            missions=MissionEvents(database.log, database.missions, feed),
            processes=KeptProcesses(database.missions, processes),
            stats=Stats(database.missions),
            system=_system(settings, database, engine, readiness),
            access=access,
            clock=clock,
        )
        http = create_app(services, http_options(settings))
        application = Application(http, engine, feed, readiness, rules.owner_token, access.sessions)
        if is_working:
            await engine.start()
        upkeep = asyncio.create_task(services.control.look_after())
        readiness.phase = Phase.READY
        warming = asyncio.create_task(_settle_down(models, settings.default_model))
        try:
            yield application
        finally:
            upkeep.cancel()
            await application.drain()
            await warming


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


def _engine(settings: Settings, database: Database, clock: Clock, worker: Worker) -> EmbeddedEngine:
    return EmbeddedEngine(
        database.leases,
        worker,
        clock,
        holder=new_uuid(),
        capacity=Capacity(settings.max_parallel_missions, AT_ONCE),
        shared_host=database.host_id if settings.database_url else None,
    )


def _models(settings: Settings, clock: Clock) -> ModelRouter:
    base_url = settings.openrouter_base_url
    key = settings.openrouter_api_key
    script = ScriptedModel(demo(), models=(DEMO_MODEL,), remember=0)
    scripted = httpx2.AsyncClient(transport=ScriptedTransport(script))
    overrides = {
        name: Price.flat(price.input, price.output, price.cached_input, price.cache_write)
        for name, price in settings.model_prices.items()
    }
    return ModelRouter(
        ModelClient(base_url, key.get_secret_value() if key else None, clock),
        {DEMO_MODEL: ModelClient("http://demo.invalid/v1", None, clock, http=scripted)},
        PriceBook(base_url, clock, overrides),
        is_endpoint_free=is_private_endpoint(base_url) and not overrides,
    )


def _collaborators(
    settings: Settings,
    database: Database,
    models: ModelRouter,
    feed: Feed,
    own_ports: Collection[int],
) -> Collaborators:
    windows = Catalogue(
        settings.openrouter_base_url,
        output_tokens=settings.max_output_tokens,
        **({"context_tokens": settings.context_window} if settings.context_window else {}),
    )
    return Collaborators(
        log=database.log,
        rules=Rules(
            prices=models,
            windows=windows,
            answer_for=timedelta(seconds=settings.answer_seconds),
        ),
        clock=SystemClock(),
        models=models,
        tools={kind: standard_tools(kind) for kind in MissionKind},
        policy=Policy(tuple(Rule(**rule.model_dump()) for rule in settings.approvals)),
        delegation=Delegations(
            database.log, database.missions, feed, SystemClock(), database.host_id
        ),
        blobs=database.blobs,
        deltas=feed,
        http=GuardedFetcher(
            AddressGuard(allow_private=settings.allow_private_hosts, own_ports=lambda: own_ports)
        ),
        search=_search(settings),
    )


def _worker(settings: Settings, shared: Collaborators, processes: ProcessPort) -> Worker:
    environment = settings.child_environment
    ripgrep = find_ripgrep(environment.get("PATH"))
    programs = {"rg": ripgrep} if ripgrep else {}

    async def open_workspace(path: str) -> Workspace:
        root = Path(path)
        # A directory that cannot be made is for the tools to say, not for the run to die of.
        with suppress(OSError):
            await to_thread.run_sync(lambda: root.mkdir(parents=True, exist_ok=True))
        return LocalWorkspace(root, processes, environment, programs)

    return Worker(
        shared,
        open_workspace,
        processes,
        {"native": NativeBackend()},
        RunDefaults(settings.default_model, settings.fallback_model, settings.limits),
    )


def _search(settings: Settings) -> WebSearch:
    key = settings.tavily_api_key
    return MetaSearch() if key is None else TavilySearch(key.get_secret_value())


def _places(settings: Settings, database: Database) -> Places:
    return Places(
        working_dir=settings.working_dir,
        host_id=database.host_id,
        data_dir=settings.data_dir,
        why_unusable=lambda model: _why_unusable(settings, model),
    )


def _system(
    settings: Settings, database: Database, engine: EmbeddedEngine, readiness: Readiness
) -> System:
    installation = Installation(
        version=open_agent.__version__,
        max_iterations=settings.max_iterations,
        database="postgresql" if settings.database_url else "sqlite",
        engine="embedded",
        endpoint=settings.openrouter_base_url,
        default_model=settings.default_model,
        data_dir=str(settings.data_dir),
        libraries={name: version(name) for name in LIBRARIES},
    )
    return System(installation, readiness, engine, database.missions)


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


class Servers:
    """Makes servers for the command line."""

    def serve(
        self,
        settings: Settings,
        *,
        on_ready: OnReady,
        on_stopping: Callable[[], None],
        on_cut: Callable[[], None],
    ) -> int:
        """Serve until a signal ends it in good order; returns the exit code."""
        hide_this_process()
        configure_logs(settings.log_level)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(settings, on_ready, on_stopping, on_cut))
        return 0

    @asynccontextmanager
    async def in_process(
        self, settings: Settings, *, is_working: bool = True
    ) -> AsyncGenerator[LocalServer]:
        """A server on a free port of this machine for as long as the context lasts."""
        hide_this_process()
        configure_logs("error")
        listener = bind("127.0.0.1", 0)
        # Whatever the settings say of other servers on them, this one is for its own process.
        settings = settings.model_copy(update={"host": "127.0.0.1"})
        name = listener.getsockname()
        url = _url(name)
        async with open_application(
            settings, own_ports={name[1]}, is_working=is_working
        ) as application:
            stop, listening = asyncio.Event(), asyncio.Event()
            serving = asyncio.create_task(
                serve(
                    application.http,
                    listener,
                    drain=application.drain,
                    on_listening=listening.set,
                    stop=stop,
                )
            )
            await listening.wait()
            try:
                yield LocalServer(url, application.token)
            finally:
                stop.set()
                await serving

    async def _serve(
        self,
        settings: Settings,
        on_ready: OnReady,
        on_stopping: Callable[[], None],
        on_cut: Callable[[], None],
    ) -> None:
        # Nobody is answered before it is known that there is somebody to keep others out for.
        listener = bind(settings.host, settings.port, is_listening=not settings.is_exposed)
        name = listener.getsockname()
        url = _url(name)
        async with open_application(settings, own_ports={name[1]}) as application:
            link = application.sessions.first_link()
            way_in = f"{url}{link.path}" if link else None
            listen(listener)

            async def drain() -> None:
                on_stopping()
                await application.drain()

            await serve(
                application.http,
                listener,
                drain=drain,
                on_listening=lambda: on_ready(url, way_in),
                on_cut=on_cut,
            )


def _url(name: tuple[str, int]) -> str:
    """Where programs of this machine find the server, which may listen on all of its addresses."""
    address = LOOPBACK.get(name[0], name[0])
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{name[1]}"
