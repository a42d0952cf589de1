"""Every route as everybody: docs/reference/routes.md, written by hand, against the application."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fastapi.routing import APIRoute

from quietline.access.decide import TAKES_CALLS, Role
from quietline.reasons import Why, denied
from quietline.testing.desk_client import DeskClient, DeskUnderTest
from quietline.testing.fake_desk import AMARA, FakeAgent, FakeVault
from quietline.testing.fake_guards import LINK, FakeGuards
from quietline.web.api.state import TAKE_CALLS
from quietline.web.app import build_routes

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "routes.md"
COLUMNS = {
    "agent": Role.AGENT,
    "season": Role.SEASONAL_AGENT,
    "super": Role.SUPERVISOR,
    "manag": Role.STORE_MANAGER,
    "cer": Role.PRIVACY_OFFICER,
    "audit": Role.AUDITOR,
    "admin": Role.ADMINISTRATOR,
    "else": Role.AGENT,
}
PEOPLE = {
    column: FakeAgent(f"ag_{column}", f"Robin {column.title()}", f"robin-{column}", "lantern harvest 12", role.value)
    for column, role in COLUMNS.items()
}
# What is sent where a route wants something. A route that is not here is asked without a body.
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/api/session"): {"login": AMARA.login, "password": "not the password"},
    ("POST", "/api/state"): {"state": "away"},
    ("POST", "/api/phone"): {"ring": "tab"},
    ("POST", "/api/calls/{call}/fields/{field}"): {"reason": "order_status"},
    ("POST", "/api/calls/{call}/claim"): {"by": "order", "value": "QL-0"},
    ("POST", "/api/calls/{call}/answer"): {"question": "contact.email", "answer": "nobody@example.com"},
    ("POST", "/api/calls/{call}/relayed"): {"relayed": True},
    ("POST", "/api/calls/{call}/note"): {"text": "Asked for the lamp."},
    ("POST", "/api/calls/{call}/transfer"): {"queue": "returns"},
    ("POST", "/api/calls/{call}/consult"): {"colleague": "ag_noor"},
    ("POST", "/api/passkey/session"): {"answer": "{}"},
    ("POST", "/api/me/passkeys"): {"answer": "{}"},
    ("POST", "/api/me/step-up"): {"password": "lantern harvest 12"},
    ("POST", "/api/me/app/confirm"): {"code": "123456"},
    ("POST", "/api/me/password"): {"password": "lantern harvest 13"},
    ("POST", "/api/calls/{call}/work"): {"fields": ["contact.email"], "reason": "complaint", "until": 4e9},
    ("POST", "/api/break-glass"): {
        "field": "contact.phone",
        "value": "+442079460001",
        "controller": "brand",
        "classes": ["contact"],
        "justification": "What happened, and why it cannot wait.",
    },
    ("POST", "/api/break-glass/{case}/review"): {"finding": "justified"},
    ("POST", "/api/receipts/{link}/choices"): {"purpose": "recording", "given": True},
}
VISITORS = {"/api/session", "/api/passkey/options", "/api/passkey/session", "/api/sign-on"}  # the sign-in page's own

LINKED = "/api/receipts/"  # the link is the right: nobody signs in


class FakePeople:
    """The vault's side of one's own sign-in: everything a good session may ask is granted, and nothing else."""

    GRANTED: ClassVar[dict[str, Any]] = {
        "passkey_add": [],
        "app_begin": {"secret": "JBSW", "address": "otpauth://x"},
        "app_confirm": [],
        "recovery_renew": [],
        "sessions": [],
        "end_session": True,
        "end_other_sessions": 0,
    }

    def __init__(self, vault: FakeVault) -> None:
        self._vault = vault

    async def passkey_options(self, visit: str) -> dict[str, str]:
        return {"challenge": "x"}

    async def sign_on_start(self, visit: str) -> str:
        return "https://provider.example/authorize"

    async def passkey_sign_in(self, visit: str, answer: str) -> None:
        raise denied(Why.SIGN_IN_REFUSED)

    async def token_floor(self, token: str) -> None:
        raise denied(Why.TOKEN_REFUSED)

    def __getattr__(self, name: str) -> Any:
        async def asked(token: str, *given: Any) -> Any:
            await self._vault.session(token)
            return self.GRANTED.get(name, {})

        return asked


@dataclass(frozen=True)
class Row:
    """One line of the table: what each column expects."""

    method: str
    route: str
    expected: dict[str, int]


def rows() -> list[Row]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    head, _, *body = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    columns = head[3:]
    assert columns == ["out", *COLUMNS]
    return [
        Row(method, route.strip("`"), dict(zip(columns, map(int, cells), strict=True)))
        for method, route, _, *cells in body
    ]


ROWS = rows()


def routes_of(app: Any) -> set[tuple[str, str]]:
    """Every (method, path) the application answers; HEAD goes with GET. Anything but a route would answer unseen."""
    found: set[tuple[str, str]] = set()
    for route in app.routes:
        if inner := getattr(route, "original_router", None):
            found |= routes_of(inner)
            continue
        assert isinstance(route, APIRoute), "a mounted part would answer without a row"
        found |= {(method, route.path) for method in route.methods - {"HEAD"}}
    return found


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    served = routes_of(build_routes(DeskUnderTest().desk))
    written = {(row.method, row.route) for row in ROWS}
    assert served - written == set(), "routes without a row in docs/reference/routes.md"
    assert written - served == set(), "rows without a route"
    assert len(written) == len(ROWS), "a route has two rows"


def routes_without_a_row() -> dict[str, str]:
    return {}


def test_a_route_without_a_row_would_be_seen() -> None:
    app = build_routes(DeskUnderTest().desk)
    app.add_api_route("/api/everything", routes_without_a_row, methods=["GET"])
    assert routes_of(app) - {(row.method, row.route) for row in ROWS} >= {("GET", "/api/everything")}


def test_every_role_has_a_column() -> None:
    assert set(COLUMNS.values()) == set(Role)


def test_the_desk_names_those_who_take_calls_as_access_does() -> None:
    assert {role.value for role in TAKES_CALLS} == TAKE_CALLS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.route}")
async def test_the_answer_to_everybody(row: Row) -> None:
    under = desk()
    elses = under.on_call(AMARA, assurance=2)
    calls = {column: under.on_call(PEOPLE[column], assurance=2) for column in COLUMNS if takes_calls(column)}
    found = {column: await status(under, row, column, calls.get(column, elses)) for column in ("out", *COLUMNS)}
    assert found == row.expected


def desk() -> DeskUnderTest:
    """With an account for every column."""
    under = DeskUnderTest()
    under.desk._people = FakePeople(under.vault)  # type: ignore[assignment]
    under.desk._guards = FakeGuards(under.vault)
    under.vault.agents = (*under.vault.agents, *PEOPLE.values())
    under.vault.own_phones = {each.agent: False for each in PEOPLE.values()}
    return under


async def status(under: DeskUnderTest, row: Row, column: str, call: str) -> int:
    """Ask this route as this person, in a browser of their own."""
    client = under.client()
    await client.visit()
    if column != "out":
        assert (await client.sign_in(PEOPLE[column])).is_success
    if row.route in VISITORS and row.method == "POST":
        await client.visit()  # the form's own token, whoever is signed in
    if row.route == "/api/events":
        return await streamed(client)
    path = filled(row.route, call, under)
    return (await client.send(row.method, path, BODIES.get((row.method, row.route)))).status_code


def takes_calls(column: str) -> bool:
    return column not in ("out", "else") and COLUMNS[column] in TAKES_CALLS


def filled(route: str, call: str, under: DeskUnderTest) -> str:
    version = under.desk.assets.version
    names = {"version": version, "name": "desk.js", "passkey": "pk_1", "session": "se_1"}
    names |= {"work": "wg_1", "case": "bg_1", "store": "high-street", "link": LINK}
    return route.format(call=call, field="contact.name", **names)


async def streamed(client: DeskClient) -> int:
    async with client.events() as reader:
        while not reader.status:
            await asyncio.sleep(0)
        return reader.status


def granted(cells: Iterable[int]) -> bool:
    return any(cell < 400 for cell in cells)


def test_nothing_of_a_call_is_for_whom_it_is_not() -> None:
    """Of the table itself: no slip of the hand gives a call to somebody else."""
    for row in ROWS:
        if "{call}" in row.route:
            outside = [row.expected[column] for column in ("out", "manag", "cer", "audit", "admin", "else")]
            assert not granted(outside), row
        elif row.route.startswith("/api/") and row.route not in VISITORS and not row.route.startswith(LINKED):
            assert row.expected["out"] == 401, row
