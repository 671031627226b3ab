"""What all events share: frozen, strict about fields, told apart by `type`."""

from pydantic import BaseModel, ConfigDict, Field


class EventBase(BaseModel):
    """An immutable fact about a mission. Unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BlobRef(BaseModel):
    """Content too large for an event, kept in `DATA_DIR` under its digest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the content, in hexadecimal."""
    size: int
    """Bytes."""
    media_type: str = "text/plain; charset=utf-8"
