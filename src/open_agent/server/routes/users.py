"""Users, for administrators."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from open_agent.core.account import Role
from open_agent.server.deps import AllServices, CurrentActor, UserIdInPath
from open_agent.server.descriptions import failing
from open_agent.server.wire import Wire
from open_agent.services.access.users import NewUser, UserChange, UserView

router = APIRouter(prefix="/api/users", tags=["access"], responses=failing(401, 403, 422))


class CreateUser(BaseModel):
    """A new user."""

    model_config = ConfigDict(extra="forbid")

    username: str = Field(description="1 to 64 characters; unique, however it is written.")
    password: str = Field(description="8 to 1,024 characters, not counting space around it.")
    role: Role = Field(default=Role.MEMBER, description="`admin` or `member`.")
    adopt: bool = Field(
        default=False,
        description="Become the owner of what was done before there were users. For one "
        "administrator, once.",
    )


class ChangeUser(BaseModel):
    """What is to become of a user; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = Field(default=None, description="`admin` or `member`.")
    password: str | None = Field(default=None, description="A new password.")
    is_disabled: bool | None = Field(default=None, description="They may not sign in.")


class User(Wire):
    """A user."""

    id: str = Field(description="The user's id.")
    username: str = Field(description="The name to sign in with.")
    role: Role = Field(description="`admin` or `member`.")
    is_disabled: bool = Field(description="They may not sign in.")
    is_named: bool = Field(
        description="The settings name this user, so that only the settings can change them."
    )
    created_at: datetime | None = Field(description="None of those whom the settings name.")


class UserList(Wire):
    """All users, by name."""

    items: list[User] = Field(description="The users.")
    next: None = Field(default=None, description="Always null: all of them are listed.")


@router.get("")
async def list_users(actor: CurrentActor, services: AllServices) -> UserList:
    """Everybody who may sign in, and those who are disabled."""
    return UserList(items=[_shown(each) for each in await services.access.users.all(actor)])


@router.post("", status_code=201, responses=failing(400, 409, 413, 415, 429))
async def create_user(body: CreateUser, actor: CurrentActor, services: AllServices) -> User:
    """Add a user; from the first one on, everybody signs in with a name."""
    new = NewUser(body.username, body.password, body.role, body.adopt)
    return _shown(await services.access.users.add(actor, new))


@router.get("/{id}", responses=failing(404))
async def get_user(user_id: UserIdInPath, actor: CurrentActor, services: AllServices) -> User:
    """One user."""
    return _shown(await services.access.users.get(actor, user_id))


@router.patch("/{id}", responses=failing(400, 404, 409, 413, 415, 429))
async def change_user(
    user_id: UserIdInPath, body: ChangeUser, actor: CurrentActor, services: AllServices
) -> User:
    """Change a user's role or password, disable or enable them; ends all of their sessions."""
    change = UserChange(body.role, body.password, body.is_disabled)
    return _shown(await services.access.users.change(actor, user_id, change))


@router.delete("/{id}", status_code=204, responses=failing(404, 409))
async def delete_user(user_id: UserIdInPath, actor: CurrentActor, services: AllServices) -> None:
    """Delete a user, their keys and MCP servers, and stop their work. Their missions stay."""
    await services.access.users.delete(actor, user_id)


def _shown(user: UserView) -> User:
    return User(
        id=user.id,
        username=user.username,
        role=user.role,
        is_disabled=user.is_disabled,
        is_named=user.is_named,
        created_at=user.created_at,
    )
