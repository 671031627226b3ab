"""The kinds of values that a setting can have, each with what makes one right."""

import ipaddress
import json
import os
import pwd
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
)
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode


def setting(default: Any, description: str, right: str) -> Any:
    """A setting: what it does, and what to write when a value was wrong."""
    return Field(default=default, description=description, json_schema_extra={"right": right})


def right(info: FieldInfo) -> str:
    """What to write when a value was wrong."""
    return cast("dict[str, str]", info.json_schema_extra)["right"]


_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?|[0-9a-fA-F:.]{2,45}")


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


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is this machine's alone."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(host: str) -> str:
    host = host.strip("[]")
    if not is_loopback(host) and not _HOST.fullmatch(host):
        ipaddress.ip_address(host)
    return host


def _program(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("there is no such file")
    if not os.access(path, os.X_OK):
        raise ValueError("this account may not run it")
    return path


def _names(hosts: tuple[str, ...]) -> tuple[str, ...]:
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise ValueError(f"{host} is no host name (write it without a port)")
    return tuple(host.lower() for host in hosts)


def _origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for origin in origins:
        cut = origin.rstrip("/").lower()
        parts = urlsplit(cut)
        if parts.scheme not in {"http", "https"} or cut != f"{parts.scheme}://{parts.netloc}":
            raise ValueError(f"{origin} is no origin")
        if not _HOST.fullmatch(parts.hostname or "") or "@" in parts.netloc:
            raise ValueError(f"{origin} does not name one host")
        found.append(cut)
    return tuple(found)


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
Program = Annotated[Path, BeforeValidator(absolute), AfterValidator(_program)]
Host = Annotated[str, AfterValidator(_host)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
DatabaseAddress = Annotated[SecretStr, AfterValidator(_database)]
Port = Annotated[int, Field(ge=0, le=65535)]
Cents = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Hours = Annotated[int, Field(ge=0)]
Seconds = Annotated[int, Field(ge=0)]
Megabytes = Annotated[int, Field(ge=0)]
Protocols = Annotated[
    tuple[Literal["https", "http", "ssh", "file"], ...], BeforeValidator(_words), NoDecode
]
SessionDays = Annotated[int, Field(ge=1, le=3650)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words), NoDecode]
HostNames = Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(_names), NoDecode]
Origins = Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(_origins), NoDecode]
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


class SettingUser(BaseModel):
    """A user whom the settings name. Further fields are passed over, as the original did."""

    model_config = ConfigDict(frozen=True)

    id: str = ""
    username: str
    password: SecretStr
    role: Literal["admin", "member"] = "member"


def _users(users: tuple[SettingUser, ...]) -> tuple[SettingUser, ...]:
    found: list[SettingUser] = []
    for user in users:
        username, password = user.username.strip(), user.password.get_secret_value().strip()
        if not username or not password:
            raise ValueError("a user has no name or no password")
        found.append(
            SettingUser(
                id=user.id.strip() or username,
                username=username,
                password=SecretStr(password),
                role=user.role,
            )
        )
    for what in ({user.id for user in found}, {user.username for user in found}):
        if len(what) < len(found):
            raise ValueError("two users have the same name or id")
    return tuple(found)


SettingUsers = Annotated[
    tuple[SettingUser, ...], BeforeValidator(_decoded), AfterValidator(_users), NoDecode
]


class ApprovalRule(BaseModel):
    """What is done with calls of tools that fit; what it does not name, any call fits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Literal["allow", "ask", "deny"]
    tool: str | None = Field(default=None, min_length=1)
    effect: Literal["read", "write", "execute", "network", "ask", "delegate"] | None = None
    command: str | None = Field(default=None, min_length=1)

    def __str__(self) -> str:
        return self.model_dump_json(exclude_none=True)


ApprovalRules = Annotated[tuple[ApprovalRule, ...], BeforeValidator(_decoded), NoDecode]
