"""People who look after their own sign-in: passkeys, an authenticator app, recovery codes, step-up, sessions.

What changes how somebody signs in is asked of the vault with the session's token, and refused there unless who sits
here has just proved it. A passkey's options and answer go through as they are: this process believes neither.
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from quietline import errors
from quietline.sealed import Sealed
from quietline.vault.ports import Session
from quietline.web.api.page import render
from quietline.web.api.session import session_body
from quietline.web.desk import DataCaller, Desk, DeskDep, Json, token_of
from quietline.web.identity import (
    COOKIE,
    SIGN_ON_COOKIE,
    VISIT_COOKIE,
    clear_cookie,
    require_csrf,
    session_key,
    set_cookie,
)

router = APIRouter()

ANSWER = 8_000  # characters of what a browser makes of a passkey's options


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Answer(_Body):
    """A passkey's answer, the JSON text of `PublicKeyCredential.toJSON()`."""

    answer: str = Field(min_length=2, max_length=ANSWER)


class NewPasskey(Answer):
    """With a name that its owner knows it by."""

    label: str = Field(default="", max_length=60)


class Proof(_Body):
    """Either a passkey's answer, or the password with the code of the second factor, where there is one."""

    answer: str = Field(default="", max_length=ANSWER)
    password: SecretStr = Field(default=SecretStr(""), max_length=1_000)
    code: SecretStr = Field(default=SecretStr(""), max_length=40)


class Code(_Body):
    """Six digits of the app."""

    code: SecretStr = Field(min_length=6, max_length=12)


class NewPassword(_Body):
    """A password of one's own choice."""

    password: SecretStr = Field(min_length=1, max_length=1_000)


def _sealed(given: SecretStr) -> Sealed[str]:
    return Sealed(given.get_secret_value())


def _visit(request: Request, desk: Desk) -> str:
    """The sign-in page that asks. Raises Forged for one that is not ours."""
    visit = request.cookies.get(VISIT_COOKIE, "")
    require_csrf(request, desk.visits.token(visit) if visit else "")
    return visit


def _begin(response: Response, desk: Desk, token: str, session: Session) -> None:
    desk.sessions.remember(session_key(token), session)
    set_cookie(response, COOKIE, token)


# -- signing in


@router.post("/api/passkey/options")
async def passkey_options(request: Request, desk: DeskDep) -> Json:
    """What a browser needs to sign in with a passkey: the same for everybody. 503 without the vault."""
    return await desk.people.passkey_options(_visit(request, desk))


@router.post("/api/passkey/session", status_code=HTTPStatus.CREATED)
async def passkey_sign_in(request: Request, response: Response, desk: DeskDep, given: Answer) -> Json:
    """Start a session with a passkey. 401 for every refusal alike."""
    visit = _visit(request, desk)
    async with desk.sign_in_slot():
        token, session = await desk.people.passkey_sign_in(visit, given.answer)
    _begin(response, desk, token, session)
    return session_body(session)


@router.post("/api/sign-on")
async def sign_on(request: Request, response: Response, desk: DeskDep) -> Json:
    """Where the identity provider is. The way back is bound to this browser by a cookie of its own."""
    _visit(request, desk)
    begun = desk.visits.new()
    address = await desk.people.sign_on_start(begun)
    # Lax, for the provider sends the browser back from its own site, when Strict cookies stay at home.
    response.set_cookie(SIGN_ON_COOKIE, begun, max_age=300, path="/", secure=True, httponly=True, samesite="lax")
    return {"address": address}


@router.get("/sign-on")
async def signed_on(request: Request, desk: DeskDep, state: str = "", code: str = "") -> RedirectResponse:
    """Back from the provider: to the desk with a session, or to the sign-in page, which says that it was refused."""
    begun = request.cookies.get(SIGN_ON_COOKIE, "")
    response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    try:
        if not begun or len(state) > 200 or len(code) > 2_000:
            raise errors.Denied("proof-refused")
        async with desk.sign_in_slot():
            token, session = await desk.people.sign_on_finish(begun, state, code)
        _begin(response, desk, token, session)
    except (errors.Denied, errors.Unavailable) as error:
        word = "refused" if isinstance(error, errors.Denied) else "unavailable"
        response = RedirectResponse(f"/?sign-on={word}", HTTPStatus.SEE_OTHER)
    clear_cookie(response, SIGN_ON_COOKIE)
    return response


# -- proving it again


@router.post("/api/me/step-up/options")
async def step_up_options(desk: DeskDep, who: DataCaller) -> Json:
    """{"passkey": options or {}, "code": whether the password needs a code beside it}."""
    return await desk.people.step_up_options(token_of(who))


@router.post("/api/me/step-up", status_code=HTTPStatus.NO_CONTENT, response_model=None)
async def step_up(desk: DeskDep, who: DataCaller, given: Proof) -> Response:
    """Prove it again. 403 "proof-refused" when it was not right."""
    async with desk.sign_in_slot():
        await desk.people.step_up(token_of(who), _sealed(given.password), _sealed(given.code), given.answer)
    return Response(status_code=HTTPStatus.NO_CONTENT)


# -- one's own factors


@router.get("/security")
async def page(request: Request, desk: DeskDep) -> HTMLResponse:
    """The same for everybody: a shell without data."""
    return render(request, desk, "security.html")


@router.get("/api/me/factors")
async def factors(desk: DeskDep, who: DataCaller) -> Json:
    """What is set up; nothing secret."""
    return await desk.people.factors(token_of(who))


@router.post("/api/me/passkeys/options")
async def passkey_begin(desk: DeskDep, who: DataCaller) -> Json:
    """What a browser needs to make a passkey. 403 "step-up-needed"."""
    return await desk.people.passkey_begin(token_of(who))


@router.post("/api/me/passkeys", status_code=HTTPStatus.CREATED)
async def passkey_add(desk: DeskDep, who: DataCaller, given: NewPasskey) -> Json:
    """{"codes": recovery codes to show once, with the first factor; [] later}."""
    return {"codes": await desk.people.passkey_add(token_of(who), given.answer, given.label)}


@router.delete("/api/me/passkeys/{passkey}", status_code=HTTPStatus.NO_CONTENT, response_model=None)
async def passkey_remove(desk: DeskDep, who: DataCaller, passkey: str) -> Response:
    """Harmless where there is none of this id."""
    await desk.people.passkey_remove(token_of(who), passkey)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post("/api/me/app")
async def app_begin(desk: DeskDep, who: DataCaller) -> Json:
    """{"secret", "address"} for an authenticator app; it counts once a code of it was seen."""
    return dict(await desk.people.app_begin(token_of(who)))


@router.post("/api/me/app/confirm", status_code=HTTPStatus.CREATED)
async def app_confirm(desk: DeskDep, who: DataCaller, given: Code) -> Json:
    """The app is set up. 403 "proof-refused" ends this try."""
    return {"codes": await desk.people.app_confirm(token_of(who), _sealed(given.code))}


@router.delete("/api/me/app", status_code=HTTPStatus.NO_CONTENT, response_model=None)
async def app_remove(desk: DeskDep, who: DataCaller) -> Response:
    """Harmless where there is none."""
    await desk.people.app_remove(token_of(who))
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post("/api/me/recovery")
async def recovery_renew(desk: DeskDep, who: DataCaller) -> Json:
    """Ten new codes, shown once."""
    return {"codes": await desk.people.recovery_renew(token_of(who))}


@router.post("/api/me/password", status_code=HTTPStatus.NO_CONTENT, response_model=None)
async def change_password(desk: DeskDep, who: DataCaller, given: NewPassword) -> Response:
    """A new password; other sessions end."""
    async with desk.sign_in_slot():
        await desk.people.change_password(token_of(who), _sealed(given.password))
    return Response(status_code=HTTPStatus.NO_CONTENT)


# -- one's own sessions


@router.get("/api/me/sessions")
async def sessions(desk: DeskDep, who: DataCaller) -> Json:
    """Where this person is signed in."""
    return {"sessions": await desk.people.sessions(token_of(who))}


@router.delete("/api/me/sessions/{session}")
async def end_session(desk: DeskDep, who: DataCaller, session: str) -> Json:
    """{"ended": whether there was one}. Its streams end within two seconds."""
    return {"ended": await desk.people.end_session(token_of(who), session)}


@router.delete("/api/me/sessions")
async def end_other_sessions(desk: DeskDep, who: DataCaller) -> Json:
    """{"ended": how many}: all but this one."""
    return {"ended": await desk.people.end_other_sessions(token_of(who))}
