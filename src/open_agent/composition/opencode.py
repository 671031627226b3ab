"""OpenCode put together: a server of ours or another one, its models, and the backend on it."""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from open_agent.backends.opencode.backend import Handling, OpenCodeBackend
from open_agent.backends.opencode.bounds import Bounds
from open_agent.backends.opencode.bridging import Bridging
from open_agent.backends.opencode.forgetting import Forgetting
from open_agent.backends.opencode.models import OpenCodeModels
from open_agent.backends.opencode.servers.attached import Address, AttachedServer
from open_agent.backends.opencode.servers.configuration import Conduct, ModelSource
from open_agent.backends.opencode.servers.home import Home
from open_agent.backends.opencode.servers.launching import Launcher, Program
from open_agent.backends.opencode.servers.managed import ManagedServer, Watchfulness
from open_agent.backends.opencode.servers.server import OpenCodeServer
from open_agent.backends.opencode.session.permissions import asked_groups
from open_agent.composition.rules import make_policy, make_prices, make_windows
from open_agent.core.clock import SystemClock
from open_agent.core.ids import new_token
from open_agent.events.log import EventLog
from open_agent.models.endpoint import Endpoint
from open_agent.settings.models import DEMO_MODEL, MODEL_WITH_A_KEY
from open_agent.settings.settings import Settings
from open_agent.workspaces.isolation import Isolation

FOLDER = "opencode"
"""Below `DATA_DIR`: what a server of ours keeps."""
PROGRAM = "opencode"
MANAGED_NOTES, ATTACHED_NOTES = f"{FOLDER}/forget", "opencode-forget"
NO_KEY = (
    "OpenCode needs a key for its models. Set OPENROUTER_API_KEY (from https://openrouter.ai/keys),"
    " or OPENROUTER_BASE_URL and DEFAULT_MODEL, and start the server again; or use the backend"
    " `native`, which has the model `demo` without one."
)
NO_MODEL = (
    "OpenCode has no model to take when none is named; `demo` is a script of our own loop alone."
    " Name one, or set DEFAULT_MODEL and start the server again."
)


@dataclass(frozen=True, slots=True)
class OpenCode:
    """An OpenCode that runs can be handed to."""

    server: OpenCodeServer
    models: OpenCodeModels
    backend: OpenCodeBackend


@asynccontextmanager
async def open_opencode(
    settings: Settings, isolation: Isolation, log: EventLog, bridging: Bridging
) -> AsyncGenerator[OpenCode]:
    """The OpenCode of settings that have one, for as long as the context lasts.

    Nothing is started or asked before it is needed. What is deleted on the log, it forgets.
    """
    if settings.opencode_managed:
        server, models = _managed(settings, isolation, _source(settings))
    else:
        server, models = _attached(settings)
    handling = Handling(
        settings.opencode_agent,
        settings.opencode_permissive,
        Bounds(silence=timedelta(seconds=settings.opencode_silence_seconds)),
    )
    notes = settings.data_dir / (MANAGED_NOTES if server.is_managed else ATTACHED_NOTES)
    forgetting = Forgetting(server, notes)
    log.on_commit(forgetting.committed)
    keeping_on = asyncio.create_task(forgetting.keep_on())
    try:
        yield OpenCode(server, models, OpenCodeBackend(server, models, handling, bridging))
    finally:
        keeping_on.cancel()
        await server.close()


def _attached(settings: Settings) -> tuple[OpenCodeServer, OpenCodeModels]:
    assert settings.opencode_base_url is not None
    password = settings.opencode_server_password
    address = Address(
        settings.opencode_base_url,
        password.get_secret_value() if password else None,
        settings.opencode_allow_unauthenticated,
    )
    server = AttachedServer(address)
    # What our own loop would take when nobody chose is not for another program to have.
    unchosen = {DEMO_MODEL, MODEL_WITH_A_KEY} - {settings.chosen_model}
    return server, OpenCodeModels(server, unchosen=unchosen)


def _managed(
    settings: Settings, isolation: Isolation, source: ModelSource
) -> tuple[OpenCodeServer, OpenCodeModels]:
    key = settings.openrouter_api_key
    endpoint = Endpoint(source.base_url)
    home = Home(settings.data_dir / FOLDER, near=(endpoint.host,) if endpoint.is_private else ())
    program = Program(
        str(settings.opencode_program or PROGRAM),
        source,
        Conduct(settings.opencode_permissive, tuple(asked_groups(make_policy(settings)))),
        key.get_secret_value() if key else None,
        new_token(),
        settings.opencode_start_seconds,
    )
    server = ManagedServer(
        Launcher(isolation, home, program),
        settings.opencode_start_seconds,
        Watchfulness(idle_seconds=settings.opencode_idle_seconds or math.inf),
    )
    models = OpenCodeModels(
        server,
        offered=source.refs,
        unchosen={DEMO_MODEL},
        unusable=NO_KEY if key is None and endpoint.is_openrouter else None,
        nameless=None if source.default else NO_MODEL,
    )
    return server, models


def _source(settings: Settings) -> ModelSource:
    wanted = (settings.default_model, settings.fallback_model, *settings.model_prices)
    named = tuple(dict.fromkeys(name for name in wanted if name and name != DEMO_MODEL))
    default = None if settings.is_demo else settings.default_model
    return ModelSource(
        settings.openrouter_base_url,
        named,
        make_windows(settings),
        make_prices(settings, SystemClock()),
        default,
    )
