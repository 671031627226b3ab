"""The models of an OpenCode of our own, which need not run to know them."""

from typing import cast

import pytest

from open_agent.backends.opencode.models import OpenCodeModels
from open_agent.backends.opencode.protocol.wire import ModelRef
from open_agent.backends.opencode.servers.server import OpenCodeServer
from open_agent.core.errors import Invalid

OFFERED = [ModelRef("endpoint", "scripted"), ModelRef("endpoint", "vendor/large")]
NOBODY = cast("OpenCodeServer", None)
"""Asking it would fail: it is not to be asked."""


def models(unusable: str | None = None, nameless: str | None = None) -> OpenCodeModels:
    return OpenCodeModels(
        NOBODY,
        offered=lambda: OFFERED,
        unchosen={"demo"},
        unusable=unusable,
        nameless=nameless,
    )


async def test_they_are_recorded_as_the_endpoint_names_them() -> None:
    known = models()
    for asked in ("scripted", "endpoint/scripted"):
        assert await known.checked(asked) == "scripted"
        assert await known.resolve(asked) == OFFERED[0]
    assert await known.checked("large") == "vendor/large"
    assert known.name_of(OFFERED[1]) == "vendor/large"


async def test_no_name_and_one_that_nobody_chose_mean_its_own_default() -> None:
    known = models()
    assert await known.checked(None) is None
    assert await known.resolve("demo") is None
    with pytest.raises(Invalid) as refused:
        await known.checked("unknown")
    assert refused.value.code == "model.unknown"


async def test_where_there_is_no_default_one_has_to_be_named() -> None:
    known = models(nameless="Name one.")
    assert await known.checked("scripted") == "scripted"
    for asked in (None, "demo"):
        with pytest.raises(Invalid) as refused:
            await known.checked(asked)
        assert (refused.value.code, refused.value.message) == ("model.unusable", "Name one.")


async def test_without_a_key_none_can_be_called() -> None:
    known = models(unusable="It needs a key.")
    for asked in (None, "demo", "scripted"):
        with pytest.raises(Invalid) as refused:
            await known.checked(asked)
        assert (refused.value.code, refused.value.message) == ("model.unusable", "It needs a key.")
