"""What runs are carried out with: models, tools, backends, and where they work."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from open_agent.agent.context import Collaborators
from open_agent.agent.limits import Disk, Rules
from open_agent.agent.start import RunDefaults
from open_agent.agent.toolsets import ToolSource
from open_agent.backends.absent import AbsentBackend
from open_agent.backends.native import NativeBackend
from open_agent.composition.rules import make_policy, make_windows
from open_agent.core.clock import SystemClock
from open_agent.engine.delegation import Delegations
from open_agent.engine.feed import Feed
from open_agent.engine.worker import Ground, Worker
from open_agent.models.router import ModelRouter
from open_agent.models.sight import Sight
from open_agent.settings.settings import Settings
from open_agent.store.database import Database
from open_agent.tools.ports import WebSearch
from open_agent.tools.web.addresses import AddressGuard
from open_agent.tools.web.fetching import GuardedFetcher
from open_agent.tools.web.metasearch import MetaSearch
from open_agent.tools.web.tavily import TavilySearch

if TYPE_CHECKING:
    from open_agent.composition.opencode import OpenCode

NO_OPENCODE = (
    "This run was handed to OpenCode, and none is set up here. Set OPENCODE_BASE_URL or"
    " OPENCODE_MANAGED=true, start the server again, and go on."
)


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
    return Collaborators(
        log=database.log,
        rules=Rules(
            prices=models,
            windows=make_windows(settings),
            answer_for=timedelta(seconds=settings.answer_seconds),
            disk=reach.disk,
        ),
        clock=SystemClock(),
        models=models,
        tools=reach.tools,
        policy=make_policy(settings),
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


def make_worker(
    settings: Settings, shared: Collaborators, ground: Ground, opencode: "OpenCode | None" = None
) -> Worker:
    """Who carries missions on."""
    absent = AbsentBackend("opencode", NO_OPENCODE)
    return Worker(
        shared,
        ground,
        {"native": NativeBackend(), "opencode": opencode.backend if opencode else absent},
        RunDefaults(
            settings.default_model, settings.fallback_model, settings.limits, settings.backend
        ),
    )


def _search(settings: Settings) -> WebSearch:
    key = settings.tavily_api_key
    return MetaSearch() if key is None else TavilySearch(key.get_secret_value())
