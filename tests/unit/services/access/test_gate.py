"""When a credential that let somebody in counts no more."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from open_agent.core.account import Role
from open_agent.core.actor import Actor, Credential, CredentialKind, Scope
from open_agent.core.errors import Unauthenticated
from open_agent.core.ids import DEFAULT_OWNER
from open_agent.services.access.assembly import AccessServices, Surroundings, open_access
from open_agent.services.access.rules import AccessRules
from open_agent.services.access.users import NewUser
from open_agent.testing.database import open_memory_database

TOKEN = "t" * 43
OWNER = Actor(DEFAULT_OWNER, is_admin=True)


class Hands:
    """A clock that is moved by hand."""

    at = datetime(2026, 5, 6, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


async def stop_nothing(actor: Actor, owner: object) -> None:
    """Nobody has anything at work here."""


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
async def access(tmp_path: Path, clock: Hands) -> AsyncIterator[AccessServices]:
    async with open_memory_database(tmp_path, clock) as db:
        around = Surroundings(db.accounts, db.audit, clock, stop_nothing)
        yield await open_access(AccessRules(TOKEN, "s" * 32), around)


async def test_a_key_and_what_is_open_under_it_end_with_its_time(
    access: AccessServices, clock: Hands
) -> None:
    day = timedelta(days=1)
    made = await access.keys.make(OWNER, "short", Scope.READ, lifetime=day)
    actor = access.gate.authenticate(made.secret.encode())
    assert actor.scopes == {Scope.READ}
    assert not actor.is_admin
    assert actor.credential is not None
    ended: list[str] = []
    with access.gate.watch(actor.credential, lambda: ended.append("key")):
        await access.gate.changed()
        assert ended == []
        clock.at += day
        await access.gate.changed()
        assert ended == ["key"]
        await access.gate.changed()
        assert ended == ["key"]
    with pytest.raises(Unauthenticated) as refused:
        access.gate.authenticate(made.secret.encode())
    assert refused.value.code == "auth.invalid"


async def test_who_has_stopped_watching_is_not_told(access: AccessServices) -> None:
    ended: list[str] = []
    peer = Credential(CredentialKind.PEER, "", DEFAULT_OWNER)
    with access.gate.watch(peer, lambda: ended.append("outer")):
        with access.gate.watch(peer, lambda: ended.append("inner")):
            pass
        await access.users.add(OWNER, NewUser("anna", "long enough", Role.ADMIN))
    assert ended == ["outer"]


async def test_the_kernels_word_counts_until_there_are_users(access: AccessServices) -> None:
    assert access.gate.of_own_account().scopes == {Scope.READ, Scope.WRITE}
    link = access.sessions.first_link()
    assert link is not None
    await access.users.add(OWNER, NewUser("anna", "long enough", Role.ADMIN))
    with pytest.raises(Unauthenticated):
        access.gate.of_own_account()
    assert access.sessions.first_link() is None
    with pytest.raises(Unauthenticated):
        await access.sessions.follow(link.code, address="127.0.0.1")
    assert access.gate.authenticate(TOKEN.encode()).is_admin
