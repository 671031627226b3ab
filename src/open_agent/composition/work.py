"""What runs are carried out with: models, tools, backends, and where they work."""

from collections.abc import Collection, Sequence
from datetime import timedelta

import httpx2

from open_agent.agent.context import Collaborators
from open_agent.agent.limits import Disk, Rules
from open_agent.agent.policy import Policy, Rule
from open_agent.agent.start import RunDefaults
from open_agent.backends.native import NativeBackend
from open_agent.core.clock import Clock, SystemClock
from open_agent.core.mission import MissionKind
from open_agent.engine.delegation import Delegations
from open_agent.engine.feed import Feed
from open_agent.engine.worker import Ground, Worker
from open_agent.models.catalogue import Catalogue
from open_agent.models.client import ModelClient
from open_agent.models.endpoint import is_private_endpoint
from open_agent.models.prices import Price, PriceBook
from open_agent.models.router import ModelRouter
from open_agent.scripted.demo import demo
from open_agent.scripted.model import ScriptedModel
from open_agent.scripted.transport import ScriptedTransport
from open_agent.services.access.gate import Access
from open_agent.services.access.rules import Mode
from open_agent.services.places import Places
from open_agent.services.workspaces.assembly import WorkspaceServices, open_workspaces
from open_agent.services.workspaces.cloning import checked_addresses
from open_agent.services.workspaces.ground import HostCheck, WorkspaceGround, WorkspaceLimits
from open_agent.settings import DEMO_MODEL, Settings
from open_agent.store.database import Database
from open_agent.store.sqlite.database import FILE_NAME
from open_agent.tools.ports import WebSearch
from open_agent.tools.standard import standard_tools
from open_agent.tools.web.addresses import AddressGuard
from open_agent.tools.web.fetching import GuardedFetcher
from open_agent.tools.web.metasearch import MetaSearch
from open_agent.tools.web.tavily import TavilySearch
from open_agent.workspaces.host import HostIsolation
from open_agent.workspaces.isolation import Isolation
from open_agent.workspaces.processes import ProcessPort
from open_agent.workspaces.programs import find_ripgrep

MEGABYTE = 1024 * 1024


def make_models(settings: Settings, clock: Clock) -> ModelRouter:
    """Every model there is, by name."""
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


def make_collaborators(
    settings: Settings,
    database: Database,
    models: ModelRouter,
    feed: Feed,
    guard: AddressGuard,
    disk: Disk,
) -> Collaborators:
    """What every run of the server shares."""
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
            disk=disk,
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
        http=GuardedFetcher(guard),
        search=_search(settings),
    )


def make_isolation(settings: Settings, processes: ProcessPort) -> Isolation:
    """Where side effects happen."""
    environment = settings.child_environment
    ripgrep = find_ripgrep(environment.get("PATH"))
    return HostIsolation(processes, environment, {"rg": ripgrep} if ripgrep else {})


def make_guard(settings: Settings, own_ports: Collection[int]) -> AddressGuard:
    """Which addresses strangers' words may lead to."""
    return AddressGuard(allow_private=settings.allow_private_hosts, own_ports=lambda: own_ports)


def make_workspaces(
    settings: Settings,
    database: Database,
    places: Places,
    isolation: Isolation,
    check_host: HostCheck,
) -> WorkspaceServices:
    """Everything about workspaces."""
    ground = WorkspaceGround(
        rows=database.workspaces,
        missions=database.missions,
        places=places,
        clock=SystemClock(),
        isolation=isolation,
        limits=WorkspaceLimits(
            protocols=tuple(settings.clone_protocols),
            clone_seconds=settings.clone_seconds,
            most_bytes=settings.workspace_max_mb * MEGABYTE,
            total_bytes=settings.workspaces_max_mb * MEGABYTE,
            reserve_bytes=settings.disk_reserve_mb * MEGABYTE,
        ),
        check_host=check_host,
    )
    is_file = settings.database_url is None
    return open_workspaces(ground, settings.data_dir / FILE_NAME if is_file else None)


def host_check(guard: AddressGuard, gate: Access) -> HostCheck:
    """Where there are several users, none of them reaches the machine's own network by a clone."""

    async def check(host: str, port: int) -> Sequence[str] | None:
        if gate.mode is not Mode.MULTI_USER:
            return None
        return await checked_addresses(guard, host, port)

    return check


def make_worker(settings: Settings, shared: Collaborators, ground: Ground) -> Worker:
    """Who carries missions on."""
    return Worker(
        shared,
        ground,
        {"native": NativeBackend()},
        RunDefaults(settings.default_model, settings.fallback_model, settings.limits),
    )


def _search(settings: Settings) -> WebSearch:
    key = settings.tavily_api_key
    return MetaSearch() if key is None else TavilySearch(key.get_secret_value())
