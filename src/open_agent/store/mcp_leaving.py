"""What a user has with MCP servers, deleted in the step that deletes their account.

Their own servers go, with the secrets of those, what signing in to any server has given them, and
what they have switched off. Servers for everybody stay, whoever has configured them.
"""

from sqlalchemy import Text, and_, bindparam, delete, exists, or_, update

from open_agent.core.ids import UserId
from open_agent.core.mcp import CLIENT_SECRET, SecretKind
from open_agent.store.statement import Compile, Query
from open_agent.store.tables import accounts, mcp_changes, mcp_secrets, mcp_servers, tool_switches


class LeavingStatements:
    """The SQL of it; it does nothing while the account is there."""

    def __init__(self, compile_: Compile) -> None:
        key = bindparam("key", type_=Text)
        is_gone = ~exists().where(accounts.c.id == key)
        is_kept = exists().where(mcp_servers.c.id == mcp_secrets.c.server_id)
        signed_in = and_(
            mcp_secrets.c.owner_id == key,
            mcp_secrets.c.kind == SecretKind.OAUTH.value,
            mcp_secrets.c.name != CLIENT_SECRET,
        )
        self._steps = (
            compile_(
                delete(mcp_servers).where(
                    mcp_servers.c.owner_id == key, mcp_servers.c.scope == key, is_gone
                )
            ),
            compile_(delete(mcp_secrets).where(is_gone, or_(~is_kept, signed_in))),
            compile_(delete(tool_switches).where(tool_switches.c.scope == key, is_gone)),
            compile_(update(mcp_changes).values(number=mcp_changes.c.number + 1).where(is_gone)),
        )

    def steps(self, user_id: UserId) -> list[Query]:
        """What is done after the account was deleted."""
        return [step.query(key=user_id) for step in self._steps]
