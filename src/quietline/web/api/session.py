"""Signing in and out. The session is the vault's; this process keeps only its cookie's way."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from quietline import errors
from quietline.sealed import Sealed
from quietline.vault.ports import Session
from quietline.web.desk import Caller, DeskDep, Json, token_of
from quietline.web.identity import COOKIE, VISIT_COOKIE, clear_cookie, require_csrf, session_key, set_cookie
from quietline.web.problems import problem_of

router = APIRouter(prefix="/api")


class Credentials(BaseModel):
    """What the sign-in form sends. The password has its own type, so that no repr shows it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    login: str = Field(min_length=1, max_length=200)
    password: SecretStr = Field(min_length=1, max_length=1_000)
    new_password: SecretStr = Field(default=SecretStr(""), max_length=1_000)  # where `password` is a one-time word
    code: SecretStr = Field(default=SecretStr(""), max_length=40)  # of the second factor, where there is one


def session_body(session: Session) -> Json:
    """What a page needs of its session."""
    return {
        "agent": session.agent,
        "name": session.name,
        "role": session.role,
        "csrf": session.csrf,
        "expires": session.expires,
        "second": session.second,
    }


@router.post("/session", status_code=HTTPStatus.CREATED)
async def sign_in(request: Request, response: Response, desk: DeskDep, given: Credentials) -> Json:
    """Start a session. 401 when login or password is wrong (which of them is not said), 503 without the vault.

    403 "choose-password": a one-time word fits; it is taken together with a new password. 403 "second-factor": the
    password fits; it is taken together with a code.
    """
    visit = request.cookies.get(VISIT_COOKIE, "")
    require_csrf(request, desk.visits.token(visit) if visit else "")
    source = request.client.host if request.client else ""
    async with desk.sign_in_slot():
        words = (Sealed(each.get_secret_value()) for each in (given.password, given.new_password, given.code))
        password, chosen, code = words
        token, session = await desk.vault.sign_in(given.login, password, source, chosen, code)
    desk.sessions.remember(session_key(token), session)
    set_cookie(response, COOKIE, token)
    return session_body(session)


@router.delete("/session", status_code=HTTPStatus.NO_CONTENT, response_model=None)
async def sign_out(desk: DeskDep, who: Caller) -> Response:
    """End the session: its streams end at once, its phone credential dies with it.

    Without the vault it ends here all the same, and the answer is 503: elsewhere the session runs until it expires.
    """
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    desk.sessions.end(who.key)
    desk.floor.close_session(who.session.agent, who.key)
    with suppress(errors.Unavailable):  # the controller goes by the phone's registration, which ends as well
        await desk.floor.ask("state", who.session.agent, state="offline", phone="browser")
    try:
        await desk.vault.sign_out(token_of(who))
    except errors.Unavailable as error:
        response = problem_of(error).response()
    clear_cookie(response, COOKIE)
    return response


@router.get("/me")
async def me(who: Caller) -> Json:
    """Who is signed in, and the CSRF token for what follows."""
    return session_body(who.session)
