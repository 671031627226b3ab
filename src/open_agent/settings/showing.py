"""Settings as people are shown them: without what is secret."""

import re
from dataclasses import dataclass
from typing import Any, cast

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from open_agent.settings.types import ApprovalRule, ModelPrice, SettingUser


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as `open-agent config` shows it."""

    name: str
    value: str
    origin: str
    """`default`, `environment`, `command line`, or the file and line."""
    description: str


def shown(info: FieldInfo, value: Any) -> str:
    """What was written, unless it is a secret."""
    if value is None or re.search("SecretStr|SettingUser", str(info.annotation)):
        return ""
    text = str(value)
    return f"={text[:60]}…" if len(text) > 60 else f"={text}"


def masked(value: Any) -> str:
    """The value in force, with nothing left of a secret but its last characters."""
    match value:
        case SecretStr():
            secret = value.get_secret_value()
            if secret.startswith(("postgresql://", "postgres://")):
                hidden = re.sub(r"(//[^/@]*?:)[^/]*(?=@)", r"\1****", secret, count=1)
                return re.sub(r"(password=)[^&]*", r"\1****", hidden)
            return f"****{secret[-4:]}" if len(secret) >= 16 else "****"
        case tuple():
            parts = cast("tuple[str | SettingUser | ApprovalRule, ...]", value)
            text = ",".join(
                f"{part.username}:****" if isinstance(part, SettingUser) else str(part)
                for part in parts
            )
            # Rules are written as JSON, and shown so that they can be copied.
            return f"[{text}]" if parts and isinstance(parts[0], ApprovalRule) else text
        case dict():
            prices = cast("dict[str, ModelPrice]", value)
            return ", ".join(f"{model}: {price}" for model, price in prices.items())
        case bool():
            return str(value).lower()
        case _:
            return "" if value is None else str(value)
