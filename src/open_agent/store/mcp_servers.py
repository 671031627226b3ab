"""MCP servers as they are configured, their secrets, and the tools that are switched off.

All but the values of secrets is read at once and kept by whoever asks (`services/mcp/`): there are
few of them, and every run needs them. A number that every change counts up says when to read
again; its row, changed first, also makes changes of several processes take turns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)

from open_agent.core.ids import UserId
from open_agent.core.mcp import McpListing, McpSecret, McpServer, SecretKind
from open_agent.store.mcp_values import EVERYBODY, LISTED, listing_values, server_of, server_values
from open_agent.store.ports import Changer, Reader
from open_agent.store.rows import Row
from open_agent.store.statement import Compile, Query
from open_agent.store.tables import mcp_changes, mcp_secrets, mcp_servers, tool_switches

_ALL = "all"
_SEEDED = "seeded:"


@dataclass(frozen=True, slots=True)
class McpSnapshot:
    """All that is kept, but for the values of secrets.

    Attributes:
        named: Which secrets servers have: server, owner, kind and name.
        switched_off: Tools, each with for whom.
        seeded: What has been added once of what comes with us.
    """

    number: int
    servers: tuple[McpServer, ...]
    named: frozenset[tuple[str, UserId, SecretKind, str]]
    switched_off: frozenset[tuple[str, str]]
    seeded: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SecretChange:
    """What is to become of a server's own secrets; what is not named stays."""

    put: Sequence[McpSecret] = ()
    drop: Sequence[tuple[SecretKind, str]] = ()


class McpRows(Protocol):
    """MCP servers, for those who decide who may configure and use them."""

    async def number_for_system(self) -> int:
        """Another one when anything has changed."""
        ...

    async def snapshot_for_system(self) -> McpSnapshot:
        """Everything, at least as new as its number."""
        ...

    async def add(self, server: McpServer, secrets: Sequence[McpSecret], *, owner: UserId) -> bool:
        """Keep a new server; false when its id or its name is taken."""
        ...

    async def change(self, server: McpServer, secrets: SecretChange, *, owner: UserId) -> bool:
        """Keep a server as it is now, but for what it lists and counts.

        False when the owner has none of that id, or its name is taken.
        """
        ...

    async def delete(self, server_id: str, *, owner: UserId) -> bool:
        """Forget a server with its secrets; false when the owner has none of that id."""
        ...

    async def listed_for_system(self, server_id: str, listing: McpListing) -> None:
        """Keep what a server was seen to offer."""
        ...

    async def count_for_system(self, counts: Mapping[str, tuple[int, int]]) -> None:
        """Add calls and errors to what was counted, by server. No change that others must hear of."""
        ...

    async def secrets(self, server_id: str, *, owner: UserId) -> list[McpSecret]:
        """What an owner has with a server that only it is to know."""
        ...

    async def put_secret(self, server_id: str, secret: McpSecret, *, owner: UserId) -> None:
        """Keep what signing in has given."""
        ...

    async def switch(self, name: str, scope: str, *, is_off: bool, owner: UserId) -> None:
        """Switch a tool off or on; `scope` is the owner, or everybody."""
        ...

    async def seed_for_system(self, name: str) -> bool:
        """Whether something that comes with us is to be added: once, and never again."""
        ...


class McpStatements:
    """The SQL of MCP servers and switches."""

    def __init__(self, compile_: Compile) -> None:
        self.servers = compile_(
            select(mcp_servers).order_by(mcp_servers.c.created_at, mcp_servers.c.id)
        )
        secret = mcp_secrets.c
        self.named = compile_(select(secret.server_id, secret.owner_id, secret.kind, secret.name))
        self.switches = compile_(select(tool_switches.c.scope, tool_switches.c.name))
        self.changes = compile_(select(mcp_changes.c.name))
        this_number = mcp_changes.c.name == bindparam("name")
        self.number = compile_(select(mcp_changes.c.number).where(this_number))
        is_there = exists(select(mcp_changes.c.name).where(mcp_changes.c.name == _text("name")))
        first = select(_text("name"), _number("number")).where(~is_there)
        self.make_number = compile_(
            insert(mcp_changes).from_select(["name", "number"], first).returning(mcp_changes.c.name)
        )
        self.count_up = compile_(
            update(mcp_changes).values(number=mcp_changes.c.number + 1).where(this_number)
        )
        self._build_servers(compile_)
        self._build_secrets(compile_)
        self._build_switches(compile_)

    def _build_servers(self, compile_: Compile) -> None:
        columns = tuple(mcp_servers.c)
        values = [bindparam(column.name, type_=column.type) for column in columns]
        same_name = and_(mcp_servers.c.scope == _text("scope"), mcp_servers.c.name == _text("name"))
        taken = exists().where(or_(mcp_servers.c.id == _text("id"), same_name))
        names = [column.name for column in columns]
        self.add = compile_(
            insert(mcp_servers)
            .from_select(names, select(*values).where(~taken))
            .returning(mcp_servers.c.id)
        )
        this = mcp_servers.c.id == bindparam("key")
        other = mcp_servers.alias("other")
        other_name = and_(
            other.c.id != bindparam("key"),
            other.c.scope == _text("scope"),
            other.c.name == _text("name"),
        )
        kept = {"id", "owner_id", "created_at", *LISTED, "calls", "errors"}
        self.change = compile_(
            update(mcp_servers)
            .values({c.name: bindparam(c.name) for c in columns if c.name not in kept})
            .where(this, mcp_servers.c.owner_id == bindparam("owner"), ~exists().where(other_name))
            .returning(mcp_servers.c.id)
        )
        self.delete = compile_(
            delete(mcp_servers)
            .where(this, mcp_servers.c.owner_id == bindparam("owner"))
            .returning(mcp_servers.c.id)
        )
        self.listed = compile_(
            update(mcp_servers).values({name: bindparam(name) for name in LISTED}).where(this)
        )
        self.count = compile_(
            update(mcp_servers)
            .values(
                calls=mcp_servers.c.calls + _number("more_calls"),
                errors=mcp_servers.c.errors + _number("more_errors"),
            )
            .where(this)
        )

    def _build_secrets(self, compile_: Compile) -> None:
        of_server = mcp_secrets.c.server_id == bindparam("server")
        of_owner = mcp_secrets.c.owner_id == bindparam("owner")
        self.secrets = compile_(
            select(mcp_secrets.c.kind, mcp_secrets.c.name, mcp_secrets.c.value)
            .where(of_server, of_owner)
            .order_by(mcp_secrets.c.kind, mcp_secrets.c.name)
        )
        self.drop_secret = compile_(
            delete(mcp_secrets).where(
                of_server,
                of_owner,
                mcp_secrets.c.kind == bindparam("kind"),
                mcp_secrets.c.name == bindparam("name"),
            )
        )
        is_known = exists().where(mcp_servers.c.id == _text("server_id"))
        values = [bindparam(c.name, type_=c.type) for c in mcp_secrets.c]
        names = [c.name for c in mcp_secrets.c]
        # Of a server that was deleted meanwhile, nothing is kept.
        self.put_secret = compile_(
            insert(mcp_secrets).from_select(names, select(*values).where(is_known))
        )
        is_kept = exists().where(mcp_servers.c.id == mcp_secrets.c.server_id)
        self.drop_secrets = compile_(delete(mcp_secrets).where(of_server, ~is_kept))

    def _build_switches(self, compile_: Compile) -> None:
        this = and_(
            tool_switches.c.scope == bindparam("scope"), tool_switches.c.name == bindparam("tool")
        )
        self.switch_on = compile_(delete(tool_switches).where(this))
        self.switch_off = compile_(
            insert(tool_switches).values(scope=bindparam("scope"), name=bindparam("tool"))
        )


class StoredMcp:
    """`McpRows` on a database."""

    def __init__(self, changer: Changer, reader: Reader, sql: McpStatements) -> None:
        self._changer = changer
        self._reader = reader
        self._sql = sql

    async def number_for_system(self) -> int:
        """Another one when anything has changed."""
        found = await self._reader.fetch(self._sql.number, _first, name=_ALL)
        return found[0] if found else 0

    async def snapshot_for_system(self) -> McpSnapshot:
        """Everything, at least as new as its number."""
        number = await self.number_for_system()
        return McpSnapshot(
            number,
            tuple(await self._reader.fetch(self._sql.servers, server_of)),
            frozenset(await self._reader.fetch(self._sql.named, _named)),
            frozenset(await self._reader.fetch(self._sql.switches, lambda row: (row[0], row[1]))),
            frozenset(
                name.removeprefix(_SEEDED)
                for name in await self._reader.fetch(self._sql.changes, _first)
                if name.startswith(_SEEDED)
            ),
        )

    async def add(self, server: McpServer, secrets: Sequence[McpSecret], *, owner: UserId) -> bool:
        """Keep a new server; false when its id or its name is taken."""
        is_added = bool(
            (await self._change(self._sql.add.query(**server_values(server, owner))))[0]
        )
        if is_added and secrets:
            await self._change(*(self._put(server.id, secret, owner) for secret in secrets))
        return is_added

    async def change(self, server: McpServer, secrets: SecretChange, *, owner: UserId) -> bool:
        """Keep a server as it is now, but for what it lists and counts."""
        values = {**server_values(server, owner), "key": server.id, "owner": owner}
        is_changed = bool((await self._change(self._sql.change.query(**values)))[0])
        dropped = [*secrets.drop, *((each.kind, each.name) for each in secrets.put)]
        if is_changed and dropped:
            await self._change(
                *(self._drop(server.id, kind, name, owner) for kind, name in dropped),
                *(self._put(server.id, secret, owner) for secret in secrets.put),
            )
        return is_changed

    async def delete(self, server_id: str, *, owner: UserId) -> bool:
        """Forget a server with its secrets; false when the owner has none of that id."""
        gone, _ = await self._change(
            self._sql.delete.query(key=server_id, owner=owner),
            self._sql.drop_secrets.query(server=server_id),
        )
        return bool(gone)

    async def listed_for_system(self, server_id: str, listing: McpListing) -> None:
        """Keep what a server was seen to offer."""
        await self._change(self._sql.listed.query(key=server_id, **listing_values(listing)))

    async def count_for_system(self, counts: Mapping[str, tuple[int, int]]) -> None:
        """Add calls and errors to what was counted, by server."""
        await self._changer.change(
            [
                self._sql.count.query(key=server_id, more_calls=calls, more_errors=errors)
                for server_id, (calls, errors) in counts.items()
            ]
        )

    async def secrets(self, server_id: str, *, owner: UserId) -> list[McpSecret]:
        """What an owner has with a server that only it is to know."""
        return await self._reader.fetch(self._sql.secrets, _secret, server=server_id, owner=owner)

    async def put_secret(self, server_id: str, secret: McpSecret, *, owner: UserId) -> None:
        """Keep what signing in has given."""
        await self._change(
            self._drop(server_id, secret.kind, secret.name, owner),
            self._put(server_id, secret, owner),
        )

    async def switch(self, name: str, scope: str, *, is_off: bool, owner: UserId) -> None:
        """Switch a tool off or on; `scope` is the owner, or everybody."""
        assert scope in (EVERYBODY, owner)
        steps = [self._sql.switch_on.query(scope=scope, tool=name)]
        if is_off:
            steps.append(self._sql.switch_off.query(scope=scope, tool=name))
        await self._change(*steps)

    async def seed_for_system(self, name: str) -> bool:
        """Whether something that comes with us is to be added: once, and never again."""
        made = self._sql.make_number.query(name=f"{_SEEDED}{name}", number=0)
        return bool((await self._change(made))[0])

    def _put(self, server_id: str, secret: McpSecret, owner: UserId) -> Query:
        return self._sql.put_secret.query(
            server_id=server_id,
            owner_id=owner,
            kind=secret.kind.value,
            name=secret.name,
            value=secret.value,
        )

    def _drop(self, server_id: str, kind: SecretKind, name: str, owner: UserId) -> Query:
        return self._sql.drop_secret.query(
            server=server_id, owner=owner, kind=kind.value, name=name
        )

    async def _change(self, *steps: Query) -> list[list[Row]]:
        """Carry out steps, and count the change; one process at a time."""
        first = (
            self._sql.make_number.query(name=_ALL, number=0),
            self._sql.count_up.query(name=_ALL),
        )
        return (await self._changer.change([*first, *steps]))[len(first) :]


def _text(name: str) -> BindParameter[str]:
    return bindparam(name, type_=Text)


def _number(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger)


def _first(row: Row) -> Any:
    return row[0]


def _named(row: Row) -> tuple[str, UserId, SecretKind, str]:
    return row[0], UserId(row[1]), SecretKind(row[2]), row[3]


def _secret(row: Row) -> McpSecret:
    return McpSecret(SecretKind(row[0]), row[1], row[2])
