"""From settings to who may come in, and from where."""

from datetime import timedelta

from open_agent.core.account import Role
from open_agent.core.errors import Refused
from open_agent.core.ids import UserId
from open_agent.server.http import HttpOptions
from open_agent.services.access.files import ensure_secret, ensure_token
from open_agent.services.access.rules import AccessRules, Mode, NamedUser
from open_agent.settings.settings import Settings


def access_rules(settings: Settings) -> AccessRules:
    """The settings as the services want them; makes the token, and a secret unless set. Blocks.

    Raises:
        Invalid: A file of them holds something else (`token.invalid`).
    """
    password, secret = settings.dashboard_password, settings.jwt_secret
    return AccessRules(
        owner_token=ensure_token(settings.data_dir),
        secret=secret.get_secret_value() if secret else ensure_secret(settings.data_dir),
        is_dev_mode=settings.dev_mode,
        users=tuple(
            NamedUser(
                UserId(user.id), user.username, user.password.get_secret_value(), Role(user.role)
            )
            for user in settings.open_agent_users
        ),
        password=password.get_secret_value() if password else None,
        has_own_secret=secret is not None,
        lifetime=timedelta(days=settings.jwt_ttl_days),
        accepts_legacy=settings.accept_legacy_tokens,
    )


def refuse_to_be_open(settings: Settings, mode: Mode) -> None:
    """Go on only if somebody is there to keep others out for, where others can call.

    Raises:
        Refused: Nobody is (`server.unguarded`).
    """
    if settings.is_exposed and mode in (Mode.LOCAL, Mode.DISABLED):
        raise Refused(
            "server.unguarded",
            f"HOST={settings.host} lets others call, and there are neither users nor a password. "
            "Add a user (`open-agent user add NAME --admin`), or set DASHBOARD_PASSWORD and "
            "JWT_SECRET, or listen on 127.0.0.1.",
        )


def http_options(settings: Settings) -> HttpOptions:
    """How the server is reached."""
    is_all = settings.host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not listened on
    own = {settings.host} if settings.is_exposed and not is_all else set[str]()
    return HttpOptions(
        hosts=frozenset({*settings.allowed_hosts, *own}),
        origins=frozenset(settings.allowed_origins),
        is_open=settings.is_exposed,
    )
