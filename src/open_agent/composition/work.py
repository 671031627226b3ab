"""What runs are carried out with: models, tools, backends, and where they work."""

from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

import httpx2

from open_agent.agent.context import Collaborators
from open_agent.agent.limits import Rules
from open_agent.agent.policy import Policy, Rule
from open_agent.agent.start import RunDefaults
from open_agent.agent.toolsets import ToolSource
from open_agent.backends.native import NativeBackend
from open_agent.core.clock import Clock, SystemClock
from open_agent.core.mission import MissionKind
from open_agent.engine.delegation import Delegations
from open_agent.engine.feed import Feed
from open_agent.engine.worker import Worker
from open_agent.mcp.client.pool import Times
from open_agent.models.catalogue import Catalogue
from open_agent.models.client import ModelClient
from open_agent.models.endpoint import is_private_endpoint
from open_agent.models.prices import Price, PriceBook
from open_agent.models.router import ModelRouter
from open_agent.models.sight import Sight
from open_agent.scripted.demo import demo
from open_agent.scripted.model import ScriptedModel
from open_agent.scripted.transport import ScriptedTransport
from open_agent.services.access.audit import Audit
from open_agent.services.mcp.assembly import McpParts, McpServices, open_mcp
from open_agent.settings import DEMO_MODEL, Settings
from open_agent.store.database import Database
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
    own_ports: Collection[int],
    tools: ToolSource,
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
        ),
        clock=SystemClock(),
        models=models,
        tools=tools,
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
        sees=Sight(settings.vision_models).sees,
    )


def make_mcp(
    settings: Settings, database: Database, isolation: Isolation, audit: Audit
) -> McpServices:
    """MCP servers, and with them the tools of missions."""
    parts = McpParts(
        isolation=isolation,
        clock=SystemClock(),
        folder=settings.data_dir / f"mcp-{database.slot}",
        working_dir=settings.working_dir,
        own={kind: standard_tools(kind) for kind in MissionKind},
        times=Times(idle=settings.mcp_idle_seconds, call=settings.mcp_call_seconds),
    )
    return open_mcp(database, parts, audit)


def make_isolation(settings: Settings, processes: ProcessPort) -> Isolation:
    """Where side effects happen."""
    environment = settings.child_environment
    ripgrep = find_ripgrep(environment.get("PATH"))
    return HostIsolation(processes, environment, {"rg": ripgrep} if ripgrep else {})


def make_worker(
    settings: Settings, shared: Collaborators, isolation: Isolation, processes: ProcessPort
) -> Worker:
    """Who carries missions on."""
    return Worker(
        shared,
        lambda path: isolation.workspace(Path(path)),
        processes,
        {"native": NativeBackend()},
        RunDefaults(settings.default_model, settings.fallback_model, settings.limits),
    )


def _search(settings: Settings) -> WebSearch:
    key = settings.tavily_api_key
    return MetaSearch() if key is None else TavilySearch(key.get_secret_value())
