"""OpenCode servers that were there before us: which are used, and what is said of the others."""

import base64
from collections.abc import AsyncIterator, Callable

import anyio
import pytest

from open_agent.backends.opencode.protocol.errors import (
    OpenCodeRefused,
    OpenCodeUnsafe,
    OpenCodeVersion,
)
from open_agent.backends.opencode.protocol.transport import CallDeadlines
from open_agent.backends.opencode.servers.attached import Address, AttachedServer, is_this_machine
from open_agent.core.errors import OpenAgentError
from tests.interaction.opencode.fake import Fake, Serving

Attach = Callable[..., AttachedServer]
PASSWORD = "a-password"
HEADER = f"Basic {base64.b64encode(b'opencode:a-password').decode()}"


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    serving = await Fake().serve()
    yield serving
    await serving.close()


@pytest.fixture
async def attach() -> AsyncIterator[Attach]:
    made: list[AttachedServer] = []

    def make(
        url: str,
        password: str | None = None,
        *,
        may_be_open: bool = False,
        is_near: bool = True,
        probe: float = 20.0,
    ) -> AttachedServer:
        address = Address(url, password, may_be_open)
        made.append(AttachedServer(address, CallDeadlines(probe=probe), lambda _: is_near))
        return made[-1]

    yield make
    for server in made:
        await server.close()


async def refusal(server: AttachedServer) -> OpenAgentError:
    with pytest.raises(OpenAgentError) as refused:
        await server.client()
    state = await server.state(is_fresh=True)
    assert (state.phase, state.code, state.problem) == (
        "failed",
        refused.value.code,
        refused.value.message,
    )
    assert not state.is_usable
    return refused.value


async def test_one_on_this_machine_is_used_with_and_without_a_password(
    serving: Serving, attach: Attach
) -> None:
    server = attach(serving.url)
    assert await (await server.client()).version() == "1.18.33"
    assert (await server.state()).phase == "ready"
    serving.fake.password_header = HEADER
    guarded = attach(serving.url, PASSWORD)
    assert await (await guarded.client()).version() == "1.18.33"
    assert (await guarded.state()).version == "1.18.33"


async def test_a_wrong_password_is_said_to_be_one(serving: Serving, attach: Attach) -> None:
    serving.fake.password_header = HEADER
    for password in ("another", None):
        error = await refusal(attach(serving.url, password))
        assert isinstance(error, OpenCodeRefused)
        assert error.code == "opencode.password"
        assert "OPENCODE_SERVER_PASSWORD" in error.message


async def test_one_that_does_not_look_at_the_password_is_refused(
    serving: Serving, attach: Attach
) -> None:
    """Check 14."""
    error = await refusal(attach(serving.url, PASSWORD))
    assert isinstance(error, OpenCodeUnsafe)
    assert "OPENCODE_ALLOW_UNAUTHENTICATED" in error.message
    await attach(serving.url, PASSWORD, may_be_open=True).client()


async def test_one_of_another_machine_that_asks_for_no_password_is_refused(
    serving: Serving, attach: Attach
) -> None:
    """Check 14. Loopback stands for the other machine, since tests reach no further."""
    assert isinstance(await refusal(attach(serving.url, is_near=False)), OpenCodeUnsafe)
    await attach(serving.url, may_be_open=True, is_near=False).client()


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        ("http://127.0.0.1:4096", True),
        ("http://[::1]:4096", True),
        ("http://localhost:4096", True),
        ("http://opencode:4096", False),
        ("http://192.168.1.7:4096", False),
        ("http://0.0.0.0:4096", False),
        ("https://127.0.0.1.evil.example", False),
    ],
)
def test_only_loopback_is_this_machine(url: str, is_ours: bool) -> None:
    assert is_this_machine(url) is is_ours


@pytest.mark.parametrize("version", ["2.0.1", "0.9.0", "10.0.0", ""])
async def test_another_major_version_is_recognised_and_refused(
    serving: Serving, attach: Attach, version: str
) -> None:
    serving.fake.version = version
    error = await refusal(attach(serving.url))
    assert isinstance(error, OpenCodeVersion)
    assert "opencode-ai@1" in error.message
    assert version in error.message


async def test_what_is_no_opencode_is_refused(serving: Serving, attach: Attach) -> None:
    serving.fake.has_health = False
    assert isinstance(await refusal(attach(serving.url)), OpenCodeVersion)


async def test_one_that_never_answers_costs_a_moment_and_not_for_ever(
    serving: Serving, attach: Attach
) -> None:
    """The real one, when its port has just opened, never answers the first request."""
    serving.fake.mute = 1_000
    server = attach(serving.url, probe=0.1)
    with anyio.fail_after(10):  # other calls have thirty seconds
        assert (await refusal(server)).code == "opencode.unreachable"
    # How many requests went out by then depends on the machine; it answers from here on.
    serving.fake.mute = 0
    with anyio.fail_after(20):
        while (await server.state(is_fresh=True)).phase != "ready":
            pass
    assert (await server.client()).base_url == serving.url


async def test_what_a_run_found_is_what_health_is_told(serving: Serving, attach: Attach) -> None:
    server = attach(serving.url)
    await server.client()
    assert ((await server.state()).phase, (await server.state()).version) == ("ready", "1.18.33")
    assert serving.fake.asked.count("GET /global/health") == 1


async def test_what_health_is_told_is_kept_for_a_moment(serving: Serving, attach: Attach) -> None:
    server = attach(serving.url)
    for _ in range(5):
        await server.state()
    assert serving.fake.asked.count("GET /global/health") == 1
