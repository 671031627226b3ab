"""What an operator can set, where each value came from, and one message when something is wrong.

The only reader of the process environment. `app` and `cli` read this; everyone else is given
values. A `.env` file is read from `DATA_DIR`, or from where `--env-file` says, and never from the
current folder: a cloned repository must not be able to redirect the API key.
"""

import io
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

from dotenv.parser import parse_stream
from pydantic import PrivateAttr, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
)

from open_agent.core.errors import Invalid
from open_agent.setting_access import AccessSettings
from open_agent.setting_mcp import McpSettings
from open_agent.setting_mcp_servers import McpServerSettings
from open_agent.setting_opencode import OpenCodeSettings
from open_agent.setting_runs import RunSettings
from open_agent.setting_types import (
    ApprovalRule,
    Count,
    DatabaseAddress,
    Folder,
    LogLevel,
    ModelPrice,
    ModelPrices,
    Port,
    SettingUser,
    WebAddress,
    Words,
    absolute,
    right,
    setting,
)
from open_agent.setting_workspaces import WorkspaceSettings

DEFAULT_DATA_DIR = "~/.open-agent"
MAX_FILE_BYTES = 1024 * 1024
_WHOLE = "a whole number above 0"
DEMO_MODEL = "demo"
MODEL_WITH_A_KEY = "anthropic/claude-sonnet-4.5"

PASSED_TO_CHILDREN = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR",
    "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "PIP_CERT",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
    "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "JAVA_HOME", "GOPATH", "GOROOT", "CARGO_HOME", "RUSTUP_HOME", "NVM_DIR", "PYENV_ROOT",
    "VOLTA_HOME", "ANDROID_HOME", "DOTNET_ROOT",
})  # fmt: skip
"""What commands inherit: a list of what may pass, so that a new secret of ours never does."""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as `open-agent config` shows it."""

    name: str
    value: str
    origin: str
    """`default`, `environment`, `command line`, or the file and line."""
    description: str


_Given = dict[str, tuple[Any, str]]
"""Values as they were given, by field, each with where it came from."""


def _offer(given: _Given, name: str, value: Any, origin: str) -> None:
    """Take a value unless a stronger source gave one; blank counts as not given."""
    value = value.strip() if isinstance(value, str) else value
    if value not in (None, ""):
        given.setdefault(name, (value, origin))


class Settings(
    McpServerSettings, McpSettings, OpenCodeSettings, AccessSettings, RunSettings, WorkspaceSettings
):
    """Everything an operator can set, checked. The names in the environment are upper case."""

    openrouter_api_key: SecretStr | None = setting(
        None,
        "Key for the model endpoint. Without one the scripted model `demo` answers.",
        "a key from https://openrouter.ai/keys",
    )
    openrouter_base_url: WebAddress = setting(
        "https://openrouter.ai/api/v1",
        "The model endpoint: OpenRouter or any other that is OpenAI-compatible.",
        "an http or https address such as http://127.0.0.1:11434/v1",
    )
    default_model: str = setting(
        DEMO_MODEL,
        f"The model of tasks that name none. Once a key is set: `{MODEL_WITH_A_KEY}`.",
        "a model name as the endpoint knows it",
    )
    fallback_model: str | None = setting(
        None,
        "The model to go on with when the first one cannot be reached.",
        "a model name as the endpoint knows it",
    )
    max_output_tokens: Count = setting(
        16_384, "The longest reply to ask of a model, in tokens.", _WHOLE
    )
    context_window: Count | None = setting(
        None,
        "How many tokens the model can read, where the price list does not know it.",
        _WHOLE,
    )
    model_prices: ModelPrices = setting(
        {},
        "Prices that replace the built-in list, as JSON, in dollars per million tokens.",
        '{"my/model": {"input": 3, "output": 15, "cached_input": 0.3}}',
    )
    tavily_api_key: SecretStr | None = setting(
        None, "Key for web search by Tavily; without one, DuckDuckGo is asked.", "a key from Tavily"
    )
    allow_private_hosts: bool = setting(
        False,
        "Whether web tools may open addresses of this machine and its own network.",
        "true or false",
    )
    working_dir: Folder = setting(
        "~/open-agent",
        "Where tasks without a folder of their own work, in `workspaces/`. Created when missing.",
        "a folder that this account may write to",
    )
    data_dir: Folder = setting(
        DEFAULT_DATA_DIR,
        "Where the database, long outputs and secrets are kept. Created when missing.",
        "a folder that this account may write to",
    )
    database_url: DatabaseAddress | None = setting(
        None,
        "A PostgreSQL database for several processes to share; without it, SQLite in `DATA_DIR`.",
        "postgresql://user:password@host/database",
    )
    port: Port = setting(
        3000, "The port to listen on; 0 takes a free one.", "a number from 0 to 65535"
    )
    pass_environment: Words = setting(
        (),
        "Names of further environment variables that commands may see, such as `GH_TOKEN`.",
        "names separated by commas",
    )
    log_level: LogLevel = setting(
        "info", "How much the server logs.", "debug, info, warning or error"
    )

    _origins: dict[str, str] = PrivateAttr(default_factory=dict[str, str])

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """`load` reads the sources itself, so that it knows where each value came from."""
        return (init_settings,)

    @model_validator(mode="before")
    @classmethod
    def _choose_the_model(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("openrouter_api_key") and not values.get("default_model"):
            return {**values, "default_model": MODEL_WITH_A_KEY}
        return values

    @classmethod
    def load(
        cls, overrides: Mapping[str, Any] | None = None, *, env_file: Path | None = None
    ) -> Self:
        """What is in force: the command line, else the environment, else the `.env` file.

        Args:
            overrides: By field name, from the command line; `None` means not given.
            env_file: Read in place of the `.env` of `DATA_DIR`, and must exist.

        Raises:
            Invalid: One or more are wrong (`settings.invalid`); the message names every one.
        """
        given: _Given = {}
        for name, value in (overrides or {}).items():
            _offer(given, name, value, "command line")
        for name, value in EnvSettingsSource(cls)().items():
            _offer(given, name, value, "environment")
        problems = _read_file(given, env_file, set(cls.model_fields))
        try:
            settings = cls(**{name: value for name, (value, _) in given.items()})
        except ValidationError as error:
            problems += [cls._problem(given, dict(detail)) for detail in error.errors()]
            settings = None
        if settings is not None:
            problems += settings.access_problems() + settings.opencode_problems()
        if settings is None or problems:
            count = "One setting is" if len(problems) == 1 else f"{len(problems)} settings are"
            raise Invalid("settings.invalid", "\n  ".join([f"{count} wrong:", *problems]))
        settings._origins.update({name: origin for name, (_, origin) in given.items()})
        return settings

    @classmethod
    def _problem(cls, given: _Given, detail: dict[str, Any]) -> str:
        name, *inner = [str(part) for part in detail["loc"]]
        if name not in cls.model_fields:
            return f"{name}: there is no such setting."
        reason = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else ""
        if inner:
            reason = f"{'.'.join(inner)}: {detail['msg']}"
        value, origin = given.get(name, (None, "default"))
        info = cls.model_fields[name]
        return (
            f"{name.upper()}{_shown(info, value)} ({origin}) is wrong"
            f"{reason and f': {reason}'}. Right would be: {right(info)}."
        )

    def explain(self) -> list[SettingRow]:
        """Every setting with the value in force and its origin; secrets are masked."""
        return [
            SettingRow(
                name=name.upper(),
                value=_masked(getattr(self, name)),
                origin=self._origins.get(name, "default"),
                description=info.description or "",
            )
            for name, info in type(self).model_fields.items()
        ]

    @property
    def is_demo(self) -> bool:
        """Whether tasks that name no model are answered by the script."""
        return self.default_model == DEMO_MODEL

    @property
    def lacks_a_model(self) -> bool:
        """Whether an endpoint was named, but none of its models: then the script answers."""
        given = self._origins
        return self.is_demo and "openrouter_base_url" in given and "default_model" not in given

    @property
    def chosen_model(self) -> str | None:
        """The default model where somebody chose one, and not we."""
        return self.default_model if "default_model" in self._origins else None

    @property
    def child_environment(self) -> dict[str, str]:
        """What commands inherit of the server's environment: none of its secrets."""
        ours = {name.upper() for name in type(self).model_fields}
        passed = PASSED_TO_CHILDREN.union(self.pass_environment) - ours
        return {
            name: value
            for name, value in os.environ.items()
            if name in passed or name.startswith("LC_")
        }


def _read_file(given: _Given, env_file: Path | None, known: set[str]) -> list[str]:
    """Offer what the `.env` file says; returns what is wrong with the file itself."""
    data_dir, _ = given.get("data_dir", (DEFAULT_DATA_DIR, ""))
    path = env_file or absolute(data_dir) / ".env"
    if env_file is None and not path.exists():
        return []
    try:
        bindings = list(parse_stream(io.StringIO(_text_of(path))))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return [f"{path} cannot be read ({why}). Name another with --env-file, or mend it."]
    problems: list[str] = []
    for binding in reversed(bindings):  # of two lines with one name, the last one counts
        text = binding.original.string
        line = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
        name = (binding.key or "").lower()
        if binding.error:
            problems.insert(0, f"{path}:{line} cannot be understood. Write NAME=value.")
        elif name == "data_dir" and env_file is None:
            problems.insert(0, f"{path}:{line} sets DATA_DIR, but is read because it is in it.")
        elif name in known:
            value = binding.value
            if name in {"working_dir", "data_dir"} and value and not value.startswith("~"):
                value = str((path.absolute().parent / value).resolve())
            _offer(given, name, value, f"{path}:{line}")
    return problems


def _text_of(path: Path) -> str:
    """What a file says. Nothing here can wait, or go on for ever, as a pipe or a device would.

    Raises:
        OSError: It cannot be opened.
        ValueError: It is no file of settings.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with open(fd, "rb") as file:  # noqa: PTH123 - opened already
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError("it is not a regular file")
        read = file.read(MAX_FILE_BYTES + 1)
    if len(read) > MAX_FILE_BYTES:
        raise ValueError("it is larger than 1 MB")
    try:
        return read.decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None


def _shown(info: FieldInfo, value: Any) -> str:
    """What was written, unless it is a secret."""
    if value is None or re.search("SecretStr|SettingUser", str(info.annotation)):
        return ""
    text = str(value)
    return f"={text[:60]}…" if len(text) > 60 else f"={text}"


def _masked(value: Any) -> str:
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
