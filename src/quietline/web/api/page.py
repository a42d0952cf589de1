"""The one page, and its files."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from starlette.exceptions import HTTPException

from quietline.web.desk import Desk, DeskDep
from quietline.web.identity import VISIT_COOKIE, set_cookie

router = APIRouter()

FOR_EVER = "public, max-age=31536000, immutable"


def load_templates() -> dict[str, Template]:
    """Read once at start; undefined names are errors."""
    folder = FileSystemLoader(__file__.rsplit("/", 2)[0] + "/pages")
    pages = Environment(loader=folder, autoescape=True, undefined=StrictUndefined)
    return {name: pages.get_template(name) for name in pages.list_templates(["html"])}


@router.get("/")
async def page(request: Request, desk: DeskDep) -> HTMLResponse:
    """The same for everybody: a shell without data, and the CSRF token for signing in."""
    return render(request, desk, "desk.html")


def render(request: Request, desk: Desk, name: str) -> HTMLResponse:
    """A shell, and the CSRF token for signing in on it."""
    visit = request.cookies.get(VISIT_COOKIE) or desk.visits.new()
    base = f"/static/{desk.assets.version}"
    html = request.app.state.templates[name].render(base=base, csrf=desk.visits.token(visit), sign_on=desk.site.sign_on)
    response = HTMLResponse(html, headers={"Cache-Control": "no-store"})
    set_cookie(response, VISIT_COOKIE, visit)
    return response


@router.get("/static/{version}/{name}")
async def static(desk: DeskDep, version: str, name: str) -> Response:
    """From memory, by exact name. Another version is 404, so that an old page reloads rather than mixes."""
    asset = desk.assets.files.get(name)
    if asset is None or version != desk.assets.version:
        raise HTTPException(404)
    return Response(asset.body, media_type=asset.media_type, headers={"Cache-Control": FOR_EVER})
