"""The settings that say who may call the server, and what of them goes together."""

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from open_agent.settings.types import (
    Host,
    HostNames,
    Origins,
    SessionDays,
    SettingUsers,
    is_loopback,
    right,
    setting,
)

SHORTEST_SECRET = 32
"""Bytes of a secret that nobody guesses, which HMAC with SHA-256 wants."""


class AccessSettings(BaseSettings):
    """Who may call, and from where."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True
    )

    host: Host = setting(
        "127.0.0.1",
        "The address to listen on. Others than this machine's own need users or a password.",
        "127.0.0.1, ::1, localhost, or an address of this machine; 0.0.0.0 is all of them",
    )
    allowed_hosts: HostNames = setting(
        (),
        "Further names that the server goes by, such as the one its proxy has.",
        "host names separated by commas, without ports: agent.example.com",
    )
    allowed_origins: Origins = setting(
        (),
        "Origins whose web pages may use the server with a token, such as a dashboard's.",
        "origins separated by commas: http://localhost:3001, https://dash.example.com",
    )
    dev_mode: bool = setting(
        False,
        "Whether every program on this machine, whoever runs it, may do everything without a "
        "token.",
        "1, true, t, yes, y or on; or 0, false, f, no, n or off",
    )
    dashboard_password: SecretStr | None = setting(
        None,
        "The password of the one user, or its hash by `open-agent hash-password`. Needs "
        "`JWT_SECRET`; not looked at once there are users.",
        "a password of your own",
    )
    open_agent_users: SettingUsers = setting(
        (),
        "Users beside those of the database, as JSON; `password` may be a hash by `open-agent "
        "hash-password`. Needs `JWT_SECRET`.",
        '[{"id": "u1", "username": "anna", "password": "$argon2id$…", "role": "admin"}]',
    )
    jwt_secret: SecretStr | None = setting(
        None,
        "Signs sessions; at least 32 bytes. Without one, the server makes its own where it may.",
        "32 random bytes or more, as `openssl rand -hex 32` prints them",
    )
    jwt_ttl_days: SessionDays = setting(
        30, "Days after which one has to log in again.", "a whole number above 0"
    )
    accept_legacy_tokens: bool = setting(
        False,
        "Whether tokens that the original Open Agent signed with the same secret are good here.",
        "true or false",
    )

    def access_problems(self) -> list[str]:
        """What does not go together, as the original has it and where it was too trusting."""
        problems: list[str] = []
        secret = self.jwt_secret.get_secret_value() if self.jwt_secret else ""
        needing = "OPEN_AGENT_USERS" if self.open_agent_users else "DASHBOARD_PASSWORD"
        is_needed = bool(self.open_agent_users or self.dashboard_password)
        if is_needed and not secret and not self.dev_mode:
            problems.append(
                f"JWT_SECRET is missing, which {needing} needs. Right would be: "
                f"{right(type(self).model_fields['jwt_secret'])}."
            )
        if self.is_exposed and self.dev_mode:
            problems.append(
                f"DEV_MODE lets in every program of this machine, so HOST={self.host} cannot be. "
                "Right would be: DEV_MODE=false and users, or HOST=127.0.0.1."
            )
        if self.is_exposed and secret and len(secret.encode()) < SHORTEST_SECRET:
            problems.append(
                f"JWT_SECRET has {len(secret.encode())} bytes, too few where others can call. "
                f"Right would be: {right(type(self).model_fields['jwt_secret'])}."
            )
        return problems

    @property
    def is_exposed(self) -> bool:
        """Whether others than this machine can call."""
        return not is_loopback(self.host)

    @property
    def warnings(self) -> list[str]:
        """What is allowed, and better changed."""
        found: list[str] = []
        secret = self.jwt_secret.get_secret_value() if self.jwt_secret else ""
        if secret and len(secret.encode()) < SHORTEST_SECRET:
            found.append(
                f"JWT_SECRET has {len(secret.encode())} bytes; who guesses it can sign in as "
                f"anybody. Use {right(type(self).model_fields['jwt_secret'])}."
            )
        plain = [
            user.username
            for user in self.open_agent_users
            if not user.password.get_secret_value().startswith("$argon2")
        ]
        if plain:
            found.append(
                f"OPEN_AGENT_USERS has passwords as they are typed ({', '.join(plain)}). "
                "`open-agent hash-password` makes hashes to write in their place."
            )
        return found
