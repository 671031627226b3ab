"""What an operator can set, where each value came from, and one message when something is wrong.

The only reader of the process environment. `app` and `cli` read this; everyone else is given
values. A `.env` file is read from `DATA_DIR`, or from where `--env-file` says, and never from the
current folder: a cloned repository must not be able to redirect the API key.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import PrivateAttr, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
)

from open_agent.core.errors import Invalid
from open_agent.settings.access import AccessSettings
from open_agent.settings.env_file import DEFAULT_DATA_DIR, Given, offer, read_env_file
from open_agent.settings.mcp import McpSettings
from open_agent.settings.mcp_servers import McpServerSettings
from open_agent.settings.models import DEMO_MODEL, ModelSettings
from open_agent.settings.opencode import OpenCodeSettings
from open_agent.settings.runs import RunSettings
from open_agent.settings.showing import SettingRow, masked, shown
from open_agent.settings.types import DatabaseAddress, Folder, LogLevel, Port, Words, right, setting
from open_agent.settings.workspaces import WorkspaceSettings

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


class Settings(
    McpServerSettings,
    McpSettings,
    OpenCodeSettings,
    AccessSettings,
    RunSettings,
    WorkspaceSettings,
    ModelSettings,
):
    """Everything an operator can set, checked. The names in the environment are upper case."""

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
        given: Given = {}
        for name, value in (overrides or {}).items():
            offer(given, name, value, "command line")
        for name, value in EnvSettingsSource(cls)().items():
            offer(given, name, value, "environment")
        problems = read_env_file(given, env_file, set(cls.model_fields))
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
    def _problem(cls, given: Given, detail: dict[str, Any]) -> str:
        name, *inner = [str(part) for part in detail["loc"]]
        if name not in cls.model_fields:
            return f"{name}: there is no such setting."
        reason = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else ""
        if inner:
            reason = f"{'.'.join(inner)}: {detail['msg']}"
        value, origin = given.get(name, (None, "default"))
        info = cls.model_fields[name]
        return (
            f"{name.upper()}{shown(info, value)} ({origin}) is wrong"
            f"{reason and f': {reason}'}. Right would be: {right(info)}."
        )

    def explain(self) -> list[SettingRow]:
        """Every setting with the value in force and its origin; secrets are masked."""
        return [
            SettingRow(
                name=name.upper(),
                value=masked(getattr(self, name)),
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
