"""Errors become HTTP problems (RFC 9457) here and nowhere else. No problem repeats what was sent."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from quietline import errors
from quietline.reasons import Why

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = "2"


class WebError(errors.QuietlineError):
    """What only the web process can find wrong: carries its own status and code."""

    status = HTTPStatus.BAD_REQUEST
    code = "bad-request"


class NoSuchCall(WebError):
    """The call is not this agent's current one, or never was: the two look alike."""

    status = HTTPStatus.NOT_FOUND
    code = "no-such-call"


class NoSuchField(WebError):
    """There is no field of this name."""

    status = HTTPStatus.NOT_FOUND
    code = "no-such-field"


class CallEnded(WebError):
    """The call was this agent's, and has ended: its data is closed (product.md, promise 4)."""

    status = HTTPStatus.GONE
    code = "call-ended"


class NotInThisState(WebError):
    """The call is not in a state that allows this."""

    status = HTTPStatus.CONFLICT
    code = "not-in-this-state"


class Forged(WebError):
    """The request did not come from our own page: Origin, CSRF token or content type is not right."""

    status = HTTPStatus.FORBIDDEN
    code = "forged"


class TooLarge(WebError):
    """The request is longer than the limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too-large"


class TooMany(WebError):
    """More than this agent may ask for at once."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "too-many"


class Busy(errors.Unavailable):
    """More wait for this than is allowed."""


class WrongHost(WebError):
    """Another name leads here (a rebound one, say), and it is not served."""

    status = HTTPStatus.MISDIRECTED_REQUEST
    code = "wrong-host"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem document. `code` is closed and stable: pages decide by it; `detail` is for people."""

    status: int
    code: str
    detail: str
    reason: str = ""
    advice: str = ""

    def body(self) -> dict[str, Any]:
        """The document (RFC 9457 §3.1), empty members left out."""
        extra = {name: value for name, value in (("reason", self.reason), ("advice", self.advice)) if value}
        return {
            "type": f"urn:quietline:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": int(self.status),
            "code": self.code,
            "detail": self.detail,
            **extra,
        }

    def response(self) -> JSONResponse:
        """The answer; what may work again soon says when (RFC 9110 §10.2.3)."""
        headers = {"Cache-Control": "no-store"}
        if self.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
            headers["Retry-After"] = RETRY_SECONDS
        return JSONResponse(self.body(), int(self.status), headers, MEDIA_TYPE)


_UNAVAILABLE: tuple[tuple[type[errors.QuietlineError], str, str], ...] = (
    (errors.VaultLocked, "vault-locked", "The vault is locked. Customer data stays hidden; calls go on."),
    (errors.LedgerUnavailable, "ledger-unavailable", "The look could not be written down, so nothing was shown."),
    (errors.EdgeUnavailable, "edge-unavailable", "The edge could not confirm the call, so nothing was shown."),
    (Busy, "busy", "Too many people are signing in at this moment. Try again shortly."),
    (errors.Unavailable, "unavailable", "A part that is needed does not answer. Customer data stays hidden."),
    (errors.ProtocolError, "unavailable", "A part that is needed gave no proper answer. Customer data stays hidden."),
)

_DENIED: dict[str, HTTPStatus] = {
    Why.CALL_ENDED: HTTPStatus.GONE,
    Why.NOT_READY: HTTPStatus.CONFLICT,
    Why.NOT_NOW: HTTPStatus.CONFLICT,
    Why.SIGN_IN_REFUSED: HTTPStatus.UNAUTHORIZED,
    Why.SIGN_IN_BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    Why.TOKEN_REFUSED: HTTPStatus.UNAUTHORIZED,
    Why.PAGE_TOKEN_WRONG: HTTPStatus.FORBIDDEN,
    Why.OPENS_PER_MINUTE: HTTPStatus.TOO_MANY_REQUESTS,
    Why.OPENS_PER_DAY: HTTPStatus.TOO_MANY_REQUESTS,
    Why.OPENS_IN_ALL: HTTPStatus.SERVICE_UNAVAILABLE,
}


def problem_of(error: errors.QuietlineError) -> Problem:
    """The one table from our errors to HTTP."""
    if isinstance(error, errors.NotSignedIn):
        return Problem(HTTPStatus.UNAUTHORIZED, "signed-out", "Sign in to go on.", error.reason, error.advice)
    if isinstance(error, errors.Denied):
        status = _DENIED.get(error.reason, HTTPStatus.FORBIDDEN)
        return Problem(status, "denied", "This was refused.", error.reason, error.advice)
    if isinstance(error, WebError):
        return Problem(error.status, error.code, str(error))
    for kind, code, detail in _UNAVAILABLE:
        if isinstance(error, kind):
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, code, detail)
    if isinstance(error, errors.TamperError):
        detail = "The stored value does not match what vouched for it, so it stays hidden. The fault is recorded."
        return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "tampered", detail)
    return internal()


def internal() -> Problem:
    """What is said when we were wrong: nothing about what, for that could be personal."""
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side. It has been logged."
    )


def validation_problem(error: RequestValidationError) -> Problem:
    """Says where and which rule; never repeats the input, for it could be a password or a customer's."""
    places = (".".join(str(part) for part in found["loc"]) + f" ({found['type']})" for found in error.errors())
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", "Not as expected: " + ", ".join(sorted(set(places))[:8]))


def _http_problem(error: HTTPException) -> Problem:
    code = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}.get(error.status_code, "http")
    return Problem(error.status_code, code, HTTPStatus(error.status_code).description or "Refused.")


def install(app: FastAPI) -> None:
    """Give every error of every route its problem."""

    async def ours(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, errors.QuietlineError)
        problem = problem_of(error)
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("a part did not answer", code=problem.code, error=str(error))  # our own errors are safe to log
        return problem.response()

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return validation_problem(error).response()

    async def http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        response = _http_problem(error).response()
        response.headers.update(error.headers or {})
        return response

    async def unforeseen(_: Request, __: Exception) -> JSONResponse:
        return internal().response()  # the guard logs it

    app.add_exception_handler(errors.QuietlineError, ours)
    app.add_exception_handler(Exception, unforeseen)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
