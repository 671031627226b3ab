"""Identifiers, and the only source of randomness for them.

Every id on the wire is a UUID without a prefix. The types exist so that a run's id cannot be
passed where a mission's is meant.
"""

import secrets
import string
import uuid
from typing import NewType

MissionId = NewType("MissionId", str)
RunId = NewType("RunId", str)
MessageId = NewType("MessageId", str)
CallId = NewType("CallId", str)
UserId = NewType("UserId", str)
WorkspaceId = NewType("WorkspaceId", str)

_LETTERS = string.digits + string.ascii_letters

DEFAULT_OWNER = UserId("default")
"""Who owns everything while there is one user."""


def new_uuid() -> str:
    """A random UUID (version 4, RFC 9562) in its canonical form."""
    return str(uuid.uuid4())


def child_id(mission_id: MissionId, call_id: CallId) -> MissionId:
    """The mission that a call delegates to: always the same, so that it is opened once."""
    return MissionId(str(uuid.uuid5(uuid.UUID(mission_id), call_id)))


def new_token() -> str:
    """A secret of 256 random bits, in letters that need no escaping."""
    return secrets.token_urlsafe(32)


def new_code() -> str:
    """A secret of 128 random bits, for what is good once and for minutes."""
    return secrets.token_urlsafe(16)


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID in canonical lower-case form, the only form we hand out."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def new_letters(count: int) -> str:
    """So many random letters and digits, of 62 kinds."""
    return "".join(secrets.choice(_LETTERS) for _ in range(count))
