"""Which tokens are believed: those that we signed, and nothing that anybody has touched."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from open_agent.core.ids import UserId
from open_agent.services.access.tokens import AUDIENCE, ISSUER, MOST_KNOWN, Tokens

JWT = cast("Any", jwt)
NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
SECRET = "a secret of this installation, 32+"
ANNA = UserId("id-of-anna")


class At:
    """A clock that stands."""

    def __init__(self, now: datetime = NOW) -> None:
        self.at = now

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0


def tokens(now: datetime = NOW, *, secret: str = SECRET, accepts_legacy: bool = False) -> Tokens:
    return Tokens(secret, At(now), lifetime=timedelta(days=30), accepts_legacy=accepts_legacy)


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = token.split(".")
    return _decoded(header), _decoded(claims)


def _decoded(part: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def forged(claims: dict[str, Any], key: bytes, **header: Any) -> str:
    algorithm = header.pop("alg", "HS256")
    return JWT.encode(claims, key, algorithm, headers=header)


def our_key() -> bytes:
    import hmac

    return hmac.digest(SECRET.encode(), b"open-agent session tokens", "sha256")


def test_what_was_issued_is_read_until_its_time_is_over() -> None:
    issued = tokens().issue(ANNA, "anna", "7")
    header, claims = parts(issued.token)
    assert header == {"alg": "HS256", "typ": "JWT"}
    assert claims == {
        "sub": "id-of-anna",
        "usr": "anna",
        "iat": int(NOW.timestamp()),
        "exp": issued.exp,
        "jti": issued.id,
        "iss": ISSUER,
        "aud": AUDIENCE,
        "epoch": "7",
    }
    last = issued.expires_at - timedelta(seconds=1)
    for now in (NOW, last):
        read = tokens(now).read(issued.token)
        assert read is not None
        assert (read.user_id, read.epoch, read.id) == (ANNA, "7", issued.id)
        assert read.expires_at == issued.expires_at
    assert tokens(issued.expires_at).read(issued.token) is None
    assert tokens(secret=SECRET + "!").read(issued.token) is None


def claims_now(**changes: Any) -> dict[str, Any]:
    _, claims = parts(tokens().issue(ANNA, "anna", "7").token)
    merged = claims | changes
    return {name: value for name, value in merged.items() if value is not None}


@pytest.mark.parametrize("accepts_legacy", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        *({name: None} for name in ("sub", "usr", "iat", "exp", "jti", "iss", "aud", "epoch")),
        {"iss": "somebody"},
        {"aud": "somebody"},
        {"aud": []},
        {"nbf": int(NOW.timestamp()) + 10},
        {"iat": int(NOW.timestamp()) + 3600},
        {"exp": int(NOW.timestamp())},
        {"exp": "4000000000"},
        {"exp": True},
        {"exp": 1e300},
        {"exp": 2**70},
        {"exp": -1},
        {"iat": "now"},
        {"sub": 5},
        {"sub": ["id-of-anna"]},
        {"jti": 5},
        {"epoch": 7},
    ],
)
def test_a_claim_that_is_missing_or_wrong_is_not_believed(
    changes: dict[str, Any], accepts_legacy: bool
) -> None:
    token = forged_or_skip(claims_now(**changes), our_key())
    assert tokens(accepts_legacy=accepts_legacy).read(token) is None


def forged_or_skip(claims: dict[str, Any], key: bytes) -> str:
    """Signed right, whatever it says: PyJWT itself refuses to write some of it."""
    import hashlib
    import hmac

    def encoded(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    signed = f"{encoded({'alg': 'HS256', 'typ': 'JWT'})}.{encoded(claims)}"
    digest = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS384"},
        {"alg": "HS512"},
        {"crit": ["exp"]},
        {"kid": "../../dev/null"},
        {"kid": "' OR 1=1 --"},
        {"jku": "http://evil.test/keys"},
        {"x5u": "http://evil.test/cert"},
        {"b64": False},
    ],
)
def test_a_header_that_says_more_is_not_believed(header: dict[str, Any]) -> None:
    key = b"" if header.get("alg") == "none" else our_key() * 2
    if "alg" not in header:
        key = our_key()
    try:
        token = forged(
            claims_now(), key if header.get("alg") != "none" else cast("Any", None), **header
        )
    except jwt.PyJWTError:
        pytest.fail("PyJWT should have written this")
    for accepts in (False, True):
        assert tokens(accepts_legacy=accepts).read(token) is None


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_no_changed_token_is_believed(data: st.DataObject) -> None:
    token = tokens().issue(ANNA, "anna", "7").token
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABCXYZabcxyz0189-_.=+ /\n"))
    changed = token[:place] + letter + token[place + 1 :]
    read = tokens(accepts_legacy=True).read(changed)
    if read is not None:
        # The last letter of a signature has bits that mean nothing.
        assert place == len(token) - 1 or letter == token[place]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300) | st.from_regex(r"[\w-]{0,80}\.[\w-]{0,80}\.[\w-]{0,60}"))
def test_no_text_that_is_none_of_ours_is_believed_or_breaks_anything(text: str) -> None:
    assert tokens(accepts_legacy=True).read(text) is None


def test_a_token_of_the_original_is_read_only_if_that_is_said() -> None:
    claims = {"sub": "id-of-anna", "iat": 1_700_000_000, "exp": 4_000_000_000}
    for more in ({"usr": "anna"}, {}):
        token = JWT.encode({**claims, **more}, SECRET, "HS256")
        assert tokens().read(token) is None
        read = tokens(accepts_legacy=True).read(token)
        assert read is not None
        assert (read.user_id, read.epoch) == (ANNA, None)
        other = JWT.encode({**claims, **more}, SECRET + "!", "HS256")
        assert tokens(accepts_legacy=True).read(other) is None
    for missing in claims:
        rest = {name: value for name, value in claims.items() if name != missing}
        assert tokens(accepts_legacy=True).read(JWT.encode(rest, SECRET, "HS256")) is None


def test_a_short_secret_signs_without_a_warning() -> None:
    short = tokens(secret="short", accepts_legacy=True)
    assert short.read(short.issue(ANNA, "anna", "7").token) is not None
    claims = {"sub": "id-of-anna", "iat": 1_700_000_000, "exp": 4_000_000_000}
    # As the original signs: with the secret as it is.
    token = forged_or_skip(claims, b"short")
    assert short.read(token) is not None


def test_a_token_that_was_read_before_ends_all_the_same() -> None:
    clock = At()
    ours = Tokens(SECRET, clock, lifetime=timedelta(days=30))
    issued = ours.issue(ANNA, "anna", "7")
    assert ours.read(issued.token) == ours.read(issued.token) is not None
    assert ours.read(issued.token[:-2] + "xx") is None
    clock.at = issued.expires_at
    assert ours.read(issued.token) is None
    assert ours.read(issued.token) is None


def test_so_many_tokens_are_remembered_and_no_more() -> None:
    ours = tokens()
    issued = [ours.issue(ANNA, "anna", "7").token for _ in range(MOST_KNOWN + 10)]
    for _ in range(2):
        assert all(ours.read(token) for token in issued)
