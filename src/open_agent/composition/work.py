"""What runs are carried out with: models, tools, backends, and where they work."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from open_agent.agent.context import Collaborators
from open_agent.agent.limits import Disk, Rules
from open_agent.agent.policy import Policy, Rule
from open_agent.agent.start import RunDefaults
from open_agent.agent.toolsets import ToolSource
from open_agent.backends.native import NativeBackend
from open_agent.core.clock import SystemClock
from open_agent.engine.delegation import Delegations
from open_agent.engine.feed import Feed
from open_agent.engine.worker import Ground, Worker
from open_agent.models.catalogue import Catalogue
from open_agent.models.router import ModelRouter
from open_agent.models.sight import Sight
from open_agent.settings import Settings
from open_agent.store.database import Database
from open_agent.tools.ports import WebSearch
from open_agent.tools.web.addresses import AddressGuard
from open_agent.tools.web.fetching import GuardedFetcher
from open_agent.tools.web.metasearch import MetaSearch
from open_agent.tools.web.tavily import TavilySearch


@dataclass(frozen=True, slots=True)
class Reach:
    """What runs can get at, and how far."""

    guard: AddressGuard
    disk: Disk
    tools: ToolSource


def make_collaborators(
    settings: Settings, database: Database, models: ModelRouter, feed: Feed, reach: Reach
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
            disk=reach.disk,
        ),
        clock=SystemClock(),
        models=models,
        tools=reach.tools,
        policy=Policy(tuple(Rule(**rule.model_dump()) for rule in settings.approvals)),
        delegation=Delegations(
            database.log, database.missions, feed, SystemClock(), database.host_id
        ),
        blobs=database.blobs,
        deltas=feed,
        http=GuardedFetcher(reach.guard),
        search=_search(settings),
        sees=Sight(settings.vision_models).sees,
    )


def make_guard(settings: Settings, own_ports: Collection[int]) -> AddressGuard:
    """Which addresses strangers' words may lead to."""
    return AddressGuard(allow_private=settings.allow_private_hosts, own_ports=lambda: own_ports)


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
