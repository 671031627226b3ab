"""The server about itself."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import Field

from open_agent.core.workspace import WorkspaceKind
from open_agent.server.deps import AllServices, CurrentActor
from open_agent.server.descriptions import FAILURES, failing
from open_agent.server.services import Services
from open_agent.server.wire import Wire
from open_agent.services.access.rules import Mode
from open_agent.services.system import Phase, shared_rights
from open_agent.services.workspaces.disk import DiskUse

router = APIRouter(prefix="/api", tags=["system"])


class OpenCodeView(Wire):
    """The OpenCode server that runs can be handed to."""

    kind: Literal["managed", "attached"] = Field(description="Ours, or one that was there.")
    phase: Literal["stopped", "starting", "ready", "failed"] = Field(
        description="`stopped`: starts with the first run. `failed` is tried again by itself."
    )
    version: str | None = Field(description="Its version, as far as it said one.")
    code: str | None = Field(description="What is wrong, as a stable code.")
    problem: str | None = Field(description="The same for a person.")


class Health(Wire):
    """That the server answers, and how to talk to it: the original's fields and `ready`."""

    status: Literal["ok"] = Field(description="Always `ok`; a server that is not does not answer.")
    version: str = Field(description="The server's version.")
    dev_mode: bool = Field(description="Callers on the server's own machine need no token.")
    auth_required: bool = Field(description="Callers need a token.")
    auth_mode: Literal["disabled", "single_tenant", "multi_user"] = Field(
        description="Who can call: anyone here, the owner, or users."
    )
    max_iterations: int = Field(description="Steps that a run may take.")
    ready: bool = Field(description="As `/api/ready`.")
    isolation: str = Field(description="What surrounds the work: `host` is nothing.")
    warnings: list[str] = Field(description="What whoever uses it should know.")
    backend: str = Field(description="Who carries out runs that name nobody.")
    opencode: OpenCodeView | None = Field(description="OpenCode, where one is set up.")


class Ready(Wire):
    """Whether to send the server work."""

    ready: bool = Field(description="It has started and is not about to stop.")


class DatabaseStatus(Wire):
    """The database."""

    kind: str = Field(description="`sqlite` or `postgresql`.")
    ok: bool = Field(description="It answers.")
    problem: str | None = Field(description="Why it does not.")


class EngineStatus(Wire):
    """The engine, and the caller's missions in it."""

    kind: str = Field(description="`embedded` or `distributed`.")
    active_here: int = Field(description="Missions that this process works on.")
    queued: int = Field(description="The caller's missions that wait for a worker.")
    running: int = Field(description="The caller's missions at work, parked ones included.")


class ModelStatus(Wire):
    """The model endpoint."""

    endpoint: str = Field(description="Its address.")
    default_model: str = Field(description="The model of tasks that name none.")


class Versions(Wire):
    """What runs here."""

    server: str = Field(description="The server.")
    python: str = Field(description="Python, and on what.")
    libraries: dict[str, str] = Field(description="What the server stands on.")


class KindUse(Wire):
    """What workspaces of a kind take."""

    kind: WorkspaceKind = Field(description="Where they come from.")
    count: int = Field(description="So many were made or measured.")
    size_bytes: int = Field(description="They take so much, as measured last.")


class DiskStatus(Wire):
    """What is taken on the disk; null is what is not known, or not for the caller."""

    workspaces: list[KindUse] = Field(
        description="By kind: the caller's, or everybody's for an administrator."
    )
    workspaces_bytes: int | None = Field(description="All workspaces of our making.")
    blobs_bytes: int | None = Field(description="Long outputs.")
    database_bytes: int | None = Field(description="The database, where it is a file.")
    free_bytes: int | None = Field(description="What is free where workspaces are.")


class ServerStatus(Wire):
    """The server, in detail."""

    phase: Phase = Field(description="`starting`, `ready` or `draining`.")
    data_dir: str = Field(description="Where it keeps the database, long outputs and secrets.")
    database: DatabaseStatus = Field(description="The database.")
    engine: EngineStatus = Field(description="The engine.")
    model: ModelStatus = Field(description="The model endpoint.")
    backend: str = Field(description="Who carries out runs that name nobody.")
    opencode: OpenCodeView | None = Field(description="OpenCode, where one is set up.")
    versions: Versions = Field(description="What runs here.")
    isolation: str = Field(description="What surrounds the work: `host` is nothing.")
    disk: DiskStatus = Field(description="What is taken on the disk.")


@router.get("/health")
async def get_health(services: AllServices) -> Health:
    """That the server answers, and how to talk to it. Public."""
    installation = services.system.installation
    mode = services.access.gate.mode
    is_open = mode is Mode.DISABLED
    return Health(
        status="ok",
        version=installation.version,
        dev_mode=is_open,
        auth_required=not is_open,
        # The original knows no `local`, whose code its clients can send as a password.
        auth_mode="single_tenant" if mode is Mode.LOCAL else mode.value,
        max_iterations=installation.max_iterations,
        ready=services.system.readiness.is_ready,
        isolation=services.workspaces.isolation,
        warnings=shared_rights(mode, services.workspaces.isolation),
        backend=installation.backend,
        # Everybody may read this, so it does not say where OpenCode is.
        opencode=await _opencode(services, is_public=True),
    )


@router.get("/ready", responses={503: {"description": FAILURES[503], "model": Ready}})
async def get_ready(services: AllServices, response: Response) -> Ready:
    """Whether to send the server work: 503 while it starts or stops. Public."""
    is_ready = services.system.readiness.is_ready
    response.status_code = 200 if is_ready else 503
    return Ready(ready=is_ready)


@router.get("/status", responses=failing(401))
async def get_status(actor: CurrentActor, services: AllServices) -> ServerStatus:
    """The server in detail: its database, engine, model endpoint and versions."""
    system = services.system
    installation = system.installation
    status = await system.status(actor)
    disk = await services.workspaces.disk.use(None if actor.is_admin else actor.user_id)
    return ServerStatus(
        phase=system.readiness.phase,
        data_dir=installation.data_dir,
        database=DatabaseStatus(
            kind=installation.database,
            ok=status.database_problem is None,
            problem=status.database_problem,
        ),
        engine=EngineStatus(
            kind=installation.engine,
            active_here=status.active_here,
            queued=status.queued,
            running=status.running,
        ),
        backend=installation.backend,
        opencode=await _opencode(services, is_public=False),
        model=ModelStatus(endpoint=installation.endpoint, default_model=installation.default_model),
        versions=Versions(
            server=installation.version,
            python=installation.python,
            libraries=dict(installation.libraries),
        ),
        isolation=services.workspaces.isolation,
        disk=_disk_status(disk),
    )


def _disk_status(disk: DiskUse) -> DiskStatus:
    return DiskStatus(
        workspaces=[
            KindUse(kind=each.kind, count=each.count, size_bytes=each.size_bytes)
            for each in disk.workspaces
        ],
        workspaces_bytes=disk.total,
        blobs_bytes=disk.blobs,
        database_bytes=disk.database,
        free_bytes=disk.free,
    )


async def _opencode(services: Services, *, is_public: bool) -> OpenCodeView | None:
    health = await services.system.opencode()
    if health is None:
        return None
    return OpenCodeView.model_validate(
        {
            "kind": health.kind,
            "phase": health.phase,
            "version": health.version,
            "code": health.code or None,
            "problem": (health.summary if is_public else health.problem) or None,
        }
    )
