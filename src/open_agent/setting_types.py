"""The kinds of values that a setting can have, each with what makes one right."""

import ipaddress
import json
import os
import pwd
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
)
from pydantic_settings import NoDecode


def absolute(value: object) -> Path:
    """A path with `~` resolved: the account's home folder even where `HOME` is empty or `/`."""
    path = Path(str(value))
    if path.parts[:1] == ("~",) and Path("~").expanduser() == Path("/"):
        path = Path(pwd.getpwuid(os.getuid()).pw_dir, *path.parts[1:])
    return path.expanduser().absolute()


def _folder(path: Path) -> Path:
    nearest = path
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise ValueError(f"{nearest} is not a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ValueError(f"this account may not write to {nearest}")
    return path


def _loopback(host: str) -> str:
    if host.lower() == "localhost":
        return host
    if not ipaddress.ip_address(host.strip("[]")).is_loopback:
        raise ValueError("there are no users yet, so nobody else may be let in")
    return host.strip("[]")


def _web_address(url: str) -> str:
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise ValueError("that is no web address")
    return url.rstrip("/")


def _database(url: SecretStr) -> SecretStr:
    if urlsplit(url.get_secret_value()).scheme not in {"postgresql", "postgres"}:
        raise ValueError("that is no PostgreSQL address")
    return url


def _decoded(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


def _words(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, str) else value


Folder = Annotated[Path, BeforeValidator(absolute), AfterValidator(_folder)]
LoopbackHost = Annotated[str, AfterValidator(_loopback)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
DatabaseAddress = Annotated[SecretStr, AfterValidator(_database)]
Port = Annotated[int, Field(ge=0, le=65535)]
Cents = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words), NoDecode]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"], BeforeValidator(lambda v: str(v).lower())
]


class ModelPrice(BaseModel):
    """What a model costs, in dollars per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)
    cached_input: Decimal | None = Field(default=None, ge=0)
    cache_write: Decimal | None = Field(default=None, ge=0)


ModelPrices = Annotated[dict[str, ModelPrice], BeforeValidator(_decoded), NoDecode]
