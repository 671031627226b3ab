"""Users in the database, their keys, and the sessions that were ended before their time.

All of it is read at once and kept by whoever asks (`services/access/directory.py`): there are few
users, and every request needs one. A number that every change counts up says when to read again;
its row, changed first, also makes changes of several processes take turns.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Text,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    null,
    or_,
    select,
    update,
)

from open_agent.core.account import Account, ApiKey, Role
from open_agent.core.actor import Scope
from open_agent.core.ids import UserId
from open_agent.store.mcp_leaving import LeavingStatements
from open_agent.store.ports import Changer, Reader
from open_agent.store.rows import Row, from_micros, to_micros
from open_agent.store.statement import Compile, Query
from open_agent.store.tables import access_changes, account_keys, accounts, ended_sessions

_ALL = "all"
_UNSWITCHED = 2


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What is to become of an account; what is none stays as it is. Ends its sessions."""

    role: Role | None = None
    password: str | None = None
    is_disabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is kept of users, keys and ended sessions."""

    number: int
    accounts: tuple[Account, ...]
    keys: tuple[ApiKey, ...]
    ended: frozenset[str]


class Accounts(Protocol):
    """Users, keys and ended sessions, for those who decide who may come in."""

    async def number_for_system(self) -> int:
        """Another one when anything has changed."""
        ...

    async def snapshot_for_system(self) -> Snapshot:
        """Everything."""
        ...

    async def add_for_system(self, account: Account) -> bool:
        """Keep a new account; false when its id or its name is taken."""
        ...

    async def change_for_system(
        self, account_id: UserId, change: AccountChange, at: datetime, *, needs_admin: bool
    ) -> bool:
        """Change an account; false when it is not there.

        With `needs_admin`, also false when no administrator would be left who can sign in.
        """
        ...

    async def delete_for_system(self, account_id: UserId, *, needs_admin: bool) -> bool:
        """Delete an account with its keys; false as `change_for_system` has it."""
        ...

    async def add_key(self, key: ApiKey, *, owner: UserId) -> None:
        """Keep a key of the owner's."""
        ...

    async def delete_key(self, key_id: str, *, owner: UserId) -> bool:
        """Forget a key; false when the owner has none of that id."""
        ...

    async def use_keys_for_system(self, used: Mapping[str, datetime]) -> None:
        """Note when keys were used last."""
        ...

    async def end_session_for_system(
        self, session_id: str, expires_at: datetime, now: datetime
    ) -> None:
        """Let a session be over before its time; forgets those whose time has come."""
        ...


def name_key(username: str) -> str:
    """What two usernames that are taken for each other have in common."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).casefold())


class AccountStatements:
    """The SQL of accounts, keys and sessions."""

    def __init__(self, compile_: Compile) -> None:
        self.accounts = compile_(select(accounts).order_by(accounts.c.name_key))
        self.keys = compile_(select(account_keys).order_by(account_keys.c.created_at))
        self.ended = compile_(select(ended_sessions.c.id))
        self.number = compile_(select(access_changes.c.number))
        self.leaving = LeavingStatements(compile_)
        self._build_number(compile_)
        self._build_accounts(compile_)
        self._build_keys(compile_)

    def _build_number(self, compile_: Compile) -> None:
        is_there = exists(select(access_changes.c.name))
        first = select(_text("name"), _number("number")).where(~is_there)
        self.make_number = compile_(insert(access_changes).from_select(["name", "number"], first))
        self.count_up = compile_(update(access_changes).values(number=access_changes.c.number + 1))

    def _build_accounts(self, compile_: Compile) -> None:
        columns = tuple(accounts.c)
        values = [bindparam(column.name, type_=column.type) for column in columns]
        taken = exists().where(
            or_(accounts.c.id == _text("id"), accounts.c.name_key == _text("name_key"))
        )
        self.add = compile_(
            insert(accounts)
            .from_select([column.name for column in columns], select(*values).where(~taken))
            .returning(accounts.c.id)
        )
        this = accounts.c.id == _text("key")
        other = accounts.alias("other")
        is_left = exists().where(
            other.c.id != accounts.c.id,
            other.c.role == Role.ADMIN.value,
            other.c.disabled_at.is_(None),
        )
        is_needed = and_(accounts.c.role == Role.ADMIN.value, accounts.c.disabled_at.is_(None))
        may_go = or_(~is_needed, is_left)
        is_unneeded = _number("needed") == 0
        # 1 disables, 0 enables, and anything else leaves it.
        switch: BindParameter[int] = _number("switch")
        disabled_at = case(
            (switch == 1, func.coalesce(accounts.c.disabled_at, _number("at"))),
            (switch == 0, null()),
            else_=accounts.c.disabled_at,
        )
        role = func.coalesce(_text("role"), accounts.c.role)
        changed: dict[str, ColumnElement[Any]] = {
            "role": role,
            "password": func.coalesce(_text("password"), accounts.c.password),
            "disabled_at": disabled_at,
            "updated_at": _number("at"),
        }
        stays = and_(role == Role.ADMIN.value, switch != 1)
        self.change = compile_(
            update(accounts)
            .where(this, or_(is_unneeded, stays, may_go))
            .values(epoch=accounts.c.epoch + 1, **changed)
            .returning(accounts.c.id)
        )
        self.delete = compile_(
            delete(accounts).where(this, or_(is_unneeded, may_go)).returning(accounts.c.id)
        )
        is_kept = exists().where(accounts.c.id == _text("key"))
        self.delete_keys = compile_(
            delete(account_keys).where(account_keys.c.owner_id == _text("key"), ~is_kept)
        )

    def _build_keys(self, compile_: Compile) -> None:
        self.add_key = compile_(
            insert(account_keys).values({c.name: bindparam(c.name) for c in account_keys.c})
        )
        this = account_keys.c.id == bindparam("key")
        self.delete_key = compile_(
            delete(account_keys)
            .where(this, account_keys.c.owner_id == bindparam("owner"))
            .returning(account_keys.c.id)
        )
        self.use_key = compile_(update(account_keys).where(this).values(last_used_at=_number("at")))
        self.forget_ended = compile_(
            delete(ended_sessions).where(ended_sessions.c.expires_at < _number("now"))
        )
        is_ended = exists().where(ended_sessions.c.id == _text("key"))
        ended = select(_text("key"), _number("until")).where(~is_ended)
        self.end = compile_(insert(ended_sessions).from_select(["id", "expires_at"], ended))


class StoredAccounts:
    """`Accounts` on a database."""

    def __init__(self, changer: Changer, reader: Reader, sql: AccountStatements) -> None:
        self._changer = changer
        self._reader = reader
        self._sql = sql

    async def number_for_system(self) -> int:
        """Another one when anything has changed."""
        found = await self._reader.fetch(self._sql.number, _first)
        return found[0] if found else 0

    async def snapshot_for_system(self) -> Snapshot:
        """Everything, at least as new as its number."""
        number = await self.number_for_system()
        return Snapshot(
            number,
            tuple(await self._reader.fetch(self._sql.accounts, _account)),
            tuple(await self._reader.fetch(self._sql.keys, _key)),
            frozenset(await self._reader.fetch(self._sql.ended, _first)),
        )

    async def add_for_system(self, account: Account) -> bool:
        """Keep a new account; false when its id or its name is taken."""
        values = {
            "id": account.id,
            "username": account.username,
            "name_key": name_key(account.username),
            "role": account.role.value,
            "password": account.password,
            "created_at": to_micros(account.created_at),
            "updated_at": to_micros(account.updated_at),
            "epoch": account.epoch,
            "disabled_at": _micros(account.disabled_at),
        }
        return bool((await self._change(self._sql.add.query(**values)))[0])

    async def change_for_system(
        self, account_id: UserId, change: AccountChange, at: datetime, *, needs_admin: bool
    ) -> bool:
        """Change an account; false when it is not there, or needed as it is."""
        step = self._sql.change.query(
            key=account_id,
            role=change.role and change.role.value,
            password=change.password,
            switch=_UNSWITCHED if change.is_disabled is None else int(change.is_disabled),
            at=to_micros(at),
            needed=int(needs_admin),
        )
        return bool((await self._change(step))[0])

    async def delete_for_system(self, account_id: UserId, *, needs_admin: bool) -> bool:
        """Delete an account, its keys, and what it has with MCP servers.

        False when it is not there, or needed.
        """
        gone, *_ = await self._change(
            self._sql.delete.query(key=account_id, needed=int(needs_admin)),
            self._sql.delete_keys.query(key=account_id),
            *self._sql.leaving.steps(account_id),
        )
        return bool(gone)

    async def add_key(self, key: ApiKey, *, owner: UserId) -> None:
        """Keep a key of the owner's."""
        step = self._sql.add_key.query(
            id=key.id,
            owner_id=owner,
            name=key.name,
            scope=key.scope.value,
            digest=key.digest,
            created_at=to_micros(key.created_at),
            expires_at=_micros(key.expires_at),
            last_used_at=_micros(key.last_used_at),
        )
        await self._change(step)

    async def delete_key(self, key_id: str, *, owner: UserId) -> bool:
        """Forget a key; false when the owner has none of that id."""
        return bool((await self._change(self._sql.delete_key.query(key=key_id, owner=owner)))[0])

    async def use_keys_for_system(self, used: Mapping[str, datetime]) -> None:
        """Note when keys were used last."""
        steps = [self._sql.use_key.query(key=key, at=to_micros(at)) for key, at in used.items()]
        await self._changer.change(steps)

    async def end_session_for_system(
        self, session_id: str, expires_at: datetime, now: datetime
    ) -> None:
        """Let a session be over before its time; forgets those whose time has come."""
        await self._change(
            self._sql.forget_ended.query(now=to_micros(now)),
            self._sql.end.query(key=session_id, until=to_micros(expires_at)),
        )

    async def _change(self, *steps: Query) -> list[list[Row]]:
        """Carry out steps, and count the change; one process at a time."""
        first = (self._sql.make_number.query(name=_ALL, number=0), self._sql.count_up.query())
        return (await self._changer.change([*first, *steps]))[len(first) :]


def _text(name: str) -> BindParameter[str]:
    return bindparam(name, type_=Text)


def _number(name: str) -> BindParameter[int]:
    return bindparam(name, type_=BigInteger)


def _first(row: Row) -> Any:
    return row[0]


def _account(row: Row) -> Account:
    return Account(
        id=UserId(row[0]),
        username=row[1],
        role=Role(row[3]),
        password=row[4],
        created_at=from_micros(row[5]),
        updated_at=from_micros(row[6]),
        epoch=row[7],
        disabled_at=_time(row[8]),
    )


def _key(row: Row) -> ApiKey:
    return ApiKey(
        id=row[0],
        owner_id=UserId(row[1]),
        name=row[2],
        scope=Scope(row[3]),
        digest=row[4],
        created_at=from_micros(row[5]),
        expires_at=_time(row[6]),
        last_used_at=_time(row[7]),
    )


def _micros(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)


def _time(at: int | None) -> datetime | None:
    return None if at is None else from_micros(at)
