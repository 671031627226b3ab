"""Who is calling now, and what they may do."""

from dataclasses import dataclass

from open_agent.core.ids import UserId


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated caller. Everything they can reach belongs to `user_id`."""

    user_id: UserId
    is_admin: bool = False
