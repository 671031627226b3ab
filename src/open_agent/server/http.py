"""Puts the server together: the layers that every request passes, and the routes inside.

Outermost first: `boundary.py` (headers, failures), `perimeter.py` (hosts, origins, bodies),
`auth.py` (who is calling), then FastAPI. Starts nothing and opens nothing.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware

from open_agent.server import errors
from open_agent.server.auth import Authentication
from open_agent.server.boundary import Boundary
from open_agent.server.descriptions import add_streamed
from open_agent.server.perimeter import Perimeter
from open_agent.server.routes import docs, missions, processes, system, tasks
from open_agent.server.services import Services
from open_agent.server.streams import KEEP_ALIVE_SECONDS, Streams

DESCRIPTION = (
    "Hand over a task, watch an agent do it. Every call but `/api/health` and `/api/ready` needs "
    "`Authorization: Bearer <token>`, with the token from the file `token` of the server's data "
    "directory; with `DEV_MODE`, programs on the server's own machine need none. A failure is `{error: {code, message, details}}` with a stable code."
)


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How the server is reached.

    Attributes:
        hosts: Names it goes by beside the loopback ones.
        origins: Origins whose pages may change something, beside its own.
        keep_alive: Seconds of silence after which streams send a comment.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    keep_alive: float = KEEP_ALIVE_SECONDS


class Api(FastAPI):
    """FastAPI, whose description also has what only streams carry."""

    def openapi(self) -> dict[str, Any]:
        """The description of every route and value, made once."""
        document = super().openapi()
        add_streamed(document)
        return document


def create_app(services: Services, options: HttpOptions | None = None) -> FastAPI:
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
            Middleware(Perimeter, hosts=options.hosts, origins=options.origins),
            Middleware(Authentication, access=services.access),
        ],
    )
    app.state.services = services
    app.state.streams = Streams(services.missions, keep_alive=options.keep_alive)
    errors.install(app)
    for router in (system.router, tasks.router, missions.router, processes.router, docs.router):
        app.include_router(router)
    return app
