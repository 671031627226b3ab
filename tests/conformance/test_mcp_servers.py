"""MCP servers, their secrets and the switches of tools, on every database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio

from open_agent.core.account import Account, Role
from open_agent.core.ids import UserId, new_uuid
from open_agent.core.mcp import (
    HttpTransport,
    ListedTool,
    McpListing,
    McpSecret,
    McpServer,
    SecretKind,
    StdioTransport,
)
from open_agent.store.base import Database
from open_agent.store.mcp_servers import SecretChange

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ANNA, BEN = UserId("anna"), UserId("ben")
TOKEN = McpSecret(SecretKind.ENV, "TOKEN", "canary")


def server(name: str, **changes: Any) -> McpServer:
    fields: dict[str, Any] = {
        "id": new_uuid(),
        "owner_id": ANNA,
        "is_shared": False,
        "name": name,
        "transport": StdioTransport("npx", ("-y", "a tool"), "/srv"),
        "created_at": NOW,
    }
    return McpServer(**(fields | changes))


async def test_servers_are_read_as_they_were_written(db: Database) -> None:
    before = await db.mcp.number_for_system()
    listing = McpListing("1.0", (ListedTool("add", "Add.", {"type": "object"}, True),), True, NOW)
    first = server(
        "first",
        description="What it is.",
        preset="playwright",
        is_per_mission=True,
        is_trusted=True,
        is_enabled=False,
        call_seconds=7,
        listing=listing,
        calls=3,
        errors=1,
    )
    http = HttpTransport("https://example.com/mcp?key=", "client", "read")
    later = NOW + timedelta(seconds=1)
    second = server("second", is_shared=True, transport=http, created_at=later)
    assert await db.mcp.add(second, (), owner=ANNA)
    assert await db.mcp.add(first, (), owner=ANNA)
    snapshot = await db.mcp.snapshot_for_system()
    assert snapshot.servers == (first, second)
    assert snapshot.number > before
    assert snapshot.number == await db.mcp.number_for_system()


async def test_a_name_is_given_once_to_each_and_once_to_all(db: Database) -> None:
    added: list[bool] = []

    async def add() -> None:
        added.append(await db.mcp.add(server("same"), (), owner=ANNA))

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(add)
    assert sorted(added) == [*[False] * 9, True]
    assert await db.mcp.add(server("same", is_shared=True), (), owner=ANNA)
    assert await db.mcp.add(server("same", owner_id=BEN), (), owner=BEN)
    assert not await db.mcp.add(server("same", is_shared=True, owner_id=BEN), (), owner=BEN)


async def test_secrets_are_apart_and_survive_a_change_that_does_not_name_them(db: Database) -> None:
    mine = server("mine")
    header = McpSecret(SecretKind.HEADER, "X-Key", "another canary")
    await db.mcp.add(mine, (TOKEN, header), owner=ANNA)
    snapshot = await db.mcp.snapshot_for_system()
    assert snapshot.named == {
        (mine.id, ANNA, SecretKind.ENV, "TOKEN"),
        (mine.id, ANNA, SecretKind.HEADER, "X-Key"),
    }
    assert "canary" not in repr(snapshot)

    changed = replace(mine, name="renamed", is_enabled=False, description="new")
    assert await db.mcp.change(changed, SecretChange(), owner=ANNA)
    assert await db.mcp.secrets(mine.id, owner=ANNA) == [TOKEN, header]
    assert (await db.mcp.snapshot_for_system()).servers == (changed,)

    newer = McpSecret(SecretKind.ENV, "TOKEN", "new")
    drop = ((SecretKind.HEADER, "X-Key"),)
    assert await db.mcp.change(changed, SecretChange((newer,), drop), owner=ANNA)
    assert await db.mcp.secrets(mine.id, owner=ANNA) == [newer]


async def test_what_is_anothers_is_neither_changed_nor_deleted(db: Database) -> None:
    mine = server("mine")
    await db.mcp.add(mine, (TOKEN,), owner=ANNA)
    stolen = replace(mine, name="stolen")
    other = McpSecret(SecretKind.ENV, "TOKEN", "other")
    assert not await db.mcp.change(stolen, SecretChange((other,)), owner=BEN)
    assert not await db.mcp.delete(mine.id, owner=BEN)
    assert await db.mcp.secrets(mine.id, owner=BEN) == []
    assert await db.mcp.secrets(mine.id, owner=ANNA) == [TOKEN]
    assert (await db.mcp.snapshot_for_system()).servers == (mine,)


async def test_a_change_to_a_name_that_is_taken_changes_nothing(db: Database) -> None:
    mine = server("mine")
    await db.mcp.add(mine, (TOKEN,), owner=ANNA)
    await db.mcp.add(server("taken", created_at=NOW + timedelta(1)), (), owner=ANNA)
    renamed = replace(mine, name="taken")
    drop = ((SecretKind.ENV, "TOKEN"),)
    assert not await db.mcp.change(renamed, SecretChange((), drop), owner=ANNA)
    assert (await db.mcp.snapshot_for_system()).servers[0] == mine
    assert await db.mcp.secrets(mine.id, owner=ANNA) == [TOKEN]


async def test_deleting_a_server_deletes_the_secrets_of_everybody(db: Database) -> None:
    shared = server("shared", is_shared=True)
    await db.mcp.add(shared, (TOKEN,), owner=ANNA)
    tokens = McpSecret(SecretKind.OAUTH, "tokens", "canary")
    await db.mcp.put_secret(shared.id, tokens, owner=BEN)
    await db.mcp.put_secret(shared.id, tokens, owner=BEN)
    assert await db.mcp.secrets(shared.id, owner=BEN) == [tokens]
    assert await db.mcp.delete(shared.id, owner=ANNA)
    await db.mcp.put_secret(shared.id, tokens, owner=BEN)
    assert (await db.mcp.snapshot_for_system()).named == frozenset()
    assert not await db.mcp.delete(shared.id, owner=ANNA)


async def test_listings_and_counts_outlive_a_change(db: Database) -> None:
    mine = server("mine")
    await db.mcp.add(mine, (), owner=ANNA)
    listing = McpListing("2", (ListedTool("a", "", {"type": "object"}),), at=NOW)
    await db.mcp.listed_for_system(mine.id, listing)
    await db.mcp.count_for_system({mine.id: (2, 1), "gone": (1, 1)})
    await db.mcp.count_for_system({mine.id: (1, 0)})
    await db.mcp.change(replace(mine, name="other"), SecretChange(), owner=ANNA)
    [found] = (await db.mcp.snapshot_for_system()).servers
    assert found == replace(mine, name="other", listing=listing, calls=3, errors=1)


async def test_tools_are_switched_off_for_one_or_for_all(db: Database) -> None:
    for _ in range(2):
        await db.mcp.switch("web_search", "", is_off=True, owner=ANNA)
    await db.mcp.switch("web_search", BEN, is_off=True, owner=BEN)
    await db.mcp.switch("read_file", ANNA, is_off=True, owner=ANNA)
    await db.mcp.switch("web_search", BEN, is_off=False, owner=BEN)
    switched_off = (await db.mcp.snapshot_for_system()).switched_off
    assert switched_off == {("", "web_search"), (ANNA, "read_file")}


async def test_what_comes_with_us_is_added_once(db: Database) -> None:
    seeded: list[bool] = []

    async def seed() -> None:
        seeded.append(await db.mcp.seed_for_system("playwright"))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(seed)
    assert sorted(seeded) == [*[False] * 4, True]
    assert await db.mcp.seed_for_system("desktop")


async def test_what_a_user_had_goes_with_their_account(db: Database) -> None:
    anna = Account(ANNA, "anna", Role.ADMIN, "hash", NOW, NOW)
    await db.accounts.add_for_system(anna)
    mine, shared = server("mine"), server("shared", is_shared=True)
    bens = server("bens", owner_id=BEN)
    for each in (mine, shared):
        await db.mcp.add(each, (TOKEN,), owner=ANNA)
    await db.mcp.add(bens, (TOKEN,), owner=BEN)
    client = McpSecret(SecretKind.OAUTH, "client_secret", "canary")
    tokens = McpSecret(SecretKind.OAUTH, "tokens", "canary")
    for secret in (client, tokens):
        await db.mcp.put_secret(shared.id, secret, owner=ANNA)
    await db.mcp.put_secret(shared.id, tokens, owner=BEN)
    for scope, owner in ((ANNA, ANNA), (BEN, BEN), ("", ANNA)):
        await db.mcp.switch("web_search", scope, is_off=True, owner=owner)
    before = await db.mcp.snapshot_for_system()

    assert not await db.accounts.delete_for_system(ANNA, needs_admin=True)
    assert await db.mcp.snapshot_for_system() == before
    assert await db.accounts.delete_for_system(ANNA, needs_admin=False)
    after = await db.mcp.snapshot_for_system()
    assert after.number > before.number
    assert {each.name for each in after.servers} == {"shared", "bens"}
    assert after.named == {
        (shared.id, ANNA, SecretKind.ENV, "TOKEN"),
        (shared.id, ANNA, SecretKind.OAUTH, "client_secret"),
        (shared.id, BEN, SecretKind.OAUTH, "tokens"),
        (bens.id, BEN, SecretKind.ENV, "TOKEN"),
    }
    assert after.switched_off == {(BEN, "web_search"), ("", "web_search")}
