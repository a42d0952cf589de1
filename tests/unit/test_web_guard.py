"""The outermost layer: headers, hosts, sizes, methods, hostile input, and what is written to the log."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quietline.testing.desk_client import DeskUnderTest
from quietline.testing.fake_desk import AMARA, CUSTOMER
from quietline.web.guard import check_request
from quietline.web.headers import content_security_policy
from quietline.web.problems import WebError
from quietline.web.site import Site

PATHS = ["/", "/api/me", "/api/state", "/nowhere", "/static/x/desk.js", "/healthz", "/api/calls/a/card"]


@pytest.fixture
def under() -> DeskUnderTest:
    return DeskUnderTest()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What our own log says, as text."""
    text = io.StringIO()
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory(text)
    )
    yield text
    structlog.reset_defaults()


@pytest.mark.parametrize("path", PATHS)
async def test_security_headers_on_every_answer(under, path: str) -> None:
    response = await under.client().get(path)
    headers = response.headers
    assert headers["strict-transport-security"].startswith("max-age=31536000")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["permissions-policy"].startswith("microphone=(self), camera=()")
    assert "server" not in headers
    assert "no-store" in headers["cache-control"]


def test_the_policy_allows_nothing_inline_and_one_socket() -> None:
    policy = content_security_policy(Site("desk.test", 443, 8443))
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert rules["connect-src"] == "'self' wss://desk.test:8443"
    assert rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert "unsafe" not in policy


async def test_the_page_holds_no_inline_script_or_style(under) -> None:
    html = (await under.client().get("/")).text
    assert "<style" not in html
    assert " style=" not in html
    assert " on" not in html.replace(" on the", "").split("<body>")[1]
    assert html.count("<script src=") + html.count('<script type="module" src=') == html.count("<script")


async def test_static_files_may_be_kept_and_only_by_exact_name(under) -> None:
    client = under.client()
    base = f"/static/{under.desk.assets.version}"
    response = await client.get(f"{base}/desk.js")
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in response.headers["cache-control"]
    tricks = [
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "....//app.py",
        "desk.js%00",
        "desk.js/",
        "DESK.JS",
        "",
        "%5c..%5capp.py",
    ]
    for trick in tricks:
        assert (await client.get(f"{base}/{trick}")).status_code == 404, trick
    assert (await client.get("/static/0000000000000000/desk.js")).status_code == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "desk.test.evil.example", "desk.test:444", "", "desk.test, evil.example"]
)
async def test_another_host(under, host: str) -> None:
    response = await under.client().get("/", Host=host)
    assert response.status_code == 421
    assert response.json()["code"] == "wrong-host"


async def test_host_is_not_case_sensitive(under) -> None:
    assert (await under.client().get("/", Host="DESK.test")).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "FOO", "DELETE"])
async def test_methods_that_a_route_does_not_have(under, method: str) -> None:
    client = await under.signed_in()
    response = await client.send(method, "/api/state")
    assert response.status_code == 405
    assert response.json()["code"] == "method-not-allowed"
    assert "GET" in response.headers["allow"] or "POST" in response.headers["allow"]


async def test_a_body_too_long_by_its_own_word(under) -> None:
    client = await under.signed_in()
    response = await client.post("/api/state", {"state": "x" * 9_000})
    assert response.status_code == 413
    assert response.json()["code"] == "too-large"


async def test_a_body_too_long_without_saying_so(under) -> None:
    client = await under.signed_in()

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 1_024

    headers = {"Origin": client.origin, "X-CSRF-Token": client.csrf, "Content-Type": "application/json"}
    response = await client.http.post("/api/state", content=endless(), headers=headers)
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "９", "0x10", "9" * 40])
def test_nonsense_lengths(length: str) -> None:
    site = Site("desk.test", 443, 8443)
    headers = [(b"host", b"desk.test"), (b"content-length", length.encode("latin-1", "replace"))]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    with pytest.raises(WebError):
        check_request(site, scope)


BAD_BODIES = [
    ("/api/state", {"state": "on_call"}),
    ("/api/state", {"state": 1}),
    ("/api/state", {"state": "ready", "extra": True}),
    ("/api/state", {"state": "ready", "phone": "fax"}),
    ("/api/state", []),
    ("/api/state", None),
    ("/api/session", {"login": "amara"}),
    ("/api/session", {"login": ["amara"], "password": "x"}),
    ("/api/session", {"login": "a" * 201, "password": "x"}),
    ("/api/session", {"login": "", "password": ""}),
    ("/api/calls/{call}/fields/contact.name", {"reason": "curiosity"}),
    ("/api/calls/{call}/fields/contact.name", {}),
    ("/api/calls/{call}/note", {"text": 4}),
    ("/api/calls/{call}/note", {"text": ""}),
]


@pytest.mark.parametrize(("path", "body"), BAD_BODIES)
async def test_wrong_types_are_named_and_never_repeated(under, path: str, body: object) -> None:
    client = await under.signed_in()
    call = under.on_call(assurance=2)
    response = await client.post(path.format(call=call), body)
    assert response.status_code == 422
    problem = response.json()
    assert problem["code"] == "invalid"
    assert "body" in problem["detail"]
    assert "curiosity" not in response.text
    assert "a" * 201 not in response.text


@pytest.mark.parametrize("raw", [b"{", b"\xff\xfe", b"[" * 4_000, b'{"state": NaN}', b'"ready"', b"state=ready"])
async def test_bodies_that_are_not_json(under, raw: bytes) -> None:
    client = await under.signed_in()
    headers = {"Origin": client.origin, "X-CSRF-Token": client.csrf, "Content-Type": "application/json"}
    response = await client.http.post("/api/state", content=raw, headers=headers)
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_form_is_not_json(under) -> None:
    """What another site's form could send, were its Origin not refused first."""
    client = await under.signed_in()
    headers = {"Origin": client.origin, "X-CSRF-Token": client.csrf, "Content-Type": "text/plain"}
    response = await client.http.post("/api/state", content=b'{"state": "ready"}', headers=headers)
    assert response.status_code == 422


TRICKS = ["a/b", "..", "%2e%2e", "a%2fb", "a b", "a'b", "x" * 81, "<script>", "%00", "é"]


@pytest.mark.parametrize("trick", TRICKS)
async def test_call_ids_that_are_not(under, trick: str) -> None:
    client = await under.signed_in()
    response = await client.get(f"/api/calls/{trick}/card")
    assert response.status_code in (404, 422)
    assert "<script>" not in response.text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
async def test_no_body_is_our_fault(under, body: object) -> None:
    """Whatever is sent, the answer is a refusal or a success, never a 500."""
    client = await under.signed_in()
    call = under.on_call(assurance=2)
    for path in ("/api/state", f"/api/calls/{call}/note", f"/api/calls/{call}/fields/contact.name", "/api/session"):
        assert (await client.post(path, body)).status_code < 500


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(token=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='",;\\'), max_size=700))
async def test_no_cookie_is_our_fault(under, token: str) -> None:
    client = under.client()
    response = await client.get("/api/me", Cookie=f"__Host-quietline={token}")
    assert response.status_code == 401


async def test_an_error_of_ours_says_nothing(under, log: io.StringIO) -> None:
    client = await under.signed_in()
    call = under.on_call(assurance=2)

    async def broken(*_: object) -> dict[str, object]:
        raise KeyError(CUSTOMER["contact.phone"])

    under.vault.card = broken  # type: ignore[method-assign]
    response = await client.get(f"/api/calls/{call}/card")
    assert response.status_code == 500
    assert response.json()["code"] == "internal"
    written = response.text + log.getvalue()
    assert CUSTOMER["contact.phone"] not in written
    assert "KeyError at test_web_guard.py" in log.getvalue()


async def test_the_log_and_metrics_hold_nothing_personal(under, log: io.StringIO) -> None:
    client = await under.signed_in()
    call = under.on_call(assurance=2)
    await client.get(f"/api/calls/{call}/card?name=Rosa%20Quill")
    await client.post(f"/api/calls/{call}/fields/contact.phone", {"reason": "complaint"})
    await client.post(f"/api/calls/{call}/note", {"text": "Lives by the old weir."})
    await client.get("/api/calls/+442079460142/card")
    metrics = (await client.get("/metrics")).text
    written = log.getvalue() + metrics
    secrets = [
        *CUSTOMER.values(),
        "Rosa",
        "weir",
        "2079460142",
        call,
        client.csrf,
        AMARA.password,
        AMARA.login,
        "127.0.0.1",
    ]
    assert not [secret for secret in [*secrets, client.http.cookies["__Host-quietline"]] if secret in written]
    routes = {json.loads(line).get("route") for line in log.getvalue().splitlines()}
    assert "/api/calls/{call}/card" in routes


async def test_metrics_count_by_route(under) -> None:
    client = await under.signed_in()
    await client.get("/api/me")
    text = (await client.get("/metrics")).text
    assert 'quietline_web_requests_total{route="/api/me",status="200"} 1' in text
    assert "quietline_web_streams 0" in text


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
async def test_health_is_for_this_machine_only(under, path: str) -> None:
    transport = httpx.ASGITransport(under.app, client=("192.0.2.7", 40_000))
    async with httpx.AsyncClient(transport=transport, base_url="https://desk.test") as far:
        assert (await far.get(path)).status_code == 404
    assert (await under.client().get(path, Host="127.0.0.1")).status_code == 200


async def test_other_protocols_are_left_alone(under) -> None:
    """A WebSocket opened to the page's port gets no answer from the application."""
    sent: list[object] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        sent.append(message)

    await under.app({"type": "websocket", "path": "/"}, receive, send)  # type: ignore[arg-type]
    assert sent == []
