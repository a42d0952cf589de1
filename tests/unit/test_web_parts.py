"""The small pure parts: TURN credentials, site, problems, sessions' memory, the page's files."""

from __future__ import annotations

import base64
import hashlib
import hmac
import inspect
import json
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline import errors
from quietline.config import Config, Edge, Web
from quietline.reasons import ADVICE, Why, denied
from quietline.sealed import Sealed
from quietline.testing.fake_desk import AMARA, FakeVault
from quietline.web import problems
from quietline.web.assets import REQUIRED, assets_of, load_assets
from quietline.web.identity import Sessions, Visits, session_key
from quietline.web.site import Limits, Site, site_of
from quietline.web.turn import ice_servers

ROOT = Path(__file__).parents[2]


@dataclass
class HandClock:
    """Time by hand."""

    now: float = 1_000.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


# -- TURN


def test_turn_credentials_are_coturns() -> None:
    """As coturn computes them with use-auth-secret: HMAC-SHA1 over the user name, base64."""
    (server,) = ice_servers("turns:desk.test:5349?transport=tcp", b"north", now=1_700_000_000.9, seconds=600)
    assert server["urls"] == "turns:desk.test:5349?transport=tcp"
    assert server["username"] == "1700000600:quietline"
    expected = hmac.new(b"north", b"1700000600:quietline", hashlib.sha1).digest()
    assert base64.b64decode(server["credential"]) == expected


def test_no_turn_server_and_one_without_a_secret() -> None:
    assert ice_servers("", b"north", 0, 1) == []
    assert ice_servers("turn:desk.test", b"", 0, 1) == [{"urls": "turn:desk.test"}]


@given(now=st.floats(0, 1e10), seconds=st.integers(1, 100_000), secret=st.binary(min_size=1))
def test_a_turn_user_name_says_when_it_ends(now: float, seconds: int, secret: bytes) -> None:
    (server,) = ice_servers("turns:x", secret, now, seconds)
    assert int(server["username"].partition(":")[0]) == int(now) + seconds
    assert secret not in server["credential"].encode() or len(secret) < 4


# -- the site


@pytest.mark.parametrize(("port", "origin"), [(443, "https://desk.test"), (8_444, "https://desk.test:8444")])
def test_the_origin_as_browsers_write_it(port: int, origin: str) -> None:
    assert Site("desk.test", port, 8_443).origin == origin


def test_the_site_comes_from_the_configuration() -> None:
    edge = Edge(realm="calls.example", wss_port=9_443, origins=("https://wall.example",))
    config = Config(edge=edge, web=Web(port=9_444, turn="turns:t.example"))
    site = site_of(config, b"secret")
    assert site.origin == "https://calls.example:9444"
    assert site.phone_socket == "wss://calls.example:9443"
    assert site.allows_origin("https://wall.example")
    assert site.allows_origin("https://calls.example:9444")
    assert not site.allows_origin("https://calls.example")
    assert "secret" not in repr(site).replace("turn_secret", "")


@given(st.text())
def test_only_listed_origins_are_allowed(origin: str) -> None:
    site = Site("desk.test", 443, 8_443, frozenset({"https://wall.example"}))
    assert site.allows_origin(origin) == (origin in {"https://desk.test", "https://wall.example"})


# -- problems


def every_error() -> list[errors.QuietlineError]:
    kinds = [each for module in (errors, problems) for _, each in inspect.getmembers(module, inspect.isclass)]
    found = [kind for kind in kinds if issubclass(kind, errors.QuietlineError)]
    return [kind("word", "advice") if issubclass(kind, errors.Denied) else kind("what happened") for kind in found]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_every_error_of_ours_becomes_a_problem(error: errors.QuietlineError) -> None:
    problem = problems.problem_of(error)
    assert 400 <= problem.status < 600
    body = json.loads(bytes(problem.response().body))
    assert set(body) >= {"type", "title", "status", "code", "detail"}
    assert problem.response().media_type == "application/problem+json"


@pytest.mark.parametrize("why", list(Why))
def test_every_refusal_tells_what_to_do(why: Why) -> None:
    problem = problems.problem_of(denied(why))
    assert problem.reason == why.value
    assert problem.advice == ADVICE[why]
    assert problem.status in {401, 403, 409, 410, 429, 503}


def test_what_a_refusal_means_in_http() -> None:
    def status(why: Why) -> int:
        return problems.problem_of(denied(why)).status

    assert status(Why.CALL_ENDED) == HTTPStatus.GONE
    assert status(Why.ASSURANCE_TOO_LOW) == HTTPStatus.FORBIDDEN
    assert status(Why.SIGNED_OUT) == HTTPStatus.UNAUTHORIZED


def test_unavailable_parts_are_told_apart() -> None:
    codes = {
        errors.VaultLocked: "vault-locked",
        errors.LedgerUnavailable: "ledger-unavailable",
        errors.EdgeUnavailable: "edge-unavailable",
        errors.RelayUnavailable: "unavailable",
        errors.Unavailable: "unavailable",
        errors.ProtocolError: "unavailable",
    }
    for kind, code in codes.items():
        problem = problems.problem_of(kind("x"))
        assert (problem.status, problem.code) == (503, code)


# -- the memory of sessions


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def vault(clock: HandClock) -> FakeVault:
    return FakeVault(clock=clock)


async def test_a_session_outlives_the_vault_for_a_while_only(vault: FakeVault, clock: HandClock) -> None:
    sessions = Sessions(vault, clock, cache_seconds=300)
    token, _ = await vault.sign_in(AMARA.login, Sealed(AMARA.password), "")
    assert not (await sessions.check(token)).degraded
    vault.down = True
    clock.now += 299
    who = await sessions.check(token)
    assert who.degraded
    with pytest.raises(errors.Unavailable):
        who.for_data()
    clock.now += 2
    with pytest.raises(errors.Unavailable):
        await sessions.check(token)


async def test_a_session_that_the_vault_never_confirmed_is_not_remembered(vault: FakeVault, clock: HandClock) -> None:
    vault.down = True
    with pytest.raises(errors.Unavailable):
        await Sessions(vault, clock, 300).check("made-up")


async def test_a_session_does_not_outlive_its_own_end(vault: FakeVault, clock: HandClock) -> None:
    sessions = Sessions(vault, clock, cache_seconds=100_000)
    token, session = await vault.sign_in(AMARA.login, Sealed(AMARA.password), "")
    await sessions.check(token)
    vault.down = True
    clock.now = session.expires
    with pytest.raises(errors.NotSignedIn):
        await sessions.check(token)


async def test_a_refused_session_is_forgotten(vault: FakeVault, clock: HandClock) -> None:
    sessions = Sessions(vault, clock, 300)
    token, _ = await vault.sign_in(AMARA.login, Sealed(AMARA.password), "")
    await sessions.check(token)
    vault.sessions.clear()
    with pytest.raises(errors.NotSignedIn):
        await sessions.check(token)
    vault.down = True
    with pytest.raises(errors.Unavailable):
        await sessions.check(token)


async def test_an_ended_session_stays_ended(vault: FakeVault, clock: HandClock) -> None:
    sessions = Sessions(vault, clock, 300)
    token, _ = await vault.sign_in(AMARA.login, Sealed(AMARA.password), "")
    sessions.end(session_key(token))
    with pytest.raises(errors.NotSignedIn):
        await sessions.check(token)


async def test_what_the_vault_checks_itself_is_recalled_until_it_ends(vault: FakeVault, clock: HandClock) -> None:
    sessions = Sessions(vault, clock, 300)
    token, session = await vault.sign_in(AMARA.login, Sealed(AMARA.password), "")
    assert (await sessions.recall(token)).session == session  # not remembered yet: asked
    vault.down = True
    clock.now += 10_000
    assert (await sessions.recall(token)).session == session
    sessions.end(session_key(token))
    sessions.remember(session_key(token), session)  # an answer that was under way while it ended
    with pytest.raises(errors.NotSignedIn):
        await sessions.recall(token)


async def test_what_is_recalled_ends_with_the_session(vault: FakeVault, clock: HandClock) -> None:
    sessions = Sessions(vault, clock, 300)
    token, session = await vault.sign_in(AMARA.login, Sealed(AMARA.password), "")
    await sessions.check(token)
    clock.now = session.expires
    with pytest.raises(errors.NotSignedIn):
        await sessions.recall(token)


async def test_the_memory_is_bounded_and_holds_no_token(vault: FakeVault, clock: HandClock) -> None:
    sessions = Sessions(vault, clock, 300)
    token, session = await vault.sign_in(AMARA.login, Sealed(AMARA.password), "")
    for number in range(5_000):
        sessions.remember(session_key(f"{token}{number}"), session)
        sessions.end(session_key(f"other{number}"))
        sessions.remember(session_key(f"{token}{number}"), session)
    assert len(sessions._memory) <= 4_096
    assert len(sessions._ended) <= 4_096
    assert token not in str(sessions._memory)


async def test_a_signed_in_request_does_not_print_its_token(vault: FakeVault, clock: HandClock) -> None:
    token, _ = await vault.sign_in(AMARA.login, Sealed(AMARA.password), "")
    assert token not in repr(await Sessions(vault, clock, 300).check(token))


def test_visit_tokens_belong_to_one_visit_and_one_process() -> None:
    visits, others = Visits(), Visits()
    visit = visits.new()
    assert visits.token(visit) == visits.token(visit)
    assert visits.token(visit) != visits.token(visits.new())
    assert visits.token(visit) != others.token(visit)


# -- the page's files


def test_files_change_their_address_with_their_content() -> None:
    first = assets_of({"desk.js": b"1"})
    assert first.version != assets_of({"desk.js": b"2"}).version
    assert first.version != assets_of({"desk.mjs": b"1"}).version
    assert first.version == assets_of({"desk.js": b"1"}).version


def test_unknown_kinds_of_file_are_not_served() -> None:
    assert set(assets_of({"desk.js": b"", "desk.js.map": b"", "notes.txt": b""}).files) == {"desk.js"}


def test_a_page_that_was_not_built_says_how(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="npm run build"):
        load_assets(tmp_path)
    for name in REQUIRED:
        (tmp_path / name).write_bytes(b"x")
    assert set(load_assets(tmp_path).files) == set(REQUIRED)


def test_the_lock_file_names_no_address() -> None:
    text = (ROOT / "package-lock.json").read_text()
    assert "resolved" not in text
    assert "integrity" in text
    assert "http" not in text.replace("https://github.com/sponsors", "").replace("https://opencollective.com", "")


def test_the_longest_note_fits_the_longest_body() -> None:
    limits = Limits()
    assert limits.note_characters * 4 + len('{"text":""}') <= limits.body_bytes
