"""Puts the server together: the layers that every request passes, and the routes inside.

Outermost first: `boundary.py` (headers, failures), `perimeter.py` (hosts, origins, bodies),
`auth.py` (who is calling), then FastAPI. Starts nothing and opens nothing.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware

from open_agent.server import errors
from open_agent.server.auth import Authentication, IsOwnAccount
from open_agent.server.boundary import Boundary
from open_agent.server.control.stream import ControlStreams
from open_agent.server.descriptions import add_streamed
from open_agent.server.mcp.bridge import McpBridges
from open_agent.server.mcp.endpoint import McpEndpoint
from open_agent.server.peer import is_own_account
from open_agent.server.perimeter import Perimeter
from open_agent.server.routes import (
    audit,
    auth,
    control,
    control_missions,
    control_queue,
    docs,
    keys,
    mcp_endpoint,
    mcp_reading,
    mcp_registry,
    mcp_sign_in,
    mission_list,
    missions,
    processes,
    runs,
    system,
    tasks,
    tools,
    users,
    workspaces,
)
from open_agent.server.services import Services
from open_agent.server.streams import KEEP_ALIVE_SECONDS, Streams

_ROUTES = (
    system,
    auth,
    users,
    keys,
    audit,
    tasks,
    control,
    control_missions,
    control_queue,
    mission_list,
    missions,
    processes,
    runs,
    mcp_sign_in,
    mcp_registry,
    mcp_reading,
    tools,
    workspaces,
    docs,
    mcp_endpoint,
)

DESCRIPTION = (
    "Hand over a task, watch an agent do it. Every call but `/api/health`, `/api/ready` and the "
    "logins needs `Authorization: Bearer <token>`: one that `POST /api/auth/login` gave, a personal "
    "API key, or the one from the file `token` of the server's data directory. While there are "
    "neither users nor a password, programs of the server's own account, on its own machine, need "
    "none; with `DEV_MODE`, no program on that machine does. A failure is "
    "`{error: {code, message, details}}` with a stable code."
)


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How the server is reached.

    Attributes:
        hosts: Names it goes by beside the loopback ones.
        origins: Origins whose pages may use it, beside its own.
        is_open: It listens beyond loopback.
        keep_alive: Seconds of silence after which streams send a comment.
        is_own_account: Whether the kernel says that a connection is the server's own account's.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    is_open: bool = False
    keep_alive: float = KEEP_ALIVE_SECONDS
    is_own_account: IsOwnAccount = is_own_account


class Api(FastAPI):
    """FastAPI, whose description also has what only streams carry."""

    def openapi(self) -> dict[str, Any]:
        """The description of every route and value, made once."""
        document = super().openapi()
        add_streamed(document)
        return document


def create_app(
    services: Services, options: HttpOptions | None = None, bridges: McpBridges | None = None
) -> FastAPI:
    """The application over the services given."""
    options = options or HttpOptions()
    app = Api(
        title="Open Agent",
        version=services.system.installation.version,
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        middleware=[
            Middleware(Boundary, clock=services.clock),
            Middleware(
                Perimeter, hosts=options.hosts, origins=options.origins, is_open=options.is_open
            ),
            Middleware(
                Authentication, access=services.access.gate, is_own_account=options.is_own_account
            ),
        ],
    )
    app.state.services = services
    app.state.streams = Streams(services.missions, keep_alive=options.keep_alive)
    app.state.control_streams = ControlStreams(
        services.missions, services.control, keep_alive=options.keep_alive
    )
    app.state.mcp = McpEndpoint(services)
    app.state.mcp_bridges = bridges or McpBridges(None)
    errors.install(app)
    for module in _ROUTES:
        app.include_router(module.router)
    return app
