"""The API's own documentation: OpenAPI as JSON, and as a page that needs nothing else.

The page is written here and not by a script in the browser, so that it works under the same
content security policy as everything else and loads nothing from another host.
"""

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from open_agent.server.reference import STYLE, write_page

router = APIRouter(include_in_schema=False)


@router.get("/")
async def get_root() -> Response:
    """Where a browser arrives, until there is a dashboard."""
    return RedirectResponse("/docs")


@router.get("/openapi.json")
async def get_openapi(request: Request) -> Response:
    """The description of this API."""
    return JSONResponse(request.app.openapi())


@router.get("/docs")
async def get_docs(request: Request) -> Response:
    """The same for people."""
    return HTMLResponse(write_page(request.app.openapi()))


@router.get("/docs/style.css")
async def get_style() -> Response:
    """How the page looks."""
    return Response(STYLE, media_type="text/css")
