"""Signing in and out, as the original's clients know it, and for browsers with a cookie."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from open_agent.core.actor import CredentialKind, Scope
from open_agent.server.auth import COOKIE, address_of
from open_agent.server.deps import AllServices, CurrentActor
from open_agent.server.descriptions import failing, failing_plainly
from open_agent.server.wire import Wire
from open_agent.services.access.rules import Mode
from open_agent.services.access.tokens import IssuedToken

router = APIRouter(tags=["access"])


class Login(BaseModel):
    """Who one is. Fields that are not listed are passed over."""

    username: str | None = Field(
        default=None, description="The user's name; only where there are users."
    )
    password: str = Field(
        description="The password; in local mode, the one-time code that the server prints."
    )


class Token(Wire):
    """A session."""

    token: str = Field(description="Send it as `Authorization: Bearer <token>`.")
    exp: int = Field(description="When it ends, in seconds since 1970.")


class CookieSession(Wire):
    """A session that the browser keeps in a cookie."""

    exp: int = Field(description="When it ends, in seconds since 1970.")


class NewPassword(BaseModel):
    """A change of one's own password."""

    model_config = ConfigDict(extra="forbid")

    old_password: str = Field(description="The one until now.")
    new_password: str = Field(description="The one from now on: 8 to 1,024 characters.")


class Me(Wire):
    """Who the caller is."""

    id: str = Field(description="The user's id; what they make belongs to it.")
    username: str = Field(description="The user's name; empty where there is one user.")
    is_admin: bool = Field(description="They may administer with this credential.")
    scopes: list[Scope] = Field(description="What this credential is good for.")
    credential: CredentialKind | None = Field(description="How they have shown who they are.")
    expires_at: datetime | None = Field(description="When this credential ends, if it does.")
    mode: Mode = Field(description="Who can call this server.")


class NewLink(Wire):
    """A way in for a browser, once."""

    url: str = Field(description="Opens the server in a browser as the caller.")
    code: str | None = Field(
        description="The same as a password for a login page, in local mode; good for one of both."
    )
    minutes: Literal[15] = Field(default=15, description="How long it is good.")


@router.post("/api/auth/login", responses=failing(400, 413, 415, 422) | failing_plainly(401, 429))
async def login(body: Login, request: Request, services: AllServices) -> Token:
    """A session for whoever knows a password. Public; failures are plain text."""
    issued = await services.access.sessions.begin(
        body.username, body.password, address=address_of(request.scope)
    )
    return Token(token=issued.token, exp=issued.exp)


@router.post("/api/auth/session", responses=failing(400, 401, 413, 415, 422, 429))
async def begin_session(
    body: Login, request: Request, response: Response, services: AllServices
) -> CookieSession:
    """The same for a browser: the token is in a cookie that no script can read. Public."""
    issued = await services.access.sessions.begin(
        body.username, body.password, address=address_of(request.scope)
    )
    _keep(request, response, issued)
    return CookieSession(exp=issued.exp)


@router.get(
    "/link",
    status_code=303,
    response_class=RedirectResponse,
    responses=failing(422) | failing_plainly(401, 429),
)
async def follow_link(
    request: Request,
    services: AllServices,
    code: Annotated[str, Query(max_length=100, description="What the server printed.")] = "",
) -> Response:
    """Where a one-time link leads: a session in a cookie, and on to the start page. Public."""
    issued = await services.access.sessions.follow(code, address=address_of(request.scope))
    response = RedirectResponse("/", 303)
    _keep(request, response, issued)
    return response


@router.post("/api/auth/logout", status_code=204, responses=failing(401))
async def logout(
    actor: CurrentActor, request: Request, response: Response, services: AllServices
) -> None:
    """End the session that this is called with; its streams end within seconds."""
    await services.access.sessions.end(actor)
    response.set_cookie(
        COOKIE, "", max_age=0, httponly=True, samesite="lax", secure=_is_tls(request)
    )


@router.get("/api/auth/me", responses=failing(401))
async def get_me(actor: CurrentActor, services: AllServices) -> Me:
    """Who the caller is, and what they may do."""
    credential = actor.credential
    return Me(
        id=actor.user_id,
        username=actor.username,
        is_admin=actor.is_admin,
        scopes=[
            scope
            for scope in Scope
            if scope in actor.scopes and (actor.is_admin or scope is not Scope.ADMIN)
        ],
        credential=credential and credential.kind,
        expires_at=credential and credential.expires_at,
        mode=services.access.sessions.mode,
    )


@router.post(
    "/api/auth/password",
    status_code=204,
    responses=failing(400, 401, 403, 404, 409, 413, 415, 422, 429),
)
async def change_password(body: NewPassword, actor: CurrentActor, services: AllServices) -> None:
    """Give oneself another password; ends all of one's sessions, this one too."""
    await services.access.users.change_own_password(actor, body.old_password, body.new_password)


@router.post("/api/auth/link", status_code=201, responses=failing(401, 403, 409))
async def make_link(actor: CurrentActor, request: Request, services: AllServices) -> NewLink:
    """A link that lets a browser in as the caller, once, within a quarter of an hour."""
    sessions = services.access.sessions
    link = await sessions.link(actor)
    url = f"{request.url.scheme}://{request.url.netloc}{link.path}"
    return NewLink(url=url, code=link.code if sessions.mode is Mode.LOCAL else None)


def _keep(request: Request, response: Response, issued: IssuedToken) -> None:
    response.set_cookie(
        COOKIE,
        issued.token,
        expires=issued.expires_at,
        httponly=True,
        samesite="lax",
        secure=_is_tls(request),
    )


def _is_tls(request: Request) -> bool:
    """Whether the browser speaks TLS, to us or to a proxy; believing it wrongly harms nobody."""
    origin = request.headers.get("origin", "")
    proxied = request.headers.get("x-forwarded-proto", "")
    return "https" in {request.url.scheme, proxied.strip().lower(), origin.partition(":")[0]}
