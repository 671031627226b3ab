"""Puts together all that decides about access, over one database."""

from dataclasses import dataclass

from pwdlib import PasswordHash

from open_agent.core.clock import Clock
from open_agent.services.access.audit import Audit
from open_agent.services.access.codes import Codes
from open_agent.services.access.directory import Directory
from open_agent.services.access.gate import Access
from open_agent.services.access.keys import Keys
from open_agent.services.access.passwords import Passwords
from open_agent.services.access.rules import AccessRules
from open_agent.services.access.sessions import Sessions, SignIn
from open_agent.services.access.throttle import Throttle
from open_agent.services.access.tokens import Tokens
from open_agent.services.access.users import StopWork, Users
from open_agent.store.accounts import Accounts
from open_agent.store.audit import AuditLog


@dataclass(frozen=True, slots=True)
class AccessServices:
    """What can be asked about access."""

    gate: Access
    sessions: Sessions
    users: Users
    keys: Keys
    audit: Audit


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What access stands on.

    Attributes:
        hasher: Another than argon2id with our parameters.
    """

    accounts: Accounts
    audit_log: AuditLog
    clock: Clock
    stop_work: StopWork
    hasher: PasswordHash | None = None


async def open_access(rules: AccessRules, around: Surroundings) -> AccessServices:
    """Read who there is, and be ready to be asked."""
    store, clock = around.accounts, around.clock
    directory = Directory(store, rules)
    await directory.refresh()
    tokens = Tokens(
        rules.secret, clock, lifetime=rules.lifetime, accepts_legacy=rules.accepts_legacy
    )
    audit = Audit(around.audit_log, clock)
    access = Access(directory, tokens, store, clock)
    passwords, throttle = Passwords(around.hasher), Throttle(clock)
    sign_in = SignIn(passwords, throttle, Codes(clock))
    return AccessServices(
        gate=access,
        sessions=Sessions(access, directory, tokens, sign_in, (store, audit, clock)),
        users=Users(
            access, directory, store, (passwords, throttle), audit, (around.stop_work, clock)
        ),
        keys=Keys(access, directory, store, audit, clock),
        audit=audit,
    )
