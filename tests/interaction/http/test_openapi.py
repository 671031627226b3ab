"""The description of the API, for programs and for people."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import httpx2
import pytest

from open_agent.events.model.union import EventType
from open_agent.server.http import create_app
from open_agent.services.system import Phase, Readiness, System
from open_agent.testing.asgi import client_of
from tests.interaction.http.rig import INSTALLATION, TOKEN, server
from tests.interaction.requirements import requirement


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


@requirement("server:openapi:complete")
async def test_every_route_and_value_is_described(unchanging: httpx2.AsyncClient) -> None:
    document = (await unchanging.get("/openapi.json")).json()
    problems: list[str] = []
    for name, operation in operations(document):
        if not operation.get("description") or not operation.get("tags"):
            problems.append(name)
        things = [*operation.get("parameters", []), *operation["responses"].values()]
        problems += [f"{name}: {thing}" for thing in things if not thing.get("description")]
    for name, schema in document["components"]["schemas"].items():
        if not schema.get("description"):
            problems.append(name)
    assert problems == []
    routes = {name for name, _ in operations(document)}
    assert routes >= {"POST /api/task", "GET /api/missions/{id}/stream", "GET /api/status"}


@requirement("server:openapi:complete")
async def test_the_event_view_is_typed_as_the_closed_union(
    unchanging: httpx2.AsyncClient,
) -> None:
    document = (await unchanging.get("/openapi.json")).json()
    event = document["components"]["schemas"]["Record"]["properties"]["event"]
    (union,) = [option for option in event["anyOf"] if "discriminator" in option]
    assert set(union["discriminator"]["mapping"]) == set(get_args(EventType))


class Assets(HTMLParser):
    """What a page loads or runs."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.inline.append(f"{tag} {name}")
            if name == "src" or (tag == "link" and name == "href"):
                self.loaded.append(value or "")
            if tag == "a" and name == "href":
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")
        if tag in ("script", "style", "iframe", "object"):
            self.inline.append(tag)


@requirement("server:openapi:complete")
async def test_the_page_loads_nothing_from_elsewhere_and_has_no_script(
    unchanging: httpx2.AsyncClient,
) -> None:
    reply = await unchanging.get("/docs")
    page = Assets()
    page.feed(reply.text)
    assert reply.headers["content-type"].startswith("text/html")
    assert (page.loaded, page.inline) == (["/docs/style.css"], [])
    assert "Successful Response" not in reply.text
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    # A browser that is given the bare address finds it.
    assert (await unchanging.get("/")).headers["location"] == "/docs"
    style = await unchanging.get("/docs/style.css")
    assert style.headers["content-type"].startswith("text/css")
    assert not re.search(r"url\(|@import", style.text)
    for path in (await unchanging.get("/openapi.json")).json()["paths"]:
        assert path in reply.text


@requirement("server:ready:draining")
@pytest.mark.parametrize("phase", list(Phase))
async def test_readiness_is_told_to_everybody(tmp_path: Path, phase: Phase) -> None:
    async with server(tmp_path, is_durable=False) as rig:
        system = System(INSTALLATION, Readiness(phase), rig.engine, rig.db.missions)
        app = create_app(replace(rig.services, system=system))
        async with client_of(app) as client:
            ready = await client.get("/api/ready")
            is_ready = phase is Phase.READY
            assert ready.status_code == (200 if is_ready else 503)
            assert ready.json() == {"ready": is_ready}
            assert (await client.get("/api/health")).json()["ready"] == is_ready
            assert (await client.get("/api/status")).status_code == 401
        async with client_of(app, token=TOKEN) as client:
            status = (await client.get("/api/status")).json()
            assert status["phase"] == phase
            assert status["database"] == {"kind": "sqlite", "ok": True, "problem": None}
            assert status["versions"]["server"] == "1.2.3"
