"""What of a server's secrets is taken out of what it says, and what stays."""

import base64
import json
from urllib.parse import quote_plus

import pytest

from open_agent.core.mcp import McpSecret, SecretKind
from open_agent.mcp.client.masking import Masks

PEM = "-----BEGIN PRIVATE KEY-----\nMIIabcdef0123456789\nMIIghijkl0123456789\n-----END PRIVATE KEY-----"


def env(name: str, value: str) -> Masks:
    return Masks([McpSecret(SecretKind.ENV, name, value)])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GITHUB_TOKEN", "hunter2x", "hunter2x"),
        ("githubToken", "hunter2x", "hunter2x"),
        ("WHATEVER", "ghp_0123456789abcdef", "ghp_0123456789abcdef"),
        ("DATABASE_URL", "postgres://me:pass%2Fword@host/db", "pass/word"),
        ("DATABASE_URL", "postgres://me:pass%2Fword@host/db", "pass%2Fword"),
        ("SENTRY", "https://host/x?api_key=abcdef", "abcdef"),
        ("HEADERS", '{"Authorization": "Bearer ntn_0123456789abcdef"}', "ntn_0123456789abcdef"),
        ("HEADERS", '{"deep": [{"token": "abcdefgh"}]}', "abcdefgh"),
        ("PEM", PEM, "MIIghijkl0123456789"),
        ("PEM", PEM, json.dumps(PEM)[1:-1]),
        ("PASSWORD", "a b&c/d é", quote_plus("a b&c/d é")),
        ("PASSWORD", 'a "b" c', json.dumps('a "b" c')[1:-1]),
    ],
)
def test_secrets_are_masked_however_they_are_written(name: str, value: str, said: str) -> None:
    masks = env(name, value)
    assert masks.answer({"content": [{"text": f"<{said}>"}]}) == {"content": [{"text": "<****>"}]}
    assert masks.complaint(f"<{said}>") == "<****>"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROOT", "/srv/project-2024/data"),
        ("KEY_FILE", "/root/.ssh/id_ed25519"),
        ("KEYCLOAK_URL", "https://login.example.com/realms/one"),
        ("LEVEL", "debug"),
        ("PORT", "8080"),
        ("AUTHOR", "Jane Doe"),
        ("MONKEY", "bananas"),
        ("AUTH_METHOD", "password"),
        ("GREETING", "a sentence of 7 words for everybody"),
    ],
)
def test_what_answers_are_about_stays_in_them(name: str, value: str) -> None:
    assert env(name, value).answer([f"about {value}!"]) == [f"about {value}!"]
    assert env(name, value).complaint(f"about {value}!") == "about ****!"


def test_tokens_of_a_sign_in_are_masked_one_by_one_and_new_ones_too() -> None:
    def tokens(value: str) -> McpSecret:
        given = {"access_token": value, "refresh_token": f"re-{value}", "token_type": "Bearer"}
        return McpSecret(SecretKind.OAUTH, "tokens", json.dumps(given))

    masks = Masks([tokens("first-token")])
    assert masks.answer("first-token, re-first-token, Bearer") == "****, ****, Bearer"
    masks.learn(tokens("second-token"), McpSecret(SecretKind.OAUTH, "client_secret", "short"))
    assert masks.answer("first-token, second-token, short") == "****, ****, ****"


def test_a_header_is_masked_with_and_without_its_scheme() -> None:
    masks = Masks([McpSecret(SecretKind.HEADER, "Authorization", "Bearer abcdefghijklmnopq")])
    assert masks.answer("no abcdefghijklmnopq") == "no ****"
    assert masks.answer("Bearer abcdefghijklmnopq") == "****"


def test_names_are_masked_and_bytes_are_not() -> None:
    masks = env("TOKEN", "secret")
    data = base64.b64encode(b"-secret-").decode() + "secret"
    assert masks.answer({"secret": {"data": data, "n": 1, "blob": None}}) == {
        "****": {"data": data, "n": 1, "blob": None}
    }
