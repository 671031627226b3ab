"""Users, keys, ended sessions and the audit log on every database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from open_agent.core.account import Account, ApiKey, AuditEntry, Role
from open_agent.core.actor import Scope
from open_agent.core.errors import Invalid
from open_agent.core.ids import UserId, new_uuid
from open_agent.store.accounts import AccountChange, name_key
from open_agent.store.base import Database

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def account(username: str, **changes: Any) -> Account:
    fields: dict[str, Any] = {
        "id": UserId(new_uuid()),
        "username": username,
        "role": Role.MEMBER,
        "password": "$argon2id$hash",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Account(**(fields | changes))


def key(owner: UserId, **changes: Any) -> ApiKey:
    fields: dict[str, Any] = {
        "id": new_uuid(),
        "owner_id": owner,
        "name": "laptop",
        "scope": Scope.WRITE,
        "digest": "d" * 64,
        "created_at": NOW,
    }
    return ApiKey(**(fields | changes))


async def test_accounts_and_keys_are_read_as_they_were_written(db: Database) -> None:
    store = db.accounts
    before = await store.number_for_system()
    assert (await store.snapshot_for_system()).accounts == ()
    anna, ben = account("Anna", role=Role.ADMIN), account("ben", disabled_at=LATER)
    assert await store.add_for_system(ben)
    assert await store.add_for_system(anna)
    first, second = key(anna.id), key(ben.id, expires_at=LATER, scope=Scope.READ)
    await store.add_key(first, owner=anna.id)
    await store.add_key(second, owner=ben.id)

    snapshot = await store.snapshot_for_system()
    assert snapshot.accounts == (anna, ben)
    assert set(snapshot.keys) == {first, second}
    assert snapshot.number > before
    assert snapshot.number == await store.number_for_system()


async def test_a_name_or_an_id_is_given_once_however_many_ask(db: Database) -> None:
    added: list[bool] = []

    async def add(name: str) -> None:
        added.append(await db.accounts.add_for_system(account(name, id=UserId("default"))))

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(add, f"name-{number}")
    assert sorted(added) == [*[False] * 19, True]
    for taken in ("Straße", "STRASSE", "ｓtrasse"):
        await db.accounts.add_for_system(account(taken))
    names = [each.username for each in (await db.accounts.snapshot_for_system()).accounts]
    assert [name for name in names if name_key(name) == "strasse"] == ["Straße"]


async def test_a_change_keeps_the_rest_and_counts_the_epoch(db: Database) -> None:
    anna = account("anna")
    await db.accounts.add_for_system(anna)

    async def change(**changes: Any) -> Account:
        wanted = AccountChange(**changes)
        assert await db.accounts.change_for_system(anna.id, wanted, LATER, needs_admin=True)
        (found,) = (await db.accounts.snapshot_for_system()).accounts
        return found

    assert (await change(role=Role.ADMIN)).role is Role.ADMIN
    changed = await change(password="another")
    assert (changed.role, changed.password, changed.epoch) == (Role.ADMIN, "another", 2)
    assert (await change()).disabled_at is None
    assert not await db.accounts.change_for_system(
        UserId("nobody"), AccountChange(), LATER, needs_admin=False
    )


async def test_the_last_administrator_stays_one_when_one_is_needed(db: Database) -> None:
    store = db.accounts
    anna, ben = (
        account("anna", role=Role.ADMIN),
        account("ben", role=Role.ADMIN, disabled_at=LATER),
    )
    await store.add_for_system(anna)
    await store.add_for_system(ben)
    for change in (AccountChange(role=Role.MEMBER), AccountChange(is_disabled=True)):
        assert not await store.change_for_system(anna.id, change, LATER, needs_admin=True)
    assert not await store.delete_for_system(anna.id, needs_admin=True)
    assert await store.change_for_system(
        anna.id, AccountChange(password="x"), LATER, needs_admin=True
    )
    assert await store.change_for_system(
        ben.id, AccountChange(is_disabled=False), LATER, needs_admin=True
    )

    gone: list[bool] = []

    async def leave(id_: UserId) -> None:
        gone.append(
            await store.change_for_system(
                id_, AccountChange(role=Role.MEMBER), LATER, needs_admin=True
            )
        )

    async with anyio.create_task_group() as group:
        group.start_soon(leave, anna.id)
        group.start_soon(leave, ben.id)
    assert sorted(gone) == [False, True]
    assert await store.delete_for_system(anna.id, needs_admin=False)
    assert not await store.delete_for_system(anna.id, needs_admin=False)


async def test_keys_go_with_their_account_and_only_for_their_owner(db: Database) -> None:
    store = db.accounts
    anna, ben = account("anna"), account("ben")
    for each in (anna, ben):
        await store.add_for_system(each)
    first, second, third = key(anna.id), key(anna.id), key(ben.id)
    for each in (first, second, third):
        await store.add_key(each, owner=each.owner_id)
    assert not await store.delete_key(third.id, owner=anna.id)
    assert await store.delete_key(first.id, owner=anna.id)
    assert not await store.delete_key(first.id, owner=anna.id)
    await store.use_keys_for_system({second.id: LATER, "gone": LATER})
    kept = {each.id: each for each in (await store.snapshot_for_system()).keys}
    assert kept[second.id].last_used_at == LATER
    await store.delete_for_system(anna.id, needs_admin=False)
    assert [each.id for each in (await store.snapshot_for_system()).keys] == [third.id]


async def test_ended_sessions_are_kept_until_they_would_be_over_anyway(db: Database) -> None:
    store = db.accounts
    await store.end_session_for_system("one", LATER, NOW)
    await store.end_session_for_system("one", LATER, NOW)
    await store.end_session_for_system("two", LATER + timedelta(days=1), NOW)
    assert (await store.snapshot_for_system()).ended == {"one", "two"}
    await store.end_session_for_system("three", LATER, LATER)
    await store.end_session_for_system("four", NOW + timedelta(days=9), LATER + timedelta(hours=1))
    assert (await store.snapshot_for_system()).ended == {"two", "four"}


def entry(action: str, at: datetime = NOW) -> AuditEntry:
    return AuditEntry(
        new_uuid(), at, UserId("anna"), "Anna", action, "t", {"a": [1, "ü"]}, "127.0.0.1"
    )


async def test_the_audit_log_is_paged_newest_first_without_gaps(db: Database) -> None:
    entries = [entry(f"e.{number}", NOW + timedelta(seconds=number // 3)) for number in range(10)]
    for each in entries:
        await db.audit.append_for_system(each)
    found: list[AuditEntry] = []
    after: str | None = None
    while True:
        page = await db.audit.page_for_system(after=after, limit=3)
        found += page.items
        after = page.next
        if after is None:
            break
    assert found == sorted(entries, key=lambda each: (each.at, each.id), reverse=True)
    with pytest.raises(Invalid):
        await db.audit.page_for_system(after="x", limit=3)
