"""The audit log: who did what that others may have to answer for.

Services record, administrators read. Nothing that was typed as a password, and no token or key,
belongs in here.
"""

from collections.abc import Mapping
from typing import Any

from open_agent.core.account import AuditEntry
from open_agent.core.actor import Actor
from open_agent.core.clock import Clock
from open_agent.core.ids import UserId, new_uuid
from open_agent.services.access.gate import require_admin
from open_agent.store.audit import AuditLog, AuditPage


class Audit:
    """Records and shows."""

    def __init__(self, log: AuditLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    async def record(
        self,
        actor: Actor,
        action: str,
        target: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write down that an actor did something; durable when this returns.

        Args:
            actor: Who did it.
            action: What, as `noun.participle`: `key.revoked`.
            target: To what or whom, as an id.
            details: What else matters, without secrets.
        """
        kind = {"credential": actor.credential.kind.value} if actor.credential else {}
        await self._write(
            actor.user_id,
            actor.username,
            action,
            (target, {**kind, **(details or {})}, actor.address),
        )

    async def record_stranger(
        self, address: str, action: str, target: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        """Write down what somebody did who has not signed in."""
        await self._write(None, "", action, (target, details or {}, address))

    async def page(self, actor: Actor, *, after: str | None, limit: int) -> AuditPage:
        """Entries, newest first; `after` is the `next` of the page before.

        Raises:
            Refused: The actor is no administrator.
            Invalid: `after` is not a cursor of ours (`cursor.invalid`).
        """
        require_admin(actor)
        return await self._log.page_for_system(after=after, limit=limit)

    async def _write(
        self,
        user_id: UserId | None,
        name: str,
        action: str,
        rest: tuple[str, Mapping[str, Any], str],
    ) -> None:
        target, details, address = rest
        await self._log.append_for_system(
            AuditEntry(
                new_uuid(), self._clock.now(), user_id, name, action, target, details, address
            )
        )
