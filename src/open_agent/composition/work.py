"""What runs are carried out with: models, tools, backends, and where they work."""

from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

from open_agent.agent.context import Collaborators
from open_agent.agent.limits import Rules
from open_agent.agent.start import RunDefaults
from open_agent.backends.absent import AbsentBackend
from open_agent.backends.native import NativeBackend
from open_agent.composition.rules import make_policy, make_prices, make_windows
from open_agent.core.clock import Clock, SystemClock
from open_agent.core.mission import MissionKind
from open_agent.engine.delegation import Delegations
from open_agent.engine.feed import Feed
from open_agent.engine.worker import Worker
from open_agent.models.client import ModelClient
from open_agent.models.endpoint import is_private_endpoint
from open_agent.models.router import ModelRouter
from open_agent.scripted.demo import demo
from open_agent.scripted.model import ScriptedModel
from open_agent.scripted.transport import ScriptedTransport
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

if TYPE_CHECKING:
    from open_agent.composition.opencode import OpenCode

NO_OPENCODE = (
    "This run was handed to OpenCode, and none is set up here. Set OPENCODE_BASE_URL or"
    " OPENCODE_MANAGED=true, start the server again, and go on."
)


def make_models(settings: Settings, clock: Clock) -> ModelRouter:
    """Every model there is, by name."""
    base_url = settings.openrouter_base_url
    key = settings.openrouter_api_key
    script = ScriptedModel(demo(), models=(DEMO_MODEL,), remember=0)
    scripted = httpx2.AsyncClient(transport=ScriptedTransport(script))
    return ModelRouter(
        ModelClient(base_url, key.get_secret_value() if key else None, clock),
        {DEMO_MODEL: ModelClient("http://demo.invalid/v1", None, clock, http=scripted)},
        make_prices(settings, clock),
        is_endpoint_free=is_private_endpoint(base_url) and not settings.model_prices,
    )


def make_collaborators(
    settings: Settings,
    database: Database,
    models: ModelRouter,
    feed: Feed,
    own_ports: Collection[int],
) -> Collaborators:
    """What every run of the server shares."""
    return Collaborators(
        log=database.log,
        rules=Rules(
            prices=models,
            windows=make_windows(settings),
            answer_for=timedelta(seconds=settings.answer_seconds),
        ),
        clock=SystemClock(),
        models=models,
        tools={kind: standard_tools(kind) for kind in MissionKind},
        policy=make_policy(settings),
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


def make_isolation(settings: Settings, processes: ProcessPort) -> Isolation:
    """Where side effects happen."""
    environment = settings.child_environment
    ripgrep = find_ripgrep(environment.get("PATH"))
    return HostIsolation(processes, environment, {"rg": ripgrep} if ripgrep else {})


def make_worker(
    settings: Settings,
    shared: Collaborators,
    isolation: Isolation,
    processes: ProcessPort,
    opencode: "OpenCode | None" = None,
) -> Worker:
    """Who carries missions on."""
    absent = AbsentBackend("opencode", NO_OPENCODE)
    return Worker(
        shared,
        lambda path: isolation.workspace(Path(path)),
        processes,
        {"native": NativeBackend(), "opencode": opencode.backend if opencode else absent},
        RunDefaults(
            settings.default_model, settings.fallback_model, settings.limits, settings.backend
        ),
    )


def _search(settings: Settings) -> WebSearch:
    key = settings.tavily_api_key
    return MetaSearch() if key is None else TavilySearch(key.get_secret_value())
