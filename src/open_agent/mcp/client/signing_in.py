"""Signing in to a server with OAuth: what the SDK knows of it, with a person at our API.

The SDK finds the authorisation server, registers us, and makes the link that a person opens. They
come back to our callback, which hands the code to whoever waits here. Where nobody waits, as in a
run, signing in fails at once, with what to do.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.oauth2 import TokenStorage
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthMetadata,
    OAuthToken,
)
from pydantic import AnyUrl, ValidationError

from open_agent.core.mcp import CLIENT_SECRET, HttpTransport
from open_agent.mcp.client.failures import SignInNeeded
from open_agent.mcp.client.ports import SignIns

CLIENT_NAME = "Open Agent"
TOKENS, CLIENT, METADATA, EXPIRY = "tokens", "client", "metadata", "expires_at"


class Keep(Protocol):
    """Where what signing in has given is kept, for one server and one user."""

    def get(self, name: str) -> str | None:
        """What is kept under a name."""
        ...

    def now(self) -> float:
        """The wall clock, in seconds, as the SDK has it."""
        ...

    async def put(self, name: str, value: str) -> None:
        """Keep it from now on."""
        ...


class Storage(TokenStorage):
    """What the SDK wants to be remembered."""

    def __init__(self, keep: Keep, transport: HttpTransport, callback: str) -> None:
        self._keep = keep
        self._transport = transport
        self._callback = callback

    async def get_tokens(self) -> OAuthToken | None:
        """The tokens of the last sign-in."""
        return _read(OAuthToken, self._keep.get(TOKENS))

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep new tokens, and when they end."""
        await self._keep.put(TOKENS, tokens.model_dump_json())
        ends = "" if tokens.expires_in is None else str(self._keep.now() + tokens.expires_in)
        await self._keep.put(EXPIRY, ends)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """What the authorisation server knows us as, if it would send people back to this address."""
        if self._transport.client_id:
            return OAuthClientInformationFull(
                client_id=self._transport.client_id,
                client_secret=self._keep.get(CLIENT_SECRET),
                redirect_uris=[AnyUrl(self._callback)],
            )
        known = _read(OAuthClientInformationFull, self._keep.get(CLIENT))
        if known is None or self._callback == "":
            return known
        uris = [str(uri) for uri in known.redirect_uris or ()]
        return known if self._callback in uris else None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep what we were registered as."""
        await self._keep.put(CLIENT, client_info.model_dump_json())

    def expiry(self) -> float | None:
        """When the tokens end, in seconds of the wall clock."""
        text = self._keep.get(EXPIRY)
        return float(text) if text else None

    def metadata(self) -> OAuthMetadata | None:
        """Where the authorisation server's endpoints are."""
        return _read(OAuthMetadata, self._keep.get(METADATA))

    async def set_metadata(self, metadata: OAuthMetadata) -> None:
        """Keep where they are: tokens are renewed there after a restart."""
        await self._keep.put(METADATA, metadata.model_dump_json())


class Provider(OAuthClientProvider):
    """The SDK's, which also renews tokens that an earlier process was given."""

    def __init__(self, storage: Storage, **options: Any) -> None:
        super().__init__(storage=storage, **options)
        self._kept = storage

    async def _initialize(self) -> None:
        await super()._initialize()
        self.context.token_expiry_time = self._kept.expiry()
        if self.context.oauth_metadata is None:
            self.context.oauth_metadata = self._kept.metadata()

    async def _perform_authorization_code_grant(self) -> tuple[str, str]:
        found = await super()._perform_authorization_code_grant()
        if self.context.oauth_metadata is not None:
            await self._kept.set_metadata(self.context.oauth_metadata)
        return found


@dataclass(frozen=True, slots=True)
class Attended:
    """A person who waits to be shown a link.

    Attributes:
        callback: Where they come back to.
        show: Shows them the link.
        sign_ins: Who waits for whom to come back.
    """

    callback: str
    show: Callable[[str], Awaitable[None]]
    sign_ins: SignIns


def provider(transport: HttpTransport, keep: Keep, attended: Attended | None) -> Provider:
    """What signs requests to a server, and signs in where that is asked for."""
    state: list[str] = []

    async def redirect(url: str) -> None:
        if attended is None:
            raise SignInNeeded(
                "Somebody has to sign in to it first: refresh the server and open the link that it "
                "then shows."
            )
        state[:] = parse_qs(urlsplit(url).query).get("state", [""])
        await attended.show(url)

    async def come_back() -> AuthorizationCodeResult:
        assert attended is not None
        answer = await attended.sign_ins.wait_for(state[0])
        return AuthorizationCodeResult(code=answer.code, state=state[0], iss=answer.issuer)

    callback = attended.callback if attended else ""
    storage = Storage(keep, transport, callback)
    return Provider(
        storage,
        server_url=transport.endpoint,
        client_metadata=OAuthClientMetadata(
            client_name=CLIENT_NAME,
            redirect_uris=[AnyUrl(callback or "http://127.0.0.1/")],
            token_endpoint_auth_method=None,
            scope=transport.oauth_scope or None,
        ),
        redirect_handler=redirect,
        callback_handler=come_back,
    )


def _read(kind: Any, text: str | None) -> Any:
    if not text:
        return None
    try:
        return kind.model_validate_json(text)
    except ValidationError:
        return None
